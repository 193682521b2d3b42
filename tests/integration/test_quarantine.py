"""Quarantined originals: durable in their folder, and a folder that cannot be used is no other source's trouble."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.progress import Board
from tests.support.configuration import write_configuration

BAD = b"event_name,time_stamp,user_id\na row of one field\n"


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """Two files that break a rule, in staging."""
    made = write_configuration(tmp_path).configuration
    for name in ("purchases_a.csv", "purchases_b.csv"):
        (made.staging / name).write_bytes(BAD + name.encode())
    return made


async def _run(configuration: Configuration) -> dict[str, Source]:
    with open_daemon(configuration, Board()) as daemon:
        await daemon.run_once()
    return await asyncio.to_thread(_read, configuration)


def _read(configuration: Configuration) -> dict[str, Source]:
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        return {source.name: source for source in ledger.sources.list_in(set(SourceState))}


async def test_a_quarantined_original_survives_a_power_cut(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder's own name is brought to the disk, too."""
    synced: list[Path] = []
    real = files.fsync_directory

    def fsync_directory(path: Path) -> None:
        real(path)
        synced.append(path)

    monkeypatch.setattr(files, "fsync_directory", fsync_directory)
    sources = await _run(configuration)
    folder = configuration.workspace / "quarantine" / sources["purchases_a.csv"].id
    assert folder.parent in synced[: synced.index(folder)]


async def test_one_folder_that_cannot_be_used_stops_no_start(configuration: Configuration) -> None:
    """Their originals are still to be moved, and one folder is unusable: that is told, and everything else goes on."""
    sources = await _run(configuration)
    assert {source.state for source in sources.values()} == {SourceState.QUARANTINED}
    broken, whole = (configuration.workspace / "quarantine" / sources[name].id for name in sorted(sources))
    await asyncio.to_thread(_leave_half_done, configuration, sources)
    (broken / "report.json").unlink()
    broken.rmdir()
    broken.touch()
    (configuration.staging / "customers.csv").write_text("user_id\nu1\n")
    with capture_logs() as logs:
        await _run(configuration)
    assert [line["source"] for line in logs if line["event"] == "quarantine_failed"] == [broken.name]
    assert (whole / "purchases_b.csv").exists()
    assert [line["file"] for line in logs if line["event"] == "source_claimed"] == ["customers.csv"]
    broken.unlink()
    await _run(configuration)
    assert (broken / "purchases_a.csv").read_bytes() == BAD + b"purchases_a.csv"


def _leave_half_done(configuration: Configuration, sources: dict[str, Source]) -> None:
    """Put the originals back where they lie between the note and the move."""
    for name, source in sources.items():
        original = configuration.workspace / "quarantine" / source.id / name
        folder = configuration.workspace / "work" / source.id
        folder.mkdir(exist_ok=True)
        original.rename(folder / "source.csv")


async def test_what_a_quarantine_wrote_that_was_not_noted_goes_when_the_file_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Report and rows are written and the move is not: by other settings it is good, and nothing says otherwise."""
    once = {"destinations": {"production": {"attempts": 1}}}
    bad_rows = {"feeds": {"purchases": {"max_bad_rows": 0}}}
    strict = await asyncio.to_thread(write_configuration, tmp_path, {**once, **bad_rows})
    (strict.configuration.staging / "purchases.csv").write_bytes(
        b"event_name,time_stamp,user_id\nSold,1700000000,a\nSold,1700000001,\n"
    )
    monkeypatch.setattr(failpoints, "_armed", failpoints.parse("ledger.source.quarantined.before:error"))
    source = (await _run(strict.configuration))["purchases.csv"]
    folder = strict.configuration.workspace / "quarantine" / source.id
    assert sorted(path.name for path in folder.iterdir()) == ["failed_rows.csv", "report.json"]
    files.get_unfinished(folder / "report.json").touch()
    bad_rows["feeds"]["purchases"]["max_bad_rows"] = 1
    mild = await asyncio.to_thread(write_configuration, tmp_path, {**once, **bad_rows})
    source = (await _run(mild.configuration))["purchases.csv"]
    assert (source.state, source.refused_rows, folder.exists()) == (SourceState.READY, 1, False)


async def test_what_a_person_put_into_quarantine_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corrected copy beside a report that was never noted is not ours to remove."""
    written = await asyncio.to_thread(write_configuration, tmp_path)
    (written.configuration.staging / "purchases.csv").write_bytes(BAD)
    monkeypatch.setattr(failpoints, "_armed", failpoints.parse("ledger.source.quarantined.before:error"))
    source = (await _run(written.configuration))["purchases.csv"]
    folder = written.configuration.workspace / "quarantine" / source.id
    (folder / "corrected.csv").write_bytes(BAD)
    await _run(written.configuration)
    assert sorted(path.name for path in folder.iterdir()) == ["corrected.csv", "purchases.csv", "report.json"]
