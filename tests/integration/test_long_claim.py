"""A claim that takes long, because gigabytes are copied: it is seen to move, and is no stuck station."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace

import pytest

from sftp_orchestrator import progress
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.progress import Board, Phase, Work, beat_while
from sftp_orchestrator.web.pulse import STUCK_SECONDS, Pulse
from tests.support.intakes import CONTENT, Place

CHUNK = 16


async def test_a_copy_that_moves_is_shown_and_beats(far_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow each chunk is, the intake is not stuck, and the board tells how far it got."""
    now, board = SimpleNamespace(seconds=0.0), Board()
    seen: list[tuple[list[str], list[Work]]] = []
    real = os.read

    with open_daemon(far_place.configuration, board) as running:
        running._pulse = Pulse(clock=lambda: now.seconds)

        def read(descriptor: int, size: int) -> bytes:
            if size == CHUNK:
                now.seconds += STUCK_SECONDS
                seen.append((running._pulse.list_stuck(), board.list_work()))
            return real(descriptor, size)

        monkeypatch.setattr("sftp_orchestrator.intake.copying._CHUNK_BYTES", CHUNK)
        monkeypatch.setattr(os, "read", read)
        far_place.drop("purchases.csv")
        running._beat_intake()
        scan = await running._scan()
    assert scan.claimed == 1
    assert len(seen) == len(CONTENT) // CHUNK + 2  # the last one finds the end
    assert [stuck for stuck, _ in seen if stuck] == []
    (work,) = zip(*(work for _, work in seen), strict=True)
    assert {(one.label, one.phase, one.total_bytes) for one in work} == {
        ("purchases.csv from staging", Phase.CLAIM, len(CONTENT))
    }
    assert [one.done_bytes for one in work] == [*range(0, len(CONTENT), CHUNK), len(CONTENT)]
    assert board.list_work() == []


async def test_a_moving_claim_does_not_hide_a_run_that_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are claimed beside a run are not its progress."""
    monkeypatch.setattr(progress, "LOOK_SECONDS", 0.001)
    beats: list[None] = []
    looked = asyncio.Event()

    class MovingBoard(Board):
        """One on which a claim moves with every look; the fifth is the last."""

        def list_work(self) -> list[Work]:
            self.advance("claim", 1)
            found = super().list_work()
            if found[-1].done_bytes == 5:
                looked.set()
            return found

    board = MovingBoard()
    board.begin("upload", Phase.UPLOAD, 10)
    board.begin("claim", Phase.CLAIM, 10)
    assert await beat_while(looked.wait(), board, lambda: beats.append(None))
    assert len(beats) == 1
