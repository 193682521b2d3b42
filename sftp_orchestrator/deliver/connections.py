"""A few connections to one receiver, lent to one user at a time: opened when needed, reused, dropped when in doubt."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from sftp_orchestrator import errors
from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver.sftp import SftpRemote, connect

IDLE_SECONDS = 60
"""A connection unused for longer is asked whether it lives before it is lent: firewalls drop idle ones silently."""
ALIVE_SECONDS = 10
"""How long that question may take."""
LOGINS_AT_ONCE = 7
"""Side by side at most, once one was let in. OpenSSH refuses some from the tenth on (``MaxStartups 10:30:100``), and
others may log in as well."""
REGROW_SECONDS = 300
"""After the receiver refused one more connection, the next try waits this long."""

Connector = Callable[[Destination, str], Awaitable[SftpRemote]]

_LOG = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class _Grant:
    """Leave to use ``remote``, idle since ``since`` by the clock; or, where there is none, to open a connection."""

    remote: SftpRemote | None = None
    since: float = 0


class ConnectionPool:
    """At most ``size`` connections to ``destination``, which the configuration calls ``name``; a context manager.

    With ``get_wanted`` none is opened beyond what it gives at that time.

    They are lent in the order of asking. The first login is alone: nobody knows yet whether we are let in. While a
    connection works, a few go on side by side, for each is a dozen round trips; where the receiver refuses one of
    these, which servers count (``MaxStartups``), they come one after the other from there on. A receiver that takes no
    further connection by itself while one works makes the pool smaller; the run goes on.
    """

    def __init__(
        self,
        destination: Destination,
        name: str,
        size: int,
        *,
        connector: Connector = connect,
        get_wanted: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._destination = destination
        self._name = name
        self._size = size
        self._limit = size
        self._regrow_at = 0.0
        self._connect = connector
        self._get_wanted = get_wanted or (lambda: size)
        self._clock = clock
        self._connecting = 0
        """logins under way"""
        self._at_once = LOGINS_AT_ONCE
        self._unheard: errors.Failure | None = None
        """of the last first login: nobody but whoever began it was told"""
        self._failure: errors.Failure | None = None
        """for whoever asks next"""
        self.was_reached = False
        """whether a connection was made at any time"""
        self._open: set[SftpRemote] = set()
        self._idle: list[_Grant] = []
        self._queue: deque[asyncio.Future[_Grant]] = deque()

    @property
    def limit(self) -> int:
        """How many connections the receiver lets us have, as far as is known: ``size``, unless it refused one."""
        return self._limit

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection, also those still lent; never raises, may be repeated."""
        remotes, self._open, self._idle = self._open, set(), []
        await asyncio.gather(*(remote.close() for remote in remotes))

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[SftpRemote]:
        """Lend a connection for the time of the context, waiting for a free one where ``size`` are lent.

        It is thrown away afterwards where the line was lost, or an operation on it was cancelled midway.

        Raises:
            Unreachable, SessionRefused, ConfigurationError: as ``connect``, while no other one works.
        """
        remote = await self._take()
        try:
            yield remote
        finally:
            await self._give_back(remote)

    async def warm_up(self, count: int = 1) -> None:
        """Open up to ``count`` connections before they are needed.

        What came in the way of the first is raised by the next ``lend`` instead: so the receiver is not asked twice,
        and nobody is told of a receiver that nothing is sent to in the end.
        """
        try:
            await self._try_out()
        except errors.Failure:
            self._failure = self._unheard
        else:
            # To the end, all of them: a login that nobody waits for would outlive the pool, and its connection, too.
            tries = (self._try_out() for _ in range(count if count > 1 else 0))
            for outcome in await asyncio.gather(*tries, return_exceptions=True):
                if isinstance(outcome, BaseException) and not isinstance(outcome, errors.Failure):
                    raise outcome

    async def _try_out(self) -> None:
        async with self.lend():
            # Kept until the others have asked, who would find it free otherwise, one after the other.
            await asyncio.sleep(0)

    async def _take(self) -> SftpRemote:
        if self._failure is not None:
            error, self._failure = self._failure, None
            raise error
        while True:
            grant = await self._get_grant()
            remote = await self._add() if grant.remote is None else await self._check(grant.remote, grant.since)
            if remote is not None:
                return remote

    async def _get_grant(self) -> _Grant:
        turn: asyncio.Future[_Grant] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._serve()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._take_back(turn.result())
            raise

    def _serve(self) -> None:
        """Grant what is free to those who wait, first come, first served."""
        while self._queue:
            if self._queue[0].done():
                self._queue.popleft()
            elif (grant := self._find_grant()) is not None:
                self._queue.popleft().set_result(grant)
            else:
                return

    def _find_grant(self) -> _Grant | None:
        if self._idle:
            return self._idle.pop()
        if self._limit < self._size and self._clock() >= self._regrow_at:
            self._limit += 1
        if self._connecting >= (self._at_once if self._open else 1):
            return None
        if len(self._open) + self._connecting >= min(self._limit, self._get_wanted()):
            return None
        self._connecting += 1
        return _Grant()

    def _take_back(self, grant: _Grant) -> None:
        if grant.remote is None:
            self._connecting -= 1
        else:
            self._idle.append(grant)
        self._serve()

    async def _add(self) -> SftpRemote | None:
        """Open one more connection; return None where the receiver refuses it while another one works."""
        has_company = self._at_once > 1
        try:
            remote = await self._connect(self._destination, self._name)
        except errors.Failure as error:
            if not self._open:
                self._refuse_all(error)
                raise
            if has_company:
                _LOG.debug("login_repeated", destination=self._name, error=str(error))
                self._at_once = 1
            else:
                self._shrink(error)
            return None
        else:
            self.was_reached = True
            self._open.add(remote)
            return remote
        finally:
            self._connecting -= 1
            self._serve()

    def _refuse_all(self, error: errors.Failure) -> None:
        """Fail those who wait as well: each trying for itself would look like an attack to the receiver."""
        waiting = [turn for turn in self._queue if not turn.done()]
        for turn in waiting:
            turn.set_exception(error)
        self._unheard = None if waiting else error

    def _shrink(self, error: errors.Failure) -> None:
        self._limit = len(self._open)
        self._regrow_at = self._clock() + REGROW_SECONDS
        _LOG.warning(
            "pool_shrunk", destination=self._name, connections=self._limit, wanted=self._size, error=str(error)
        )

    async def _check(self, remote: SftpRemote, since: float) -> SftpRemote | None:
        """Return ``remote`` where it can be used, else close it and return None."""
        fit = False
        try:
            fit = remote.is_usable and (
                self._clock() - since <= IDLE_SECONDS or await remote.check_alive(ALIVE_SECONDS)
            )
        finally:
            if not fit:
                await self._discard(remote)
        return remote if fit else None

    async def _give_back(self, remote: SftpRemote) -> None:
        if remote in self._open and remote.is_usable:
            self._take_back(_Grant(remote=remote, since=self._clock()))
        else:
            await self._discard(remote)

    async def _discard(self, remote: SftpRemote) -> None:
        try:
            await remote.close()
        finally:
            self._open.discard(remote)
            self._serve()
