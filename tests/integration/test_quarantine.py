"""Quarantined originals: durable in their folder, and a folder that cannot be used is no other source's trouble."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.progress import Board
from tests.support.configuration import Written, write_configuration
from tests.support.service import call

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


HALF_BAD = "event_name,time_stamp,user_id\nSold,1700000000,null\nSold,1700000000,u1\n"


async def _quarantine_rows(folder: Path) -> tuple[Written, str, Path]:
    """Have a file quarantined for its rows; return its configuration, its id and its file of refused rows."""
    written = write_configuration(folder)
    (written.configuration.staging / "purchases.csv").write_text(HALF_BAD)
    (source,) = (await _run(written.configuration)).values()
    assert source.state is SourceState.QUARANTINED
    return written, source.id, written.configuration.workspace / "quarantine" / source.id / "failed_rows.csv"


@pytest.mark.parametrize("command", ["retry", "release"])
async def test_refused_rows_that_a_person_corrected_in_place_are_kept(tmp_path: Path, command: str) -> None:
    """They are copies that go when the source is read again: changed, they stand in the way, and one line says so."""
    written, source_id, failed = await _quarantine_rows(tmp_path)
    corrected = failed.read_text().replace("null", "u2")
    failed.write_text(corrected)
    answer = await call(written.path, command, source_id)
    assert answer.code == ExitCode.NOT_ALL_DELIVERED
    (line,) = answer.errors.splitlines()
    assert f"{failed} was changed since it was written, and would be lost" in line
    assert "move it into staging as a file of its own" in line
    (source,) = (await asyncio.to_thread(_read, written.configuration)).values()
    assert source.state is SourceState.QUARANTINED
    failed.rename(written.configuration.staging / "purchases_corrected.csv")
    assert (await call(written.path, command, source_id)).code == ExitCode.DONE


async def test_refused_rows_changed_after_the_word_are_kept_too(tmp_path: Path) -> None:
    """Changed between a person's word and the next run, they hold the source, as often as it is tried again."""
    written, source_id, failed = await _quarantine_rows(tmp_path)
    assert (await call(written.path, "retry", source_id)).code == ExitCode.DONE
    failed.write_text("corrected\n")
    for _ in range(2):
        (source,) = (await _run(written.configuration)).values()
        assert source.state is SourceState.HELD
        assert "would be lost" in (source.reason or "")
        assert failed.read_text() == "corrected\n"
        await asyncio.to_thread(_retry, written.configuration, source_id)


async def test_refused_rows_that_nobody_changed_are_no_obstacle(tmp_path: Path) -> None:
    """As they were written they are made anew with the next look at the file."""
    written, source_id, failed = await _quarantine_rows(tmp_path)
    before = failed.read_bytes()
    assert (await call(written.path, "retry", source_id)).code == ExitCode.DONE
    await _run(written.configuration)
    assert failed.read_bytes() == before


def _retry(configuration: Configuration, source_id: str) -> None:
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        ledger.sources.retry(source_id, by="a person")


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
