"""Brings one channel what waits for it: no other channel, no look and no delivery waits for this one."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from sftp_orchestrator import threads
from sftp_orchestrator.alerts import wording
from sftp_orchestrator.alerts.channels import SEND_SECONDS, Channel
from sftp_orchestrator.alerts.wording import Text
from sftp_orchestrator.errors import Failure, Unreachable
from sftp_orchestrator.ledger.alerts import Alerts
from sftp_orchestrator.ledger.records import Message
from sftp_orchestrator.repeating import Repeating

_LOG = structlog.get_logger()

WAIT_SECONDS = 5.0
"""How soon what waits is noticed, where nobody says that there is something."""
FIRST_PAUSE_SECONDS = 15.0
"""Before a channel is tried again that did not take an alert; twice as long after each further time."""
LONGEST_PAUSE_SECONDS = 900.0
MOST_AT_ONCE = 3
"""Messages of several looks that a channel is given one by one; more become one: no storm after a night away."""
TRIES = 5
"""Times in a row that a channel took nothing, in four minutes; then it is looked whether it refuses one alert only."""
OVERDUE = datetime.timedelta(hours=1)
"""An alert as old as this is looked at so the first time that it fails: a pass knows nothing of those before it."""
STOP_GRACE_SECONDS = 5.0
"""How long a stop waits for a message under way, which would be told once more otherwise."""

GuardLedger = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class _Sending:
    """A message that the channel was given."""

    text: Text
    messages: Sequence[Message]
    lost: int
    result: Future[None]


class Courier:
    """One at a time: a channel that hangs is left alone until it has ended, and is never given a second thread."""

    def __init__(self, channel: Channel, alerts: Alerts, *, substitute: Text, guard: GuardLedger) -> None:
        """``substitute`` stands for what is refused; a ledger's fault within ``guard`` is told, and ends nothing."""
        self._channel = channel
        self._alerts = alerts
        self._substitute = substitute
        self._guard = guard
        self._trouble = Repeating()
        self._failures = 0
        self._taken: set[int] = set()
        """numbers of messages that it took, and of which the ledger could not be told: they are not sent again"""
        self._lost = 0
        """messages that it will never be told, which it is told with the next one"""
        self._sending: _Sending | None = None
        """the last one, where nothing was heard of it"""
        self._has_replaced = False
        self._news = asyncio.Event()
        self._news.set()

    def wake(self) -> None:
        """Have it look at once what waits, unless the channel is to be left alone."""
        self._news.set()

    async def serve(self) -> float:
        """Wait until something may be there, bring it, and return for how many seconds to leave the channel alone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._news.wait()
        self._news.clear()
        return await self.bring()

    async def bring(self) -> float:
        """Bring all that waits; return for how many seconds to leave the channel alone, as it did not take it."""
        self._has_replaced = False
        try:
            await self._heed_last()
            waiting = await self._look()
            for some in _make_batches(waiting):
                await self._hand_over(some)
        except Failure as error:
            return self._note_failure(error)
        if waiting:
            self._note_recovery()
        return 0.0

    async def _heed_last(self) -> None:
        """Note what became of a message of which nothing was heard in time; raises ``Unreachable`` while nothing is."""
        if self._sending is None:
            return
        if not self._sending.result.done():
            raise self._make_failure("the alert before is still under way to it")
        last, self._sending = self._sending, None
        if last.result.exception() is None:
            await self._note_taken(last)

    async def _look(self) -> list[Message]:
        """Return what waits; nothing where the ledger cannot be asked."""
        waiting: list[Message] = []
        with self._guard():
            waiting = await asyncio.to_thread(self._alerts.list_messages, self._channel.key)
            if waiting:
                self._lost = await asyncio.to_thread(self._alerts.count_lost, self._channel.key)
        taken = [message for message in waiting if message.number in self._taken]
        if taken:
            await self._finish(taken)
        return [message for message in waiting if message not in taken]

    async def _hand_over(self, messages: Sequence[Message]) -> None:
        """Have ``messages`` taken, all but what is refused for what it says while other things are taken."""
        try:
            await self._send(messages)
        except Unreachable as error:
            if self._sending is not None or not self._is_overdue(messages[0]):
                raise
            await self._sift(messages, error)

    def _is_overdue(self, message: Message) -> bool:
        return self._failures + 1 >= TRIES or abs(_now() - message.made_at) >= OVERDUE

    async def _sift(self, messages: Sequence[Message], refusal: Unreachable) -> None:
        """Have piece by piece taken what was refused as one; raises ``Unreachable`` where nothing is taken at all.

        The first of them has stood in the way for longest, and goes alone.
        """
        if len(messages) == 1:
            await self._replace(messages[0], refusal)
            return
        middle = (len(messages) + 1) // 2
        for some in filter(None, (messages[:1], messages[1:middle], messages[middle:])):
            try:
                await self._send(some)
            except Unreachable as error:
                if self._sending is not None:
                    raise
                await self._sift(some, error)

    async def _replace(self, message: Message, refusal: Unreachable) -> None:
        """Give ``message`` up where another one is taken in its place right now; only one each time."""
        if self._has_replaced:
            raise refusal
        self._has_replaced = True
        await self._transmit(self._substitute)
        # Whether or not the ledger can be told: it is not tried again.
        _LOG.error("alert_given_up", channel=self._channel.name, title=message.title, error=str(refusal))
        self._taken.add(message.number)
        await self._finish([message])

    async def _send(self, messages: Sequence[Message]) -> None:
        texts = [Text(title=one.title, body=one.body, is_good=one.is_good) for one in messages]
        sent = await self._transmit(wording.join(texts, lost=self._lost), messages, lost=self._lost)
        await self._note_taken(sent)

    async def _transmit(self, text: Text, messages: Sequence[Message] = (), *, lost: int = 0) -> _Sending:
        """Return once the channel took ``text``; raises ``Failure`` where it did not, or nothing is heard of it."""
        sending = _Sending(text=text, messages=messages, lost=lost, result=self._channel.begin(text))
        self._sending = sending
        try:
            has_ended = await threads.has_ended(sending.result, within_seconds=SEND_SECONDS)
        except asyncio.CancelledError:
            is_known = await threads.has_ended(sending.result, within_seconds=STOP_GRACE_SECONDS)
            if is_known and sending.result.exception() is None:
                await self._finish(messages, lost=lost)
            raise
        if not has_ended:
            raise self._make_failure("it gave no sign of life")
        self._sending = None
        sending.result.result()
        return sending

    async def _note_taken(self, sending: _Sending) -> None:
        self._taken.update(message.number for message in sending.messages)
        self._lost -= sending.lost
        await self._finish(sending.messages, lost=sending.lost)
        count = len(sending.messages)
        _LOG.info("alert_sent", channel=self._channel.name, title=sending.text.title, messages=count)

    async def _finish(self, messages: Sequence[Message], *, lost: int = 0) -> None:
        """Note that the channel took ``messages``, as soon as the ledger lets us."""
        with self._guard():
            await threads.see_through(self._alerts.finish, self._channel.key, messages, lost=lost)
            self._taken.difference_update(one.number for one in messages)

    def _make_failure(self, said: str) -> Unreachable:
        return Unreachable("send an alert by", self._channel.name, said)

    def _note_failure(self, error: Failure) -> float:
        self._failures += 1
        occurred = self._trouble.note(error)
        if occurred.is_told:
            _LOG.error("alert_not_sent", channel=self._channel.name, error=str(error), failures=occurred.failures)
        return get_pause_seconds(self._failures)

    def _note_recovery(self) -> None:
        self._failures = 0
        over = self._trouble.end()
        if over is not None:
            _LOG.info("alerts_sent_again", channel=self._channel.name, failures=over.failures, seconds=over.seconds)


def get_pause_seconds(failures: int) -> float:
    """Return for how long a channel is left alone that failed so often in a row. Pure."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 16))


def _make_batches(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Yield what is sent as one: each by itself, or all of what could not be sent for long. Pure."""
    if len({message.made_at for message in messages}) > MOST_AT_ONCE:
        yield messages
    else:
        yield from ([message] for message in messages)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
