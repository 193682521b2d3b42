"""The limit of a destination on a real line: what passes between us and sshd, counted by a relay, login and all."""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator.config.bandwidth import watch_limit
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.sftp import SftpRemote, connect
from sftp_orchestrator.deliver.throttle import Throttle
from sftp_orchestrator.errors import ExitCode, Unreachable
from sftp_orchestrator.progress import Board
from tests.support.configuration import write_configuration
from tests.support.openssh import OpenSSH, run_openssh
from tests.support.relay import Relay, SilentRelay
from tests.support.remotes import Bytes

WINDOW_SECONDS = 4
WINDOWS = 3


@asynccontextmanager
async def _connected(server: OpenSSH, port: int, throttle: Throttle, count: int) -> AsyncIterator[list[SftpRemote]]:
    async with AsyncExitStack() as opened:
        remotes = []
        for _ in range(count):
            remotes.append(await connect(server.get_destination(port=port), "production", throttle))
            opened.push_async_callback(remotes[-1].close)
        yield remotes


@pytest.mark.parametrize(
    ("rate", "connections"), [(30_000, 1), (30_000, 4), (1_000_000, 4), (10_000_000, 1), (10_000_000, 8)]
)
async def test_the_limit_holds_over_all_connections(tmp_path: Path, rate: int, connections: int) -> None:
    """All connections together put the rate on the line within 5 %, and never more.

    Less may be the fault of a busy machine, so that one window of several in which nothing disturbs is enough.
    """
    loop = asyncio.get_running_loop()
    content = Bytes(bytes(int(rate * WINDOW_SECONDS * (WINDOWS + 1))))
    with run_openssh(tmp_path / "openssh") as server:
        throttle = Throttle("production", lambda: float(rate))
        async with (
            Relay(server.port) as relay,
            _connected(server, relay.port, throttle, connections) as remotes,
        ):
            puts = [asyncio.create_task(remote.put(f"{n}.csv", content)) for n, remote in enumerate(remotes)]
            await asyncio.sleep(0.5)
            reached = []
            for _ in range(WINDOWS):
                began, before = loop.time(), relay.passed_bytes
                await asyncio.sleep(WINDOW_SECONDS)
                reached.append((relay.passed_bytes - before) / (loop.time() - began) / rate)
                if reached[-1] >= 0.95:
                    break
            for put in puts:
                put.cancel()
            await asyncio.gather(*puts, return_exceptions=True)
    assert max(reached) <= 1.05, reached
    assert max(reached) >= 0.95, reached


async def test_a_slow_limit_is_no_silence(tmp_path: Path) -> None:
    """At 10 kB/s four files of 15 kB take six seconds, and nothing is given up, though the deadline is one second."""
    with run_openssh(tmp_path / "openssh") as server:
        throttle = Throttle("production", lambda: 10_000.0)
        async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
            for number in range(4):
                remote = await connect(server.get_destination(timeout_seconds=1), "production", throttle)
                opened.push_async_callback(remote.close)
                group.create_task(remote.put(f"{number}.csv", Bytes(bytes(15_000))))
        assert sorted(path.stat().st_size for path in server.root.iterdir()) == [15_000] * 4


async def test_silence_is_noticed_though_the_limit_is_slow(tmp_path: Path) -> None:
    """A line that falls silent is given up after its deadline, long before the limit would have let all of it go."""
    with run_openssh(tmp_path / "openssh") as server:
        throttle = Throttle("production", lambda: 20_000.0)
        async with SilentRelay(server.port, limit_bytes=30_000) as relay:
            destination = server.get_destination(port=relay.port, timeout_seconds=1)
            remote = await connect(destination, "production", throttle)
            try:
                async with asyncio.timeout(30):
                    with pytest.raises(Unreachable):
                        await remote.put("a.csv", Bytes(bytes(2_000_000)))
            finally:
                await remote.close()


async def test_a_manifest_goes_while_data_fills_the_limit(tmp_path: Path) -> None:
    """A small file is there while most of the large ones, whose limit it shares, is not: it does not wait for them."""
    large, content, acknowledged = 4, Bytes(bytes(2_000_000)), Counter[int]()
    all_go = asyncio.Event()

    def note(number: int, count: int) -> None:
        acknowledged[number] += count
        if len(acknowledged) == large:
            all_go.set()

    with run_openssh(tmp_path / "openssh") as server:
        throttle = Throttle("production", lambda: 100_000.0)
        async with _connected(server, server.port, throttle, large + 1) as remotes:
            puts = [
                asyncio.create_task(remote.put(f"{n}.csv", content, partial(note, n)))
                for n, remote in enumerate(remotes[1:])
            ]
            await all_go.wait()
            await remotes[0].put("a.manifest", Bytes(bytes(800)))
            assert (server.root / "a.manifest").stat().st_size == 800
            assert acknowledged.total() < large * content.size / 2
            assert [put for put in puts if put.done()] == []
            for put in puts:
                put.cancel()
            await asyncio.gather(*puts, return_exceptions=True)


async def test_the_timetable_changes_the_limit_in_the_middle_of_a_file(tmp_path: Path) -> None:
    """At 08:00 the limit of the night ends, and the rest of a file that had begun before goes at once."""
    now = datetime.datetime(2026, 3, 2, 7, 59, tzinfo=datetime.UTC)
    limits = watch_limit({"19:00": "20 kB/s", "08:00": "off"}, ZoneInfo("UTC"), lambda _: now)
    with run_openssh(tmp_path / "openssh") as server:
        async with _connected(server, server.port, Throttle("production", limits), 1) as (remote,):
            put = asyncio.create_task(remote.put("a.csv", Bytes(bytes(5_000_000))))
            await asyncio.sleep(1)
            assert (server.root / "a.csv").stat().st_size < 100_000
            now = now.replace(hour=8, minute=0)
            async with asyncio.timeout(30):  # the limit would let it go for four minutes
                await put


async def test_the_configuration_limits_one_destination(tmp_path: Path) -> None:
    """In a run the destination that has a limit is held to it, and the other one is not."""
    rows = "".join(f"Sold,{1_700_000_000 + n},user-{n}\n" for n in range(10_000))
    with run_openssh(tmp_path / "slow") as slow, run_openssh(tmp_path / "fast") as fast:
        configuration = write_configuration(
            tmp_path,
            {"destinations": {"production": _get_line(slow) | {"bandwidth": "50 kB/s"}, "other": _get_line(fast)}},
            feeds={
                name: {"type": "event", "files": [f"{name}.csv"], "destination": destination, "columns": COLUMNS}
                for name, destination in (("sold", "production"), ("bought", "other"))
            },
        ).configuration
        for name in ("sold", "bought"):
            (configuration.staging / f"{name}.csv").write_text("event_name,time_stamp,user_id\n" + rows)
        with capture_logs() as logs, open_daemon(configuration, Board()) as daemon:
            assert (await daemon.run_once()).exit_code is ExitCode.DONE
        (late,), (early,) = (server.root.glob("*.manifest") for server in (slow, fast))
        assert late.stat().st_mtime - early.stat().st_mtime > 3
    (limited,) = [line for line in logs if line["event"] == "bandwidth_limited"]
    assert (limited["destination"], limited["bytes_per_second"]) == ("production", 50_000)


COLUMNS = {
    "event_name": {"ct_name": "evtName"},
    "time_stamp": {"ct_name": "ts", "type": "INTEGER"},
    "user_id": {"ct_name": "identity"},
}


def _get_line(server: OpenSSH) -> dict[str, object]:
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "username": server.username,
        "private_key": {"file": str(server.private_key)},
        "host_keys": [server.host_key],
        "client_email": "data-team@example.com",
        "timeout_seconds": 20,
    }
