"""A run: one delivery pass over everything that is on its way, each destination by itself, all of them at once."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.connections import ConnectionPool
from sftp_orchestrator.deliver.delivery import Delivery
from sftp_orchestrator.deliver.faults import note_drop
from sftp_orchestrator.deliver.lane import MayBegin, begin_all
from sftp_orchestrator.deliver.pauses import DestinationPauses
from sftp_orchestrator.deliver.retry import LONGEST_WAIT_SECONDS, Retrying, is_over
from sftp_orchestrator.deliver.sftp import connect
from sftp_orchestrator.deliver.stations import Stations
from sftp_orchestrator.deliver.throttle import Throttle
from sftp_orchestrator.deliver.tuning import Tuner
from sftp_orchestrator.errors import ExitCode, Failure, LocalFault, NotConfigured, get_exit_code
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_DONE, SOURCE_ON_ITS_WAY, SOURCE_OPEN, PartState

_LOG = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a run ended."""

    delivered: int
    """sources"""
    not_delivered: tuple[Source, ...]
    """sources that wait, are quarantined or held, as they stand"""
    failures: tuple[Failure, ...]
    """what ended a destination's share early"""
    parts: int = 0
    """of the sources delivered"""
    left_alone: int = 0
    """files in staging that are not taken: no feed fits, or several do"""
    size: int = 0
    """bytes of the sources delivered, as they were dropped"""
    refused_rows: int = 0
    """of the sources delivered: they break rules and were not sent"""
    duplicate_rows: int = 0
    """of the sources delivered: they were there before and were not sent"""
    uncertain: frozenset[str] = frozenset()
    """ids of those not delivered of which nobody can tell whether the receiver took a part"""

    @property
    def exit_code(self) -> ExitCode:
        """The worst that happened."""
        codes = [get_exit_code(failure) for failure in self.failures]
        if self.not_delivered:
            codes.append(ExitCode.NOT_ALL_DELIVERED)
        return max(codes, default=ExitCode.DONE)


@dataclass(kw_only=True)
class Runner:
    """Starts runs, one at a time, and remembers which destination is to be left alone for how long."""

    configuration: Configuration
    stations: Stations
    chance: Callable[[], float] = field(default=random.random)
    pauses: DestinationPauses = field(init=False)
    tuners: dict[str, Tuner] = field(init=False)

    def __post_init__(self) -> None:
        """Learn which destinations failed in an earlier life; blocking, raises ``LocalFault``."""
        self.pauses = DestinationPauses(self.configuration, self.stations.ledger)
        self.tuners = {name: Tuner.of(name, one) for name, one in self.configuration.destinations.items()}

    async def run(
        self,
        trigger: str,
        due: Sequence[Source] | None = None,
        *,
        may_begin: MayBegin = begin_all,
        is_insisted: bool = False,
        clearing: Collection[str] = (),
    ) -> Verdict:
        """Deliver the sources in ``due``; without them, everything that is on its way, whatever it waits for.

        To destinations in ``clearing`` it goes even where nothing is due there, if data lies there that belongs to no
        source any more: it is removed. Without ``due`` these are all that are not left alone for a while.

        ``may_begin`` is asked just before each is begun, and what it refuses waits. ``is_insisted`` says that a person
        wants it now: a destination that is left alone for a while is tried all the same.
        """
        ledger = self.stations.ledger
        if due is None:
            due = await asyncio.to_thread(ledger.sources.list_in, SOURCE_ON_ITS_WAY)
            clearing = [name for name in self.configuration.destinations if self.pauses.is_over(name, _now())]
        clearing = await asyncio.to_thread(self._list_to_clear, clearing)
        if not due and not clearing:
            return Verdict(delivered=0, not_delivered=(), failures=())
        await asyncio.to_thread(ledger.ownership.require)
        destinations = sorted({source.destination for source in due} | set(clearing))
        only = destinations[0] if len(destinations) == 1 else None
        number = await asyncio.to_thread(ledger.runs.start, trigger, destination=only)
        _LOG.info("run_started", run=number, trigger=trigger, sources=len(due))
        failures = await self._deliver_to_all(destinations, due, may_begin=may_begin, is_insisted=is_insisted)
        verdict = await self._judge(due, failures)
        await asyncio.to_thread(
            ledger.runs.finish,
            number,
            verdict=verdict.exit_code.name.lower(),
            delivered=verdict.delivered,
            not_delivered=len(verdict.not_delivered),
        )
        _LOG.info(
            "run_finished",
            run=number,
            verdict=verdict.exit_code.name.lower(),
            delivered=verdict.delivered,
            not_delivered=len(verdict.not_delivered),
            refused_rows=verdict.refused_rows,
        )
        return verdict

    async def _deliver_to_all(
        self, destinations: Sequence[str], due: Sequence[Source], *, may_begin: MayBegin, is_insisted: bool
    ) -> list[Failure]:
        """Deliver to several destinations at once; return what ended their shares early."""
        async with asyncio.TaskGroup() as group:
            # What fails is a value: one destination never ends another's share.
            shares = [
                group.create_task(
                    self._deliver_to(
                        name,
                        [source for source in due if source.destination == name],
                        may_begin=may_begin,
                        is_insisted=is_insisted,
                    )
                )
                for name in destinations
            ]
        found = [share.result() for share in shares]
        return [failure for failure in found if failure is not None]

    def _list_to_clear(self, destinations: Collection[str]) -> list[str]:
        return [name for name in destinations if self.stations.ledger.leftovers.list_of(name)]

    def is_due(self, source: Source) -> bool:
        """Return whether ``source`` waits neither for a time nor for its destination to be tried again.

        What a person wants tried waits for neither.
        """
        now = _now()
        if source.is_wanted:
            return True
        if not self.pauses.is_over(source.destination, now):
            return False
        longest = LONGEST_WAIT_SECONDS + self.configuration.intake.settle_seconds
        return source.retry_at is None or is_over(source.retry_at, now, longest_seconds=longest)

    async def _deliver_to(
        self, name: str, sources: list[Source], *, may_begin: MayBegin, is_insisted: bool
    ) -> Failure | None:
        """Deliver to one destination; return what ended its share early, None where nothing did."""
        is_wanted = is_insisted or any(source.is_wanted for source in sources)
        if not is_wanted and (refusal := self.pauses.find_refusal(name, _now())):
            return refusal
        try:
            failures = await self._find_failures(name, sources, may_begin)
        except Exception as error:  # noqa: BLE001 - logged with its traceback; a defect must not end the others' shares
            _LOG.error("destination_crashed", destination=name, exc_info=True)
            failures = [LocalFault("deliver", f"to {name}", _name_crash(error), hint="a defect: see the log")]
        if not failures:
            return None
        worst = max(failures, key=get_exit_code)
        await self._pause(name, worst, sources)
        return worst

    async def _find_failures(self, name: str, sources: list[Source], may_begin: MayBegin) -> list[Failure]:
        """Deliver to one destination; return what ended its share early."""
        stations = self.stations
        try:
            destination = self.configuration.destinations.get(name)
            if destination is None:
                gone = NotConfigured(
                    "deliver",
                    f"to {name}",
                    "the configuration has no such destination any more",
                    hint="put it back, and it goes on by itself",
                )
                for source in sources:
                    await note_drop(source, gone, stations.preparation, stations.ledger)
                return []
            note_retry = functools.partial(stations.board.measures.note_retry, name)
            retrying = Retrying(attempts=destination.attempts, chance=self.chance, note=note_retry)
            connector = functools.partial(connect, throttle=Throttle.of(self.configuration, name))
            tuner = self.tuners[name]
            # One more than data files go up at a time: a manifest must not wait behind gigabytes.
            async with ConnectionPool(
                destination, name, tuner.most + 1, connector=connector, get_wanted=lambda: tuner.slots.size + 1
            ) as pool:
                await Delivery(name, destination, stations, pool, retrying, tuner, may_begin).deliver(sources)
            if pool.was_reached:
                with _told_of_ledger(name):
                    await self.pauses.end(name)
        except* Failure as group:
            failures = list(_flatten(group))
        else:
            failures = []
        return failures

    async def _pause(self, name: str, failure: Failure, sources: Sequence[Source]) -> None:
        # Where the ledger itself is the trouble, the verdict asks it next, and says so to whoever started the run.
        with _told_of_ledger(name):
            until = await self.pauses.begin(name, failure, self.chance)
            reasons = dict.fromkeys((source.id for source in sources), str(failure))
            await asyncio.to_thread(self.stations.ledger.sources.note_waits, reasons, retry_at=until)

    async def _judge(self, sources: Sequence[Source], failures: Sequence[Failure]) -> Verdict:
        ledger = self.stations.ledger
        after = await asyncio.to_thread(ledger.sources.list_of, [source.id for source in sources])
        done = [source for source in after if source.state in SOURCE_DONE]
        parts = await asyncio.to_thread(ledger.parts.count_of_all, [source.id for source in done])
        left = tuple(source for source in after if source.state in SOURCE_OPEN)
        uncertain = await asyncio.to_thread(ledger.parts.list_sources_in, PartState.UNCERTAIN) if left else ()
        return Verdict(
            delivered=len(done),
            not_delivered=left,
            failures=tuple(failures),
            uncertain=frozenset(uncertain).intersection(source.id for source in left),
            parts=parts,
            size=sum(source.size for source in done),
            refused_rows=sum(source.refused_rows for source in done),
            duplicate_rows=sum(source.duplicate_rows for source in done),
        )


@contextlib.contextmanager
def _told_of_ledger(destination: str) -> Iterator[None]:
    """Tell of a pause, or of its end, that could not be noted, and go on: the next run notes it."""
    try:
        yield
    except LocalFault as error:
        _LOG.error("pause_not_noted", destination=destination, error=str(error))


def _flatten(group: BaseExceptionGroup[Failure]) -> list[Failure]:
    found: list[Failure] = []
    for error in group.exceptions:
        found += _flatten(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _name_crash(error: BaseException) -> str:
    """Return what crashed in one line: of several things at once, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
