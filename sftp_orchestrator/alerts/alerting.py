"""The station that tells people: it looks, notes what is to be told, and sees it taken; no delivery waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from sftp_orchestrator import threads
from sftp_orchestrator.alerts import conditions, wording
from sftp_orchestrator.alerts.channels import SEND_SECONDS, Channel, open_channels
from sftp_orchestrator.alerts.telling import Decision, Group, decide
from sftp_orchestrator.alerts.wording import Context, Text
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config.alerting import AlertKind
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import Failure, LocalFault, Unreachable
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Message
from sftp_orchestrator.overview import list_advised
from sftp_orchestrator.repeating import Repeating

_LOG = structlog.get_logger()

LOOK_SECONDS = 5.0
"""How soon what comes up is noticed; that it is told takes ``group_seconds`` more."""
LONGEST_LOOK_SECONDS = 60.0
"""… where so much needs a person that a look takes seconds."""
_LOOK_SHARE = 0.05
"""Of the time, at most, goes into looks."""
FIRST_PAUSE_SECONDS = 15.0
"""Before a channel is tried again that did not take an alert; twice as long after each further time."""
LONGEST_PAUSE_SECONDS = 900.0
MOST_AT_ONCE = 3
"""Messages of several looks that a channel is given one by one; more become one: no storm after a night away."""
STOP_GRACE_SECONDS = 5.0
"""How long a stop waits for a message under way, which would be told once more otherwise."""
_SLACK_SECONDS = 5.0
"""A service whose own deadline fails, too, is left to itself."""

KeyEnds = Callable[[], Mapping[str, datetime.datetime | None]]


@dataclass(kw_only=True)
class _Line:
    """What became of the last tries of one channel."""

    trouble: Repeating = field(default_factory=Repeating)
    failures: int = 0
    retry_at: float = 0.0
    """monotonic seconds"""
    taken: set[int] = field(default_factory=set)
    """numbers of messages that it took, and of which the ledger could not be told: they are not sent again"""


class Alerting:
    """Nothing happens where no channel is configured."""

    def __init__(
        self, configuration: Configuration, ledger: Ledger, *, key_ends: KeyEnds, command: str = COMMAND
    ) -> None:
        """Read the secrets of the channels; raises ``ConfigurationError``. ``key_ends`` tells when each key expires."""
        self._configuration = configuration
        self._settings = configuration.alerts
        self._ledger = ledger
        self._key_ends = key_ends
        self._command = command
        self._channels = open_channels(configuration)
        self._lines = {channel.key: _Line() for channel in self._channels}
        self._trouble = Repeating()

    async def run(self) -> None:
        """Look and tell until cancelled."""
        await self._begin()
        while self._channels:
            pause = await self._tell(self._settings.group_seconds)
            await asyncio.sleep(pause)

    async def tell_now(self) -> None:
        """Look once, and tell what is to be told without waiting for more: at the end of a pass."""
        await self._begin()
        if self._channels:
            await self._tell(0.0)

    async def _tell(self, group_seconds: float) -> float:
        """Look once and tell; return for how many seconds not to look again."""
        began = time.monotonic()
        try:
            await self._look(group_seconds)
            took = time.monotonic() - began
            await self._send_all()
        except Exception:  # noqa: BLE001 - logged with its traceback; a defect in telling must end no delivery
            _LOG.error("alerts_crashed", exc_info=True)
            return LONGEST_PAUSE_SECONDS
        return min(LONGEST_LOOK_SECONDS, max(LOOK_SECONDS, took / _LOOK_SHARE))

    async def _begin(self) -> None:
        """Forget what was meant for others than the channels there are now."""
        with self._telling_of_ledger():
            if await asyncio.to_thread(self._ledger.alerts.count_messages):
                await threads.see_through(self._ledger.alerts.forget_channels, besides=list(self._lines))

    async def _look(self, group_seconds: float) -> None:
        with self._telling_of_ledger():
            await threads.see_through(self._note, group_seconds)
            self._trouble.end()

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
        facts = conditions.gather(self._configuration, self._ledger, self._key_ends())
        is_low = any(one.kind == AlertKind.DISK_LOW and one.over_at is None for one in known)
        found = conditions.find_conditions(facts, kinds, is_low=is_low)
        decision = decide(found, known, facts.at, kinds=kinds, group_seconds=group_seconds)
        messages = self._write(decision, facts)
        if decision.kept or decision.forgotten or messages:
            self._ledger.alerts.note(decision.kept, decision.forgotten, messages)

    def _write(self, decision: Decision, facts: conditions.Facts) -> list[Message]:
        if not decision.groups:
            return []
        context = self._make_context(decision.groups, facts)
        texts = [wording.write(group, context) for group in decision.groups]
        return [
            Message(channel=channel.key, made_at=facts.at, is_good=text.is_good, title=text.title, body=text.body)
            for channel in self._channels
            for text in texts
        ]

    def _make_context(self, groups: Sequence[Group], facts: conditions.Facts) -> Context:
        named = [alert for group in groups for alert in group.alerts[: wording.MOST_NAMED]]
        ids = [alert.subject for alert in named if wording.is_of_source(alert)]
        views = list_advised(self._ledger.sources.list_of(ids), self._configuration, self._ledger)
        ended = [alert for alert in named if alert.kind == AlertKind.FILE_MISSING and alert.over_at is not None]
        arrivals = {alert.subject: self._ledger.missing.find_arrival(alert.subject) for alert in ended}
        arrived = {source.id: source for source in self._ledger.sources.list_of([*filter(None, arrivals.values())])}
        return Context(
            facts=facts,
            host=socket.gethostname(),
            command=self._command,
            page_url=self._settings.page_url,
            views={view.source.id: view for view in views},
            arrived={feed: arrived[source] for feed, source in arrivals.items() if source in arrived},
        )

    async def _send_all(self) -> None:
        """Send what is on its way, to all channels side by side; one that fails is tried again later."""
        due = [channel for channel in self._channels if self._lines[channel.key].retry_at <= time.monotonic()]
        async with asyncio.TaskGroup() as group:
            for channel in due:
                group.create_task(self._send(channel))

    async def _send(self, channel: Channel) -> None:
        line = self._lines[channel.key]
        try:
            messages = await asyncio.to_thread(self._ledger.alerts.list_messages, channel.key)
            taken = [message for message in messages if message.number in line.taken]
            if taken:
                await self._finish(line, taken)
            for some in _make_batches([message for message in messages if message not in taken]):
                await self._deliver(channel, some)
        except Failure as error:
            line.failures += 1
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(line.failures - 1, 16))
            line.retry_at = time.monotonic() + pause
            occurred = line.trouble.note(error)
            if occurred.is_told:
                _LOG.error("alert_not_sent", channel=channel.name, error=str(error), failures=occurred.failures)
            return
        if messages:
            self._note_recovery(channel, line)

    def _note_recovery(self, channel: Channel, line: _Line) -> None:
        line.failures = 0
        over = line.trouble.end()
        if over is not None:
            _LOG.info("alerts_sent_again", channel=channel.name, failures=over.failures, seconds=over.seconds)

    async def _deliver(self, channel: Channel, messages: Sequence[Message]) -> None:
        texts = [Text(title=one.title, body=one.body, is_good=one.is_good) for one in messages]
        text = wording.join(texts) if len(texts) > 1 else texts[0]
        sending = asyncio.ensure_future(asyncio.to_thread(channel.send, text))
        try:
            await _wait_for(sending, channel)
        except asyncio.CancelledError:
            await asyncio.wait([sending], timeout=STOP_GRACE_SECONDS)
            if sending.done() and not sending.cancelled() and sending.exception() is None:
                await threads.see_through(self._ledger.alerts.finish, messages)
            raise
        self._lines[channel.key].taken.update(number for number in (one.number for one in messages) if number)
        await self._finish(self._lines[channel.key], messages)
        _LOG.info("alert_sent", channel=channel.name, title=text.title, messages=len(messages))

    async def _finish(self, line: _Line, messages: Sequence[Message]) -> None:
        """Note that ``line``'s channel took ``messages``, as soon as the ledger lets us."""
        with self._telling_of_ledger():
            await threads.see_through(self._ledger.alerts.finish, messages)
            line.taken.difference_update(one.number for one in messages)


def _make_batches(messages: Sequence[Message]) -> list[Sequence[Message]]:
    """Return what is sent as one: each by itself, or all of what could not be sent for long. Pure."""
    if len({message.made_at for message in messages}) > MOST_AT_ONCE:
        return [messages]
    return [[message] for message in messages]


async def _wait_for(sending: asyncio.Future[None], channel: Channel) -> None:
    """Return once a message was taken; raises ``Failure`` where it was not, or nobody answers at all."""
    try:
        async with asyncio.timeout(SEND_SECONDS + _SLACK_SECONDS):
            await asyncio.shield(sending)
    except TimeoutError:
        raise Unreachable("send an alert by", channel.name, "it gave no sign of life") from None
