"""The pool of connections: few, reused, never more than allowed, and none that is in doubt."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import errors
from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver import connections
from sftp_orchestrator.deliver.connections import ConnectionPool
from sftp_orchestrator.deliver.sftp import SftpRemote, connect
from tests.support.openssh import make_key, run_openssh
from tests.support.paramiko_server import run_paramiko
from tests.support.relay import SilentRelay
from tests.support.remotes import Bytes


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        """Return what it was set to."""
        return self.now


async def put_many(pool: ConnectionPool, count: int) -> None:
    """Put ``count`` files, as many at the same time as the pool lends connections for."""

    async def put(number: int) -> None:
        async with pool.lend() as remote:
            await remote.put(f"{number}.csv", Bytes(b"x" * number))

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(put(number))


async def test_connections_are_reused(tmp_path: Path) -> None:
    """One user after the other gets the same connection."""
    with run_paramiko(tmp_path / "receiver") as server:
        async with ConnectionPool(server.get_destination(), "production", 3) as pool:
            for number in range(3):
                async with pool.lend() as remote:
                    await remote.put(f"{number}.csv", Bytes(b"x"))
        assert len(server.record.logins) == 1


async def test_never_more_than_size(tmp_path: Path) -> None:
    """However many ask, only so many connections are open."""
    with run_paramiko(tmp_path / "receiver") as server:
        async with ConnectionPool(server.get_destination(), "production", 3) as pool:
            await put_many(pool, 12)
        assert len(list(server.root.iterdir())) == 12
        assert server.record.most_at_once <= 3


async def test_a_receiver_that_takes_fewer_makes_the_pool_smaller(tmp_path: Path) -> None:
    """While one connection works, a refused further one costs speed only, and is said once."""
    refused = asyncio.Event()

    async def connect_and_tell(destination: Destination, name: str) -> SftpRemote:
        try:
            return await connect(destination, name)
        except errors.Unreachable:
            refused.set()
            raise

    with run_paramiko(tmp_path / "receiver", most_connections=2) as server, capture_logs() as logs:
        async with ConnectionPool(server.get_destination(), "production", 5, connector=connect_and_tell) as pool:
            async with pool.lend(), pool.lend():
                waiting = asyncio.create_task(put_many(pool, 12))
                await refused.wait()
            await waiting
        assert len(list(server.root.iterdir())) == 12
        assert len(server.record.logins) == 2
    (shrunk,) = [entry for entry in logs if entry["event"] == "pool_shrunk"]
    assert (shrunk["connections"], shrunk["wanted"]) == (2, 5)


async def test_openssh_with_max_startups(tmp_path: Path) -> None:
    """A server that allows one login at a time is no trouble: they come one after the other once it refused one."""
    with run_openssh(tmp_path / "openssh", lines=["MaxStartups 1:100:1"]) as server, capture_logs() as logs:
        async with ConnectionPool(server.get_destination(), "production", 4) as pool:
            await put_many(pool, 12)
    assert not [entry for entry in logs if entry["event"] == "pool_shrunk"]


async def test_the_pool_grows_again_later(tmp_path: Path) -> None:
    """A receiver that was full is asked again after a while."""
    clock = Clock()
    with run_paramiko(tmp_path / "receiver", most_connections=1) as server:
        async with ConnectionPool(server.get_destination(), "production", 2, clock=clock) as pool:
            await put_many(pool, 4)
            server.most_connections = 2
            await put_many(pool, 4)
            assert len(server.record.logins) == 1
            clock.now += connections.REGROW_SECONDS
            async with pool.lend() as one, pool.lend() as other:
                assert one is not other


async def test_a_refused_login_is_tried_once_for_all(tmp_path: Path) -> None:
    """All who wait fail with the same refusal: a storm of failed logins gets an address banned."""
    attempts = 0
    with run_paramiko(tmp_path / "receiver") as server:
        stranger = make_key(tmp_path / "stranger")

        async def count_and_connect(destination: Destination, name: str) -> SftpRemote:
            nonlocal attempts
            attempts += 1
            return await connect(destination, name)

        destination = server.get_destination(private_key={"file": stranger})
        async with ConnectionPool(destination, "production", 4, connector=count_and_connect) as pool:
            outcomes = await asyncio.gather(*(use(pool) for _ in range(6)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [errors.KeyRefused] * 6
    assert attempts == 1


async def test_the_first_login_is_alone_and_the_others_side_by_side(tmp_path: Path) -> None:
    """Whether we are let in is asked once; then nobody waits a dozen round trips for the login of another."""
    under_way: list[int] = [0]

    with run_paramiko(tmp_path / "receiver") as server:
        everybody = asyncio.Barrier(3)

        async def count_and_connect(destination: Destination, name: str) -> SftpRemote:
            under_way.append(under_way[-1] + 1)
            if len(under_way) > 2:
                await everybody.wait()
            remote = await connect(destination, name)
            under_way.append(under_way[-1] - 1)
            return remote

        async with ConnectionPool(server.get_destination(), "production", 4, connector=count_and_connect) as pool:
            everyone = asyncio.Barrier(4)
            await asyncio.gather(*(hold(pool, everyone) for _ in range(4)))
    assert under_way == [0, 1, 0, 1, 2, 3, 2, 1, 0]


async def hold(pool: ConnectionPool, everyone: asyncio.Barrier) -> None:
    """Borrow a connection until ``everyone`` has one."""
    async with pool.lend():
        await everyone.wait()


async def test_a_connection_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    """Whoever comes next finds it."""
    with run_paramiko(tmp_path / "receiver") as server:
        async with ConnectionPool(server.get_destination(), "production", 4) as pool:
            await pool.warm_up()
            assert len(server.record.logins) == 1
            await use(pool)
        assert len(server.record.logins) == 1


@pytest.mark.parametrize(("asked", "taken", "opened"), [(3, 8, 3), (3, 2, 2), (9, 8, 4)])
async def test_several_are_opened_before_they_are_needed(tmp_path: Path, asked: int, taken: int, opened: int) -> None:
    """As many as are asked for, as the receiver takes, and as there may be."""
    with run_paramiko(tmp_path / "receiver", most_connections=taken) as server:
        async with ConnectionPool(server.get_destination(), "production", 4) as pool:
            await pool.warm_up(asked)
            assert server.record.most_at_once == opened
            everyone = asyncio.Barrier(opened)
            await asyncio.gather(*(hold(pool, everyone) for _ in range(opened)))
            assert len(server.record.logins) == opened


async def test_no_login_outlives_the_opening_of_several(tmp_path: Path) -> None:
    """One of them fails while others are under way: these are awaited, so that the pool closes what they bring."""
    begun, opened = 0, 0
    failed = asyncio.Event()
    with run_paramiko(tmp_path / "receiver") as server:

        async def connect_or_fail(destination: Destination, name: str) -> SftpRemote:
            nonlocal begun, opened
            begun += 1
            if begun == 3:
                # Nothing is open any more, so whoever asked for it is told.
                server.cut_all()
                await remotes[0].close()
                failed.set()
                raise errors.Unreachable("connect", "production", "no route to host")
            if begun > 3:
                await failed.wait()
            remotes.append(await connect(destination, name))
            opened += 1
            return remotes[-1]

        remotes: list[SftpRemote] = []
        pool = ConnectionPool(server.get_destination(), "production", 4, connector=connect_or_fail)
        async with pool:
            await pool.warm_up(4)
            assert opened == begun - 1
        assert not [remote for remote in remotes if remote.is_usable]


@pytest.mark.parametrize("waiting", [0, 1])
async def test_a_refusal_before_anybody_asked_is_told_once(tmp_path: Path, waiting: int) -> None:
    """Whoever waits, or else asks next, gets it; and nobody logs in a second time for it."""
    attempts = 0
    with run_paramiko(tmp_path / "receiver") as server:
        stranger = make_key(tmp_path / "stranger")

        async def count_and_connect(destination: Destination, name: str) -> SftpRemote:
            nonlocal attempts
            attempts += 1
            return await connect(destination, name)

        destination = server.get_destination(private_key={"file": stranger})
        async with ConnectionPool(destination, "production", 4, connector=count_and_connect) as pool:
            await asyncio.gather(pool.warm_up(), *(refused(pool) for _ in range(waiting)))
            assert attempts == 1
            await refused(pool)
            assert attempts == 1 + waiting


async def refused(pool: ConnectionPool) -> None:
    """Borrow a connection in vain."""
    with pytest.raises(errors.LoginRefused):
        await use(pool)


async def use(pool: ConnectionPool) -> None:
    """Borrow a connection and do nothing with it."""
    async with pool.lend():
        pass


async def test_a_lost_connection_is_replaced(tmp_path: Path) -> None:
    """After a cut the next user gets a new connection."""
    with run_paramiko(tmp_path / "receiver") as server:
        async with ConnectionPool(server.get_destination(), "production", 1) as pool:
            async with pool.lend() as remote:
                server.cut_all()
                with pytest.raises(errors.Unreachable):
                    await remote.put("a.csv", Bytes(b"x"))
            async with pool.lend() as remote:
                await remote.put("a.csv", Bytes(b"x"))
        assert len(server.record.logins) == 2


async def test_a_connection_lost_while_idle_is_replaced(tmp_path: Path) -> None:
    """A connection that the receiver dropped in between is not lent again."""
    with run_paramiko(tmp_path / "receiver") as server:
        async with ConnectionPool(server.get_destination(), "production", 1) as pool:
            async with pool.lend() as remote:
                first = remote
            server.cut_all()
            await first.client.wait_closed()
            async with pool.lend() as remote:
                await remote.put("a.csv", Bytes(b"x"))
        assert len(server.record.logins) == 2


async def test_a_cancelled_user_spoils_the_connection(tmp_path: Path) -> None:
    """A connection whose operation was cancelled midway is not lent again."""
    with run_openssh(tmp_path / "openssh") as server:
        async with (
            SilentRelay(server.port, limit_bytes=8_000_000) as relay,
            ConnectionPool(server.get_destination(port=relay.port), "production", 1) as pool,
        ):
            task = asyncio.create_task(_put(pool, bytes(24_000_000)))
            await relay.struck.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not pool._open


async def _put(pool: ConnectionPool, data: bytes) -> None:
    async with pool.lend() as remote:
        await remote.put("a.csv", Bytes(data))


@pytest.mark.parametrize("idle_seconds", [connections.IDLE_SECONDS - 1, connections.IDLE_SECONDS + 1])
async def test_an_idle_connection_is_asked_before_it_is_lent(tmp_path: Path, idle_seconds: float) -> None:
    """After a minute a connection is asked whether it lives; one that answers is used again."""
    clock = Clock()
    with run_paramiko(tmp_path / "receiver") as server:
        async with ConnectionPool(server.get_destination(), "production", 1, clock=clock) as pool:
            await use(pool)
            clock.now += idle_seconds
            await use(pool)
        assert len(server.record.logins) == 1
        assert ("realpath" in server.record.requests) == (idle_seconds > connections.IDLE_SECONDS)


async def test_an_idle_connection_that_is_dead_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that a firewall dropped silently costs the time of one question, not an upload."""
    monkeypatch.setattr(connections, "ALIVE_SECONDS", 0.2)
    clock = Clock()
    with run_paramiko(tmp_path / "receiver") as server:
        async with SilentRelay(server.port) as relay:
            destination = server.get_destination(port=relay.port)
            async with ConnectionPool(destination, "production", 1, clock=clock) as pool:
                async with pool.lend() as remote:
                    first = remote
                relay.limit_bytes = 0
                clock.now += connections.IDLE_SECONDS + 1
                async with pool.lend() as remote:
                    assert remote is not first


async def test_waiting_users_are_served_in_order(tmp_path: Path) -> None:
    """Who asks first is served first, though the present user asks again at once."""
    order: list[str] = []
    with run_paramiko(tmp_path / "receiver") as server:
        async with ConnectionPool(server.get_destination(), "production", 1) as pool:

            async def busy() -> None:
                for _ in range(3):
                    async with pool.lend():
                        order.append("busy")
                        await asyncio.sleep(0)

            async def patient() -> None:
                async with pool.lend():
                    order.append("patient")

            async with asyncio.TaskGroup() as group:
                group.create_task(busy())
                group.create_task(patient())
    assert order == ["busy", "patient", "busy", "busy"]


async def test_a_user_who_gives_up_waiting_takes_nothing_along(tmp_path: Path) -> None:
    """Cancelling while waiting, even in the moment of being served, leaves the connection to the next."""
    with run_paramiko(tmp_path / "receiver") as server:
        async with ConnectionPool(server.get_destination(), "production", 1) as pool:
            async with pool.lend():
                waiting = asyncio.create_task(use(pool))
                served = asyncio.create_task(use(pool))
                await asyncio.sleep(0)
                waiting.cancel()
            served.cancel()
            await asyncio.gather(waiting, served, return_exceptions=True)
            await use(pool)
        assert len(server.record.logins) == 1


async def test_leaving_closes_every_connection(tmp_path: Path) -> None:
    """No connection outlives the pool, idle or lent."""
    with run_paramiko(tmp_path / "receiver") as server:
        pool = ConnectionPool(server.get_destination(), "production", 2)
        async with pool, pool.lend() as one, pool.lend() as other:
            pass
        assert not one.is_usable
        assert not other.is_usable
