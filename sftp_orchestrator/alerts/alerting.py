"""The station that tells people: it looks, and notes what is to be told; a courier for each channel sees it taken."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import structlog

from sftp_orchestrator import threads
from sftp_orchestrator.advice import advise_on_rows
from sftp_orchestrator.alerts import conditions, wording
from sftp_orchestrator.alerts.channels import open_channels
from sftp_orchestrator.alerts.conditions import Fate
from sftp_orchestrator.alerts.courier import LONGEST_PAUSE_SECONDS, Courier
from sftp_orchestrator.alerts.telling import Decision, Group, decide
from sftp_orchestrator.alerts.wording import Context
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config.alerting import AlertKind
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Alert, Message
from sftp_orchestrator.measuring import RefusedReload
from sftp_orchestrator.overview import list_advised
from sftp_orchestrator.repeating import Repeating
from sftp_orchestrator.views import WITHOUT_ROWS

_LOG = structlog.get_logger()

LOOK_SECONDS = 5.0
"""How soon what comes up is noticed; that it is told takes ``group_seconds`` more."""
LONGEST_LOOK_SECONDS = 60.0
"""… where so much needs a person that a look takes seconds."""
_LOOK_SHARE = 0.05
"""Of the time, at most, goes into looks."""

KeyEnds = Callable[[], Mapping[str, datetime.datetime | None]]
FindRefusedReload = Callable[[], RefusedReload | None]
Step = Callable[[], Awaitable[float]]
"""What is done again and again, after as many seconds as it returns."""


class Alerting:
    """Nothing happens where no channel is configured."""

    def __init__(
        self,
        configuration: Configuration,
        ledger: Ledger,
        *,
        key_ends: KeyEnds,
        find_refused_reload: FindRefusedReload = lambda: None,
        command: str = COMMAND,
    ) -> None:
        """Read the secrets of the channels; raises ``ConfigurationError``.

        ``key_ends`` tells when each key expires, ``find_refused_reload`` why the configuration on the disk is not in
        effect.
        """
        self._configuration = configuration
        self._settings = configuration.alerts
        self._ledger = ledger
        self._key_ends = key_ends
        self._find_refused_reload = find_refused_reload
        self._command = command
        channels = open_channels(configuration)
        self._names = {channel.key: channel.name for channel in channels}
        write = partial(wording.write_substitute, socket.gethostname(), command, self._settings.page_url)
        self._couriers = [
            Courier(channel, ledger.alerts, write_substitute=write, guard=self._telling_of_ledger)
            for channel in channels
        ]
        self._trouble = Repeating()

    async def run(self) -> None:
        """Look and tell until cancelled; neither waits for the other, nor one channel for the next."""
        await self._survive(self._begin)
        async with asyncio.TaskGroup() as group:
            for step in self._list_steps(self._settings.group_seconds):
                group.create_task(self._repeat(step))

    async def tell_now(self) -> None:
        """Look once, and tell what is to be told without waiting for more: at the end of a pass."""
        await self._survive(self._begin)
        if self._couriers:
            await self._survive(partial(self._look, 0.0))
        async with asyncio.TaskGroup() as group:
            for courier in self._couriers:
                group.create_task(self._survive(courier.bring))

    def _list_steps(self, group_seconds: float) -> list[Step]:
        look: list[Step] = [partial(self._look, group_seconds)] if self._couriers else []
        return look + [courier.serve for courier in self._couriers]

    async def _repeat(self, step: Step) -> None:
        while True:
            pause = await self._survive(step)
            await asyncio.sleep(pause)

    async def _survive(self, step: Step) -> float:
        """Do ``step``; return for how many seconds not to do it again."""
        try:
            return await step()
        except Exception:  # noqa: BLE001 - logged with its traceback; a defect in telling must end no delivery
            _LOG.error("alerts_crashed", exc_info=True)
            return LONGEST_PAUSE_SECONDS

    async def _begin(self) -> float:
        """Forget what was meant for others than the channels there are now."""
        with self._telling_of_ledger():
            known = await asyncio.to_thread(self._ledger.alerts.list_channels)
            if known - self._names.keys():
                await threads.see_through(self._ledger.alerts.forget_channels, besides=list(self._names))
        return 0.0

    async def _look(self, group_seconds: float) -> float:
        """Look once, and have couriers bring what is to be told."""
        began = time.monotonic()
        with self._telling_of_ledger():
            await threads.see_through(self._note, group_seconds)
            self._trouble.end()
        for courier in self._couriers:
            courier.wake()
        took = time.monotonic() - began
        return min(LONGEST_LOOK_SECONDS, max(LOOK_SECONDS, took / _LOOK_SHARE))

    @contextlib.contextmanager
    def _telling_of_ledger(self) -> Iterator[None]:
        """Tell once of a ledger, or a disk, that stands in the way, and go on: the next look finds the same."""
        try:
            yield
        except LocalFault as error:
            occurred = self._trouble.note(error)
            if occurred.is_told:
                _LOG.error("alerts_not_noted", error=str(error), failures=occurred.failures)

    def _note(self, group_seconds: float) -> None:
        """Note what is worth an alert, and put on its way what is told now; blocking."""
        known = self._ledger.alerts.list_all()
        kinds = self._settings.wanted_kinds
        ends, refused_reload = self._key_ends(), self._find_refused_reload()
        facts = conditions.gather(self._configuration, self._ledger, ends, refused_reload, known)
        is_low = any(one.kind == AlertKind.DISK_LOW and one.over_at is None for one in known)
        found = conditions.find_conditions(facts, kinds, is_low=is_low)
        fates = conditions.find_fates(known, found, facts, self._configuration)
        unwatched = fates[Fate.FORGOTTEN]
        watched = [one for one in known if one not in unwatched and one not in fates[Fate.SUSPENDED]]
        decision = decide(found, watched, facts.at, kinds=kinds, group_seconds=group_seconds)
        messages = self._write(decision, facts)
        if decision.kept or decision.forgotten or unwatched or messages:
            dropped = self._ledger.alerts.note(decision.kept, (*decision.forgotten, *unwatched), messages)
            self._tell_of_unsaid(unwatched, dropped)

    def _tell_of_unsaid(self, unwatched: Sequence[Alert], dropped: Mapping[str, int]) -> None:
        """Log what nobody is told of by an alert."""
        for alert in unwatched:
            _LOG.info("alert_forgotten", kind=alert.kind, subject=alert.subject)
        for channel, count in dropped.items():
            _LOG.warning("alerts_dropped", channel=self._names[channel], messages=count)

    def _write(self, decision: Decision, facts: conditions.Facts) -> list[Message]:
        if not decision.groups:
            return []
        context = self._make_context(decision.groups, facts)
        texts = [wording.write(group, context) for group in decision.groups]
        return [
            Message(channel=channel, made_at=facts.at, is_good=text.is_good, title=text.title, body=text.body)
            for channel in self._names
            for text in texts
        ]

    def _make_context(self, groups: Sequence[Group], facts: conditions.Facts) -> Context:
        named = [alert for group in groups for alert in group.alerts[: wording.MOST_NAMED]]
        ids = [id_ for alert in named if (id_ := wording.find_source(alert, facts)) is not None]
        sources = self._ledger.sources.list_of(ids)
        views = list_advised(sources, self._configuration, self._ledger)
        ended = [alert for alert in named if alert.kind == AlertKind.FILE_MISSING and alert.over_at is not None]
        arrivals = {alert.subject: self._ledger.missing.find_arrival(alert.subject) for alert in ended}
        arrived = {source.id: source for source in self._ledger.sources.list_of([*filter(None, arrivals.values())])}
        return Context(
            facts=facts,
            host=socket.gethostname(),
            command=self._command,
            page_url=self._settings.page_url,
            docs_url=self._settings.docs_url,
            views={
                view.source.id: advise_on_rows(view, view.refused_rows)
                if view.word == WITHOUT_ROWS and view.refused_rows is not None
                else view
                for view in views
            },
            arrived={feed: arrived[source] for feed, source in arrivals.items() if source in arrived},
        )
