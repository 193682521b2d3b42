"""The ledger: the authority on what was claimed, what left and what the receiver has."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.errors import LocalFault, SourceFault
from sftp_orchestrator.ledger import forgetting
from sftp_orchestrator.ledger.alerts import Alerts
from sftp_orchestrator.ledger.database import count_all, measure, open_database, open_for_reading
from sftp_orchestrator.ledger.deliveries import Deliveries
from sftp_orchestrator.ledger.discards import Discards
from sftp_orchestrator.ledger.forgetting import Forgetting
from sftp_orchestrator.ledger.leftovers import Leftovers
from sftp_orchestrator.ledger.missing import MissingFiles
from sftp_orchestrator.ledger.moves import Clock, IllegalMove
from sftp_orchestrator.ledger.outcomes import Outcomes
from sftp_orchestrator.ledger.ownership import Ownership
from sftp_orchestrator.ledger.parts import Parts
from sftp_orchestrator.ledger.pauses import Pauses
from sftp_orchestrator.ledger.properties import Properties
from sftp_orchestrator.ledger.records import Move, Source
from sftp_orchestrator.ledger.requests import RunRequests
from sftp_orchestrator.ledger.runs import Runs
from sftp_orchestrator.ledger.sources import Sources
from sftp_orchestrator.ledger.tables import HISTORY, PAUSE, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions, carry_through
from sftp_orchestrator.ledger.untaken import UntakenFiles

T = TypeVar("T")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Ledger:
    """Sources, parts, runs, their history and the register of properties in one database.

    Blocking: call it in a thread from async code.
    """

    def __init__(self, engine: sa.Engine, *, clock: Clock = _now) -> None:
        self._engine = engine
        self._database = Transactions(engine)
        self.sources = Sources(self._database, clock)
        self.parts = Parts(self._database, clock)
        self.runs = Runs(self._database, clock)
        self.requests = RunRequests(self._database, clock)
        self.discards = Discards(self._database, clock)
        self.leftovers = Leftovers(self._database)
        self.pauses = Pauses(self._database)
        self.missing = MissingFiles(self._database, clock)
        self.untaken = UntakenFiles(self._database)
        self.alerts = Alerts(self._database)
        self.properties = Properties(self._database)
        self.outcomes = Outcomes(self._database)
        self.deliveries = Deliveries(self._database)
        self.forgetting = Forgetting(self._database)
        self.ownership = Ownership(engine)

    @classmethod
    def open(cls, url: str, workspace: Path, *, clock: Clock = _now) -> Self:
        """Open the ledger that the configuration names, making or migrating it; raises ``LocalFault``."""
        return cls(open_database(url, workspace), clock=clock)

    @classmethod
    def open_for_reading(cls, url: str, workspace: Path) -> Self | None:
        """Open a ledger that is there, writing nothing; None where there is none of this version. Raises LocalFault."""
        engine = open_for_reading(url, workspace)
        return cls(engine) if engine is not None else None

    def list_history(self, *, source_id: str | None = None, limit: int | None = None) -> list[Move]:
        """Return the last moves, the newest last; of one source, or of all."""
        query = sa.select(*(column for column in HISTORY.c if column.name != "number"))
        if source_id is not None:
            query = query.where(HISTORY.c.source_id == source_id)
        query = query.order_by(HISTORY.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            return [Move(**row) for row in reversed(connection.execute(query).mappings().all())]

    def count_sources(self) -> dict[str, int]:
        """Return how many sources are in each state, those at their end that the ledger remembers no more included."""
        with self._database.read() as connection:
            known = count_all(connection, SOURCE, SOURCE.c.state)
            forgotten = forgetting.count_sources(connection)
        return {state: known.get(state, 0) + forgotten.get(state, 0) for state in known | forgotten}

    def require_answer(self) -> None:
        """Return when the database answers a question about what is in it; raises ``LocalFault`` where it does not."""
        with self._database.read() as connection:
            connection.execute(sa.select(PAUSE.c.destination).limit(1)).first()

    def get_size_bytes(self) -> int:
        """Return how much room the database takes, its log included."""
        return measure(self._engine)

    def write_together(
        self, writes: Sequence[Callable[[], T]], *, begin: Callable[[], None] = lambda: None
    ) -> list[T | Exception]:
        """Call what writes to this ledger in one transaction; return what each returned, or was refused with.

        A refusal (``IllegalMove`` and others) undoes its own write alone: then all are called once more, each for
        itself. What they do besides must bear repetition; ``begin`` is called before the first of them, each time.

        Raises:
            LocalFault: the database stands in the way: nothing was changed.
        """
        if not writes:
            return []
        return carry_through(lambda: self._write_together(writes, begin))

    def _write_together(self, writes: Sequence[Callable[[], T]], begin: Callable[[], None]) -> list[T | Exception]:
        begin()
        if len(writes) == 1:
            with failpoints.around("ledger.write_together"):
                return [self._try(writes[0])]
        with failpoints.around("ledger.write_together"), self._database.write():
            # Nearly always nothing is refused, and a savepoint for each write would cost as much as the write.
            together = self._try(lambda: [write() for write in writes])
            if not isinstance(together, Exception):
                return [*together]
            begin()
            return [self._try(write) for write in writes]

    def _try(self, write: Callable[[], T]) -> T | Exception:
        try:
            with self._database.attempt():
                return write()
        except Exception as error:
            if _stands_in_the_way(error):
                raise
            return error

    def finish_deliveries(self, source_ids: Sequence[str]) -> list[Source | Exception]:
        """Do as ``Sources.finish_deliveries`` for those of which each part is delivered; return each, or why it is not.

        Raises:
            LocalFault: the database stands in the way: nothing was changed.
        """
        finish = self.sources.finish_deliveries
        together = self._try(functools.partial(finish, source_ids))
        if not isinstance(together, Exception):
            found = {source.id: source for source in together}
            return [found[source_id] for source_id in source_ids]
        # One of them is not as the others: each by itself.
        alone = self.write_together([functools.partial(finish, [source_id]) for source_id in source_ids])
        return [outcome if isinstance(outcome, Exception) else outcome[0] for outcome in alone]

    def close(self) -> None:
        """Close every connection; may be repeated."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _stands_in_the_way(error: Exception) -> bool:
    """Return whether the database failed, rather than refused one write."""
    return isinstance(error, LocalFault) and not isinstance(error, IllegalMove | SourceFault)
