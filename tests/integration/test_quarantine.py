"""Quarantined originals: durable in their folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sftp_orchestrator import files
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
