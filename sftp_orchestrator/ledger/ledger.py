"""The ledger: the authority on what was claimed, what left and what the receiver has."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from sftp_orchestrator.ledger import forgetting
from sftp_orchestrator.ledger.database import count_all, open_database, open_for_reading
from sftp_orchestrator.ledger.discards import Discards
from sftp_orchestrator.ledger.forgetting import Forgetting
from sftp_orchestrator.ledger.leftovers import Leftovers
from sftp_orchestrator.ledger.moves import Clock
from sftp_orchestrator.ledger.outcomes import Outcomes
from sftp_orchestrator.ledger.ownership import Ownership
from sftp_orchestrator.ledger.parts import Parts
from sftp_orchestrator.ledger.pauses import Pauses
from sftp_orchestrator.ledger.properties import Properties
from sftp_orchestrator.ledger.records import Move
from sftp_orchestrator.ledger.runs import Runs
from sftp_orchestrator.ledger.sources import Sources
from sftp_orchestrator.ledger.tables import HISTORY, SOURCE


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Ledger:
    """Sources, parts, runs, their history and the register of properties in one database.

    Blocking: call it in a thread from async code.
    """

    def __init__(self, engine: sa.Engine, *, clock: Clock = _now) -> None:
        self._engine = engine
        self.sources = Sources(engine, clock)
        self.parts = Parts(engine, clock)
        self.runs = Runs(engine, clock)
        self.discards = Discards(engine, clock)
        self.leftovers = Leftovers(engine)
        self.pauses = Pauses(engine)
        self.properties = Properties(engine)
        self.outcomes = Outcomes(engine)
        self.forgetting = Forgetting(engine)
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
        with self._engine.connect().execution_options(read_only=True) as connection:
            return [Move(**row) for row in reversed(connection.execute(query).mappings().all())]

    def count_sources(self) -> dict[str, int]:
        """Return how many sources are in each state, those at their end that the ledger remembers no more included."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            known = count_all(connection, SOURCE, SOURCE.c.state)
            forgotten = forgetting.count_sources(connection)
        return {state: known.get(state, 0) + forgotten.get(state, 0) for state in known | forgotten}

    def close(self) -> None:
        """Close every connection; may be repeated."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
