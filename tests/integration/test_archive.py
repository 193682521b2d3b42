"""Where originals end: kept by day, removed by policy, and never lost with rows that were not sent."""

from __future__ import annotations

import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import files
from sftp_orchestrator.deliver.archive import Archive
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PlannedPart, Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.workspace import Workspace

CONTENT = b"user_id\na\n"


def _deliver(ledger: Ledger, workspace: Workspace) -> Source:
    """Take one source through the ledger to ``delivered``, with its original in the workspace."""
    original = workspace.get_source("s1")
    original.parent.mkdir()
    original.write_bytes(CONTENT)
    status = original.stat()
    claim = Claim(
        source_id="s1",
        feed="customers",
        type=FeedType.PROFILE,
        destination="production",
        relative_path=b"customers.csv",
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )
    ledger.sources.begin_claims([claim])
    ledger.sources.finish_claim(claim)
    found = InspectedFile(
        size=status.st_size, mtime_ns=status.st_mtime_ns, sha256="0", records=1, header_bytes=b"h\n", earliest_ts=None
    )
    ledger.sources.finish_inspection("s1", found)
    part = PlannedPart(start=8, end=10, records=1, data_name="d.csv", manifest_name="d.manifest", manifest=b"{}")
    ledger.sources.finish_planning("s1", [part], plan_key="k")
    ledger.parts.finish_preparation(ledger.parts.get("s1", 1), size=10)
    for step in (ledger.parts.finish_upload, ledger.parts.begin_publishing, ledger.parts.finish_publishing):
        step(ledger.parts.get("s1", 1))
    ledger.sources.finish_delivery("s1")
    return ledger.sources.get("s1")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    made = Workspace(root=tmp_path / "workspace")
    made.prepare()
    return made


@pytest.mark.parametrize(("keep_days", "late", "kept"), [(30, False, 1), (0, False, 0), (0, True, 1)])
def test_originals_are_removed_only_where_all_of_them_was_sent(
    workspace: Workspace, keep_days: int, *, late: bool, kept: int
) -> None:
    """With keep_days 0 nothing stays, but for a file that its producer wrote to after its last manifest."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _deliver(ledger, workspace)
        if late:
            with workspace.get_source("s1").open("ab") as stream:
                stream.write(b"b\n")
        Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=keep_days).put_away(source)
        assert ledger.sources.get("s1").state is SourceState.ARCHIVED
    found = list(workspace.archive.rglob("customers.csv"))
    assert [path.read_bytes() for path in found] == [CONTENT + (b"b\n" if late else b"")] * kept
    assert list(workspace.work.iterdir()) == []


def test_an_archived_original_survives_a_power_cut(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder that was made for it is in the one above it, and the file in the last; also where all were gone."""
    synced: list[Path] = []
    workspace.archive.rmdir()
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _deliver(ledger, workspace)
        monkeypatch.setattr(files, "fsync_directory", synced.append)
        Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30).put_away(source)
    (original,) = workspace.archive.rglob("customers.csv")
    folder = original.parent
    assert [synced.index(path) for path in (workspace.root, workspace.archive, folder.parent)] == [0, 1, 2]
    assert synced[-1] == folder


@pytest.mark.parametrize("is_gone", [True, False])
def test_an_archive_that_is_no_folder_of_ours_ends_nothing(
    workspace: Workspace,
    is_gone: bool,  # noqa: FBT001 - a case
) -> None:
    """Removed by somebody, there is nothing to remove in it; a file in its place is told, and the daemon goes on."""
    workspace.archive.rmdir()
    if not is_gone:
        workspace.archive.touch()
    with capture_logs() as logs, Ledger.open("sqlite", workspace.root) as ledger:
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=0)
        assert archive.remove_expired(datetime.date(2026, 2, 1)) == 0
    assert [line["event"] for line in logs] == ([] if is_gone else ["archive_failed"])


def test_old_days_are_removed_and_nothing_else(workspace: Workspace) -> None:
    """Only folders that are days, and older than the policy keeps; a file of such a name stays and hinders nothing."""
    for name in ("2020-01-01", "2026-01-31", "notes"):
        (workspace.archive / name / "s1").mkdir(parents=True)
        (workspace.archive / name / "s1" / "a.csv").write_bytes(CONTENT)
    (workspace.archive / "2020-01-02").write_bytes(b"a file")
    with Ledger.open("sqlite", workspace.root) as ledger:
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30)
        assert archive.remove_expired(datetime.date(2026, 2, 1)) == 1
    assert sorted(path.name for path in workspace.archive.iterdir()) == ["2020-01-02", "2026-01-31", "notes"]
