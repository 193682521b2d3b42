"""What systemd is told, and what its unit says."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import systemd
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.service import describe_work

UNIT = Path(__file__).parents[2] / "deploy" / "sftp-orchestrator.service"
MOST_EXPOSED = 1.5


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd listens with."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listening


def test_without_systemd_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by hand there is nobody to listen, and nothing to feed."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify("READY=1")
    assert systemd.get_watchdog_seconds({}) is None


def test_a_reload_is_told_with_its_time(manager: socket.socket) -> None:
    """Systemd takes the answer to an older reload for none of this one."""
    systemd.notify_reloading()
    first, second = manager.recv(1000).decode().splitlines()
    assert first == "RELOADING=1"
    assert re.fullmatch(r"MONOTONIC_USEC=\d{7,}", second)


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_where_it_is_meant_for_us(environment: dict[str, str], seconds: float | None) -> None:
    """A child must not feed its parent's watchdog."""
    assert systemd.get_watchdog_seconds(environment) == seconds


async def test_a_stuck_daemon_lets_the_watchdog_starve(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fed while all stations move, and again once the stuck one does; its state is told always."""
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    stuck = iter([[], ["deliver production"], ["deliver production"], []])

    def list_stuck() -> list[str]:
        try:
            return next(stuck)
        except StopIteration:
            raise asyncio.CancelledError from None

    with pytest.raises(asyncio.CancelledError):
        await systemd.keep_told(list_stuck, lambda: "idle")
    told = [manager.recv(1000).decode().splitlines() for _ in range(4)]
    assert told == [["STATUS=idle", "WATCHDOG=1"], ["STATUS=idle"], ["STATUS=idle"], ["STATUS=idle", "WATCHDOG=1"]]


async def test_that_systemd_does_not_listen_is_told_once_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state is told every ten seconds; the log has it once, and again once it had worked meanwhile."""
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    turns = 0
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def list_stuck() -> list[str]:
        nonlocal turns
        turns += 1
        if turns == 4:
            listening.bind(str(path))
        elif turns == 5:
            path.unlink()
        elif turns == 8:
            raise asyncio.CancelledError
        return []

    with listening, capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await systemd.keep_told(list_stuck, lambda: "idle")
    assert [(line["event"], line["told"]) for line in logs] == [("systemd_not_told", "STATUS=idle")] * 2


def test_what_is_under_way_is_one_line() -> None:
    """What is furthest is named, with how far it is."""
    board = Board()
    assert describe_work(board) == "idle: waits for files"
    board.begin("a.csv", Phase.INSPECT, 100)
    board.begin("b.csv 1/2", Phase.UPLOAD, 200)
    board.advance("b.csv 1/2", 50)
    assert re.fullmatch(r"sends b\.csv 1/2, 50/200 B at \S+ \S+/s, and 1 more", describe_work(board))


def test_lines_for_the_journal_have_their_priority(tmp_path: Path) -> None:
    """Where stderr is the journal's, and nowhere else: elsewhere the line would be no JSON."""
    code = (
        "from sftp_orchestrator import logs; import structlog; logs.configure(); structlog.get_logger().warning('low')"
    )
    outputs = []
    for name in ("journal", "file"):
        path = tmp_path / name
        with path.open("wb") as stream:
            status = os.fstat(stream.fileno())
            other = "" if name == "journal" else "1"
            environment = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}{other}"}
            subprocess.run([sys.executable, "-c", code], stderr=stream, env=environment, check=True)
        outputs.append(path.read_text(encoding="utf-8"))
    assert outputs[0].startswith('<4>{"event": "low"')
    assert outputs[1].startswith('{"event": "low"')


def test_the_unit_is_understood_and_shut_tight(tmp_path: Path) -> None:
    """``systemd-analyze`` finds nothing wrong with it but the program that is not there, and little exposed."""
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8")))
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr, verified.stdout) == (0, "", "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=True,
    )
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= MOST_EXPOSED
