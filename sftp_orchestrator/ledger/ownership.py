"""One daemon a ledger: with PostgreSQL a second one, with a workspace of its own, could name the same database.

It would take the sources of the first for its own, and send manifests a second time that the first is sending. SQLite's
file lies in the workspace, whose lock says the same (``intake/lock.py``).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from sftp_orchestrator.config.ledger_url import SQLITE
from sftp_orchestrator.errors import LocalFault

_OWNED = 7_330_214_159_073_602
"""The advisory lock of PostgreSQL that an owner holds; a number of our own."""
_PAUSES_SECONDS = (0.05, 0.2, 1.0, 2.0)
"""Between tries to take it: the server needs a moment to notice that an owner was killed."""
_KEEPALIVES = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
"""A host that lost its power says nothing more: within a minute, not two hours, the server gives the lock back."""
_LOCKS = sa.text(
    "SELECT activity.application_name FROM pg_locks JOIN pg_stat_activity activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND ((classid::bigint << 32) | objid::bigint) = :key"
    " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Ownership:
    """Held from ``__enter__`` to ``__exit__`` or to the end of the process, however it ends. For many threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._is_wanted = False
        self._connection: sa.Connection | None = None

    def __enter__(self) -> Self:
        """Take it; raises ``LocalFault`` where another daemon has it, and names that, or the database is away."""
        self._is_wanted = True
        self.require()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back; may be repeated."""
        with self._lock:
            self._is_wanted = False
            self._let_go()

    def require(self) -> None:
        """Return while it is ours, and take it again where the server was restarted; nothing happens outside a context.

        Raises:
            LocalFault: another daemon has it by now, or the database is away.
        """
        if self._engine.dialect.name == SQLITE:
            return
        with self._lock:
            if self._is_wanted and not self._is_held():
                self._take_anew()

    def _take_anew(self) -> None:
        self._let_go()
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            self._take(connection)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        self._connection = connection

    def _is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(sa.select(1))
        except LocalFault:
            return False
        return True

    def _take(self, connection: sa.Connection) -> None:
        for name, value in {**_KEEPALIVES, "application_name": _describe_us()}.items():
            connection.execute(sa.select(sa.func.set_config(name, str(value), False)))  # noqa: FBT003 - its third argument: not for one transaction alone
        for pause in (*_PAUSES_SECONDS, None):
            if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_OWNED))):
                return
            if pause is not None:
                time.sleep(pause)
        holder = connection.scalar(_LOCKS, {"key": _OWNED}) or "another process"
        raise LocalFault(
            "use",
            "the ledger's database",
            f"it is in use by {holder}",
            hint="each workspace needs a database of its own: check ledger.url there and here",
        )

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # The session ends, and the lock with it: back in the pool it would be held for ever.
            connection.invalidate()
            connection.close()


def _describe_us() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"[:63]
