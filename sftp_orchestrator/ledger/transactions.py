"""Transactions of the ledger: each write is one, unless it is a part of a larger one of the same thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

import sqlalchemy as sa

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger import history

T = TypeVar("T")
_TRIES = 5
_IDS_AT_ONCE = 500
"""Named in one question; databases take some thousands."""


def split_ids(ids: Collection[str]) -> Iterator[list[str]]:
    """Yield ids as few at a time as one statement may name. Pure."""
    left = list(ids)
    for start in range(0, len(left), _IDS_AT_ONCE):
        yield left[start : start + _IDS_AT_ONCE]


class Deadlock(LocalFault):
    """The database undid this transaction for the sake of another that waited for it: the same may be done again."""


def carry_through(function: Callable[[], T]) -> T:
    """Return what ``function`` returns, which writes in one transaction; once more where that came into a deadlock."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(Deadlock):
            return function()
    return function()


class Transactions:
    """Reads and writes of one database, for any number of threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._here = threading.local()

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection to read from: within a transaction of this thread its own, which sees what it wrote."""
        if (inside := self._get_own()) is not None:
            yield inside
            return
        with self._engine.connect().execution_options(read_only=True) as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection to write to; what was written is durable once the context is left.

        An exception undoes it. Within a transaction of this thread it is a part of that one, and as durable.
        """
        if (inside := self._get_own()) is not None:
            yield inside
            return
        with self._engine.begin() as connection, history.gathered(connection):
            self._here.connection = connection
            try:
                yield connection
            finally:
                self._here.connection = None

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Let an exception undo what is written inside, and nothing else of a transaction around it."""
        inside = self._get_own()
        if inside is None:
            with self.write():
                yield
            return
        with history.forgotten_if_undone(inside), inside.begin_nested():
            yield

    def _get_own(self) -> sa.Connection | None:
        own: sa.Connection | None = getattr(self._here, "connection", None)
        return own
