"""``connections: auto`` on real lines: a whole pass through a relay that delays, to sshd."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.growth import FIRST_WIDTH, MOST_WIDTH
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.progress import Board
from tests.support.configuration import write_configuration
from tests.support.fault_proxy import FaultProxy, Pace, delay
from tests.support.openssh import run_openssh
from tests.support.paramiko_server import run_paramiko

PARTS = 40
LATE_SECONDS = 0.1
"""So much a line makes good of what it could not send while this machine did something else."""


def _get_line(server: Any, port: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - of either kind
    found = server.get_destination(port=port)
    return {
        "host": "127.0.0.1",
        "port": port,
        "username": found.username,
        "private_key": {"file": str(found.private_key.file)},
        "host_keys": list(found.host_keys),
        "known_hosts": None,
        "client_email": "data-team@example.com",
        "timeout_seconds": 20,
        "connections": "auto",
        **changes,
    }


def _share(bytes_per_second: float) -> Callable[[], Pace]:
    """Return paces of one line for all connections: each chunk has its place in time, after all others.

    A line by the clock: where this machine is late for a moment, the line does not become a slower one, whose rate
    would then seem to grow.
    """
    free_at = 0.0

    async def wait(size: int) -> None:
        nonlocal free_at
        now = asyncio.get_running_loop().time()
        free_at = max(free_at, now - LATE_SECONDS) + size / bytes_per_second
        await asyncio.sleep(free_at - now)

    return lambda: wait


async def _deliver(folder: Path, line: dict[str, Any], part_bytes: int) -> list[dict[str, Any]]:
    """Deliver a source of so many parts; return what was logged of the number of connections."""
    line["limits"] = {"plain_bytes": part_bytes}
    configuration = write_configuration(folder, {"destinations": {"production": line}}).configuration
    row = f"Sold,1700000000,{'u' * 970}\n"
    rows = int(PARTS * part_bytes * 0.97) // len(row)
    (configuration.staging / "purchases.csv").write_text("event_name,time_stamp,user_id\n" + row * rows)
    with capture_logs() as logs, open_daemon(configuration, Board()) as daemon:
        assert (await daemon.run_once()).exit_code is ExitCode.DONE
    return [dict(one) for one in logs if str(one["event"]).startswith("connections_")]


async def test_a_line_that_limits_each_connection_gets_more_of_them(tmp_path: Path) -> None:
    """As on a long way: the number grows to its bound, and the log has what it brought."""
    with run_openssh(tmp_path / "openssh") as server:
        async with FaultProxy(server.port, make_pace=delay(0.02, 0, seed=1)) as proxy:
            lines = await _deliver(tmp_path, _get_line(server, proxy.port), part_bytes=4_000_000)
    assert [(line["event"], line["before"], line["connections"]) for line in lines] == [
        ("connections_changed", FIRST_WIDTH, MOST_WIDTH)
    ]
    assert lines[0]["bytes_per_second"] > 1.25 * lines[0]["bytes_per_second_before"]


async def test_a_line_that_is_full_gets_no_more(tmp_path: Path) -> None:
    """What all connections share is not more for being shared by more: each try is told, and none is kept."""
    with run_openssh(tmp_path / "openssh") as server:
        async with FaultProxy(server.port, make_pace=_share(8_000_000)) as proxy:
            lines = await _deliver(tmp_path, _get_line(server, proxy.port), part_bytes=4_000_000)
    assert [line["event"] for line in lines[:1]] == ["connections_tried"]
    assert not [line for line in lines if line["event"] == "connections_changed"]


async def test_a_receiver_that_takes_few_connections_gets_no_more(tmp_path: Path) -> None:
    """It refuses the third: everything arrives over two, and is not held up."""
    with run_paramiko(tmp_path / "receiver", most_connections=2) as server:
        lines = await _deliver(tmp_path, _get_line(server, server.port), part_bytes=300_000)
        assert server.record.most_at_once <= 2
    assert {line["connections"] for line in lines} <= {2}
