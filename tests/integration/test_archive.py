"""Where originals end: kept by day, removed by policy, and never lost with rows that were not sent."""

from __future__ import annotations

import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import files
from sftp_orchestrator.config.keeping import Keep
from sftp_orchestrator.deliver import archive as archive_module
from sftp_orchestrator.deliver.archive import Archive, get_archive_folder, get_rows_folder, move_in
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import InspectedFile, PlannedPart, Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.workspace import Workspace, remove_tree
from tests.support.intakes import KilledError, die
from tests.support.records import make_claim

CONTENT = b"user_id\na\n"


def _deliver(ledger: Ledger, workspace: Workspace) -> Source:
    """Take one source through the ledger to ``delivered``, with its original in the workspace."""
    original = workspace.get_source("s1")
    original.parent.mkdir()
    original.write_bytes(CONTENT)
    status = original.stat()
    claim = make_claim(device=status.st_dev, inode=status.st_ino, size=status.st_size, mtime_ns=status.st_mtime_ns)
    ledger.sources.begin_claims([claim])
    ledger.sources.finish_claims([claim])
    found = InspectedFile(
        size=status.st_size, mtime_ns=status.st_mtime_ns, sha256="0", records=1, header_bytes=b"h\n", earliest_ts=None
    )
    ledger.sources.finish_inspection("s1", found)
    part = PlannedPart(start=8, end=10, records=1, data_name="d.csv", manifest_name="d.manifest", manifest=b"{}")
    ledger.sources.finish_planning("s1", [part], plan_key="k")
    ledger.parts.finish_preparation(ledger.parts.get("s1", 1), size=10)
    for step in (ledger.parts.finish_upload, ledger.parts.begin_publishing, ledger.parts.finish_publishing):
        step(ledger.parts.get("s1", 1))
    ledger.sources.finish_deliveries(["s1"])
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
        Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=keep_days).put_away([source])
        assert ledger.sources.get("s1").state is SourceState.ARCHIVED
    found = list(workspace.archive.rglob("customers.csv"))
    assert [path.read_bytes() for path in found] == [CONTENT + (b"b\n" if late else b"")] * kept
    assert list(workspace.work.iterdir()) == []


@pytest.mark.parametrize("keep_days", [30, 0])
@pytest.mark.parametrize("keep", list(Keep))
def test_of_what_was_delivered_is_kept_what_the_policy_says(workspace: Workspace, keep: Keep, keep_days: int) -> None:
    """The original, its pieces as they were sent, or nothing; with keep_days 0 nothing; also after a crash."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _deliver(ledger, workspace)
        workspace.get_spool("s1", 1).write_bytes(b"encrypted")
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=keep_days, keep=keep)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archive_module, "remove_tree", die)
            with pytest.raises(KilledError):
                archive.put_away([source])
        archive.put_away_all()
    found = {path.name: path.read_bytes() for path in workspace.archive.rglob("*") if path.is_file()}
    kept = {Keep.ORIGINAL: {"customers.csv": CONTENT}, Keep.ENCRYPTED: {"d.csv": b"encrypted"}, Keep.NOTHING: {}}
    assert found == (kept[keep] if keep_days else {})
    assert list(workspace.work.iterdir()) == []


@pytest.mark.parametrize("keep", [Keep.ENCRYPTED, Keep.NOTHING])
def test_late_rows_are_kept_whatever_the_policy(workspace: Workspace, keep: Keep) -> None:
    """What came after the last manifest is nowhere else: the original stays, and an error tells of it."""
    with Ledger.open("sqlite", workspace.root) as ledger, capture_logs() as logs:
        source = _deliver(ledger, workspace)
        with workspace.get_source("s1").open("ab") as stream:
            stream.write(b"b\n")
        Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30, keep=keep).put_away([source])
    (found,) = workspace.archive.rglob("customers.csv")
    assert found.read_bytes() == CONTENT + b"b\n"
    assert [line["event"] for line in logs] == ["source_changed_late"]


@pytest.mark.parametrize("keep", list(Keep))
def test_plaintext_that_was_given_up_stays_for_a_day_where_none_is_kept(workspace: Workspace, keep: Keep) -> None:
    """A slip of the hand can be made good until the next day; then what the policy does not want is removed."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _give_up(ledger, workspace)
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30, keep=keep)
        archive.put_away_all()
        folder = get_archive_folder(workspace, source, ZoneInfo("UTC"))
        beside = folder.with_name("s3")
        beside.mkdir()
        day = source.changed_at.date()
        archive.remove_expired(day)
        assert (folder / "customers.csv").exists()
        archive.remove_expired(day + datetime.timedelta(days=1))
    assert folder.exists() is (keep is Keep.ORIGINAL)
    assert beside.exists()


def test_what_two_destinations_put_away_at_once_is_put_away_once(workspace: Workspace) -> None:
    """A run puts its delivery away while another one, that has ended, puts away all: neither fails."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _deliver(ledger, workspace)
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30)
        for put_away in (archive.put_away_all, lambda: archive.put_away([source])):
            put_away()
        assert ledger.sources.get("s1").state is SourceState.ARCHIVED
    assert len(list(workspace.archive.rglob("customers.csv"))) == 1


def _give_up(ledger: Ledger, workspace: Workspace) -> Source:
    """Quarantine one source with its report and what a person left beside it, and discard it."""
    claim = make_claim(source_id="s2", size=len(CONTENT))
    ledger.sources.begin_claims([claim])
    ledger.sources.finish_claims([claim])
    ledger.sources.quarantine("s2", "bad")
    folder = workspace.get_quarantine("s2")
    folder.mkdir()
    for name, content in {"customers.csv": CONTENT, "report.json": b"{}", "notes.txt": b"mine"}.items():
        (folder / name).write_bytes(content)
    ledger.discards.discard("s2", by="anna")
    return ledger.sources.get("s2")


@pytest.mark.parametrize("keep_days", [0, 30, None])
def test_what_was_given_up_is_kept_with_its_report_whatever_the_policy(
    workspace: Workspace, keep_days: int | None
) -> None:
    """A slip loses nothing: all of it lies in the archive of that day, and is removed by the policy, not before."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _give_up(ledger, workspace)
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=keep_days)
        for _ in range(2):
            archive.put_away_all()
        folder = get_archive_folder(workspace, source, ZoneInfo("UTC"))
        assert archive.remove_expired(source.changed_at.date()) == 0
        assert sorted(path.name for path in folder.iterdir()) == ["customers.csv", "notes.txt", "report.json"]
        assert (folder / "customers.csv").read_bytes() == CONTENT
        assert [list(left.iterdir()) for left in (workspace.work, workspace.quarantine)] == [[], []]
        later = source.changed_at.date() + datetime.timedelta(days=31)
        assert archive.remove_expired(later) == (0 if keep_days is None else 1)


def test_a_file_given_up_of_which_a_half_was_put_away_is_put_away_whole(workspace: Workspace) -> None:
    """After a crash between two files the rest follows into the same folder, and what was made of it is removed."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _give_up(ledger, workspace)
        folder = get_archive_folder(workspace, source, ZoneInfo("UTC"))
        move_in(workspace.get_quarantine("s2") / "report.json", folder, "report.json")
        (workspace.get_quarantine("s2") / "customers.csv").rename(workspace.root / "aside")
        workspace.get_folder("s2").mkdir()
        (workspace.root / "aside").rename(workspace.get_source("s2"))
        workspace.get_spool("s2", 1).write_bytes(b"encrypted")
        Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30).put_away_all()
    assert sorted(path.name for path in folder.iterdir()) == ["customers.csv", "notes.txt", "report.json"]
    assert [list(left.iterdir()) for left in (workspace.work, workspace.quarantine)] == [[], []]


@pytest.mark.parametrize("keep", Keep)
def test_refused_rows_of_a_file_given_up_follow_it(workspace: Workspace, keep: Keep) -> None:
    """They are plaintext that nobody would find again: they lie with their file, and go when the policy says."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _give_up(ledger, workspace)
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep=keep, keep_days=30)
        archive.put_away_all()
        # Whoever was reading it may have kept them only after it was given up.
        rejected = workspace.get_rejected("s2")
        rejected.mkdir()
        (rejected / "failed_rows.csv").write_bytes(b"rows")
        archive.put_away_all()
        assert not rejected.exists()
        folder = get_archive_folder(workspace, source, ZoneInfo("UTC"))
        assert (folder / "failed_rows.csv").read_bytes() == b"rows"
        archive.remove_expired(source.changed_at.date() + datetime.timedelta(days=1))
        assert folder.exists() is (keep is Keep.ORIGINAL)


def _give_rows_up(ledger: Ledger, workspace: Workspace) -> Path:
    """Deliver and archive a source, and give up the refused rows that are kept of it; return where they are to go."""
    _deliver(ledger, workspace)
    ledger.sources.finish_archives(["s1"])
    folder = workspace.get_rejected("s1")
    folder.mkdir()
    for name in ("failed_rows.csv", "report.json", "notes.txt"):
        (folder / name).write_text(name)
    at = ledger.discards.discard_rows("s1", by="anna")
    return get_rows_folder(workspace, "s1", at, ZoneInfo("UTC"))


@pytest.mark.parametrize("keep", Keep)
def test_refused_rows_that_were_given_up_are_kept_as_what_is_discarded(workspace: Workspace, keep: Keep) -> None:
    """With their report in the archive of that day; as plaintext that no policy wants they go the day after."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30, keep=keep)
        folder = _give_rows_up(ledger, workspace)
        with capture_logs() as logs:
            for _ in range(2):
                archive.put_away_all()
        assert [line["event"] for line in logs] == ["refused_rows_discarded"]
        today = datetime.date.fromisoformat(folder.parent.name)
        assert archive.remove_expired(today) == 0
        assert archive.list_unwanted() == (set() if keep is Keep.ORIGINAL else {"s1"})
        assert sorted(path.name for path in folder.iterdir()) == ["failed_rows.csv", "notes.txt", "report.json"]
        assert list(workspace.rejected.iterdir()) == []
        assert archive.remove_expired(today + datetime.timedelta(days=1)) == 0
        assert folder.exists() == (keep is Keep.ORIGINAL)
        assert archive.list_unwanted() == set()
        archive.remove_expired(today + datetime.timedelta(days=31))
        assert not folder.exists()


def test_refused_rows_of_which_a_half_was_put_away_follow_it(workspace: Workspace) -> None:
    """After a crash between two files the rest goes into the same folder; rows that nobody gave up stay."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        folder = _give_rows_up(ledger, workspace)
        move_in(workspace.get_rejected("s1") / "report.json", folder, "report.json")
        workspace.get_rejected("s9").mkdir()
        Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30).put_away_all()
    assert sorted(path.name for path in folder.iterdir()) == ["failed_rows.csv", "notes.txt", "report.json"]
    assert [path.name for path in workspace.rejected.iterdir()] == ["s9"]


def test_refused_rows_that_cannot_be_put_away_are_told_and_follow_later(workspace: Workspace) -> None:
    """The daemon goes on, and so does what else is to be put away."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        folder = _give_rows_up(ledger, workspace)
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30)
        workspace.archive.rmdir()
        workspace.archive.touch()
        with capture_logs() as logs:
            for _ in range(2):
                archive.put_away_all()
        assert [line["event"] for line in logs] == ["archive_failed"]
        workspace.archive.unlink()
        archive.put_away_all()
    assert (folder / "failed_rows.csv").read_text() == "failed_rows.csv"


def test_an_archived_original_survives_a_power_cut(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder that was made for it is in the one above it, and the file in the last; also where all were gone."""
    synced: list[Path] = []
    workspace.archive.rmdir()
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _deliver(ledger, workspace)
        monkeypatch.setattr(files, "fsync_directory", synced.append)
        Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30).put_away([source])
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
    Ledger.open("sqlite", workspace.root).close()
    for name in ("2020-01-01", "2026-01-31", "notes"):
        (workspace.archive / name / "s1").mkdir(parents=True)
        (workspace.archive / name / "s1" / "a.csv").write_bytes(CONTENT)
    (workspace.archive / "2020-01-02").write_bytes(b"a file")
    with Ledger.open("sqlite", workspace.root) as ledger:
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30)
        assert archive.remove_expired(datetime.date(2026, 2, 1)) == 1
    assert sorted(path.name for path in workspace.archive.iterdir()) == ["2020-01-02", "2026-01-31", "notes"]


def test_a_workspace_that_cannot_be_looked_into_is_a_fault_of_this_machine(workspace: Workspace) -> None:
    """It ends no daemon with a traceback: it is told, and what is to be put away is put away when it can be again."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        archive = Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30)
        workspace.quarantine.rmdir()
        workspace.quarantine.touch()
        with pytest.raises(LocalFault, match=r"look into workspace .*Not a directory"):
            archive.put_away_all()
        workspace.quarantine.unlink()
        archive.put_away_all()


@pytest.mark.parametrize("name", ["work", "quarantine", "rejected"])
def test_a_folder_that_somebody_removed_has_nothing_to_put_away(workspace: Workspace, name: str) -> None:
    """An empty folder is easily cleared away: what lies in the others is put away all the same."""
    with Ledger.open("sqlite", workspace.root) as ledger:
        source = _give_up(ledger, workspace)
        if name == "quarantine":
            remove_tree(workspace.quarantine)
        else:
            (workspace.root / name).rmdir()
        Archive(workspace, ledger, ZoneInfo("UTC"), keep_days=30).put_away_all()
    folder = get_archive_folder(workspace, source, ZoneInfo("UTC"))
    assert (folder / "customers.csv").exists() is (name != "quarantine")
