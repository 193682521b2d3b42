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
AGAIN_SECONDS = 2.0
"""Before one is tried once more of which another was taken in its place: a service may take but one in a second."""
STOP_GRACE_SECONDS = 5.0
"""How long a stop waits for a message under way, which would be told once more otherwise."""

GuardLedger = Callable[[], contextlib.AbstractContextManager[None]]
WriteSubstitute = Callable[[str | None], Text]
"""Writes what stands for an alert that is refused, with the title of that, or without."""


@dataclass(frozen=True, kw_only=True)
class _Parcel:
    """What the channel is given as one message."""

    text: Text
    messages: Sequence[Message] = ()
    """what is in it"""
    lost: int = 0
    """how many others it says that nobody will be told of"""
    replaces: Message | None = None
    """what it stands for, where it is a substitute"""
    is_last_try: bool = False
    """what is in it is given up where it is refused: a substitute for it was taken"""


@dataclass(frozen=True, kw_only=True)
class _Sending:
    """A message that the channel was given."""

    parcel: _Parcel
    result: Future[None]


@dataclass(frozen=True, kw_only=True)
class _Finishing:
    """What the ledger is to note at once."""

    at: datetime.datetime
    """by which it knows this one"""
    messages: tuple[Message, ...]
    lost: int


class Courier:
    """One at a time: a channel that hangs is left alone until it has ended, and is never given a second thread."""

    def __init__(
        self, channel: Channel, alerts: Alerts, *, write_substitute: WriteSubstitute, guard: GuardLedger
    ) -> None:
        """A ledger's fault within ``guard`` is told, and ends nothing."""
        self._channel = channel
        self._alerts = alerts
        self._write_substitute = write_substitute
        self._guard = guard
        self._trouble = Repeating()
        self._failures = 0
        self._taken: dict[int, Message] = {}
        """by number, what it took, or what was given up, and the ledger could not be told: it is not sent again"""
        self._told_lost = 0
        """how many lost ones it was told of, and the ledger could not be told that: nor are these told again"""
        self._finishing: _Finishing | None = None
        """what of both the ledger was told last, and may not have noted: it is told the very same again"""
        self._untold: list[_Parcel] = []
        """what it took, and the log does not have yet, as the ledger comes first"""
        self._lost = 0
        """messages that it will never be told, which it is told with the next one"""
        self._sending: _Sending | None = None
        """the last one, where nothing was heard of it"""
        self._has_replaced = False
        self._is_stopping = False
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
        self._has_replaced = self._is_stopping = False
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
            # It is slow, and takes what it is given.
            self._note_recovery()
        await self._follow_up(last)

    async def _follow_up(self, last: _Sending) -> None:
        """Note what came of a message for which nobody waited any more, and go on from there."""
        error, parcel = last.result.exception(), last.parcel
        if error is None:
            self._note_taken(parcel)
            if parcel.replaces is not None:
                await self._try_again(parcel.replaces)
        elif parcel.is_last_try and isinstance(error, Unreachable):
            self._give_up(parcel.messages, error)

    async def _look(self) -> list[Message]:
        """Return what waits; nothing where the ledger cannot be asked."""
        await self._finish()
        waiting: list[Message] = []
        with self._guard():
            waiting = await asyncio.to_thread(self._alerts.list_messages, self._channel.key)
            if waiting:
                count = await asyncio.to_thread(self._alerts.count_lost, self._channel.key)
                # What it took and is not there was dropped before the ledger could be told, and counted as lost.
                dropped = self._taken.keys() - {message.number for message in waiting}
                self._lost = max(0, count - self._told_lost - len(dropped))
        return [message for message in waiting if message.number not in self._taken]

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
        """Give ``message`` up where another one is taken in its place, and it is not, right now; only one each time."""
        if self._has_replaced:
            raise refusal
        self._has_replaced = True
        try:
            await self._transmit(_Parcel(text=self._write_substitute(message.title), replaces=message))
        except Unreachable:
            if self._sending is not None:
                raise
            # The title may be what is refused.
            await self._transmit(_Parcel(text=self._write_substitute(None), replaces=message))
        await self._try_again(message)

    async def _try_again(self, message: Message) -> None:
        """Have ``message`` taken after all, or give it up: a service that was away for a moment never refused it."""
        try:
            await asyncio.sleep(AGAIN_SECONDS)
        except asyncio.CancelledError:
            # What stands in its place was taken: the next start would send that once more.
            self._is_stopping = True
            with contextlib.suppress(Failure):
                await self._try_last(message)
            raise
        await self._try_last(message)

    async def _try_last(self, message: Message) -> None:
        try:
            await self._send([message], is_last_try=True)
        except Unreachable as refusal:
            if self._sending is not None:
                raise
            self._give_up([message], refusal)
            await self._finish()

    def _give_up(self, messages: Sequence[Message], refusal: Unreachable) -> None:
        # Whether or not the ledger can be told: they are not tried again.
        self._taken.update((message.number, message) for message in messages)
        for message in messages:
            _LOG.error("alert_given_up", channel=self._channel.name, title=message.title, error=str(refusal))

    async def _send(self, messages: Sequence[Message], *, is_last_try: bool = False) -> None:
        texts = [Text(title=one.title, body=one.body, is_good=one.is_good) for one in messages]
        text, lost = wording.join(texts, lost=self._lost), self._lost
        await self._transmit(_Parcel(text=text, messages=messages, lost=lost, is_last_try=is_last_try))
        await self._finish()

    async def _transmit(self, parcel: _Parcel) -> None:
        """Return once the channel took ``parcel``; raises ``Failure`` where it did not, or nothing is heard of it."""
        sending = _Sending(parcel=parcel, result=self._channel.begin(parcel.text))
        self._sending = sending
        patience = STOP_GRACE_SECONDS if self._is_stopping else SEND_SECONDS
        try:
            has_ended = await threads.has_ended(sending.result, within_seconds=patience)
        except asyncio.CancelledError:
            await self._see_off(sending)
            raise
        if not has_ended:
            raise self._make_failure("it gave no sign of life")
        self._sending = None
        sending.result.result()
        self._note_taken(parcel)

    async def _see_off(self, last: _Sending) -> None:
        """Wait a while for what was under way when we were stopped, and note what came of it."""
        self._is_stopping = True
        if not await threads.has_ended(last.result, within_seconds=STOP_GRACE_SECONDS):
            return
        self._sending = None
        with contextlib.suppress(Failure):
            await self._follow_up(last)
        await self._finish()

    def _note_taken(self, parcel: _Parcel) -> None:
        if not parcel.messages:
            return
        self._taken.update((message.number, message) for message in parcel.messages)
        self._told_lost += parcel.lost
        self._lost -= parcel.lost
        self._untold.append(parcel)

    async def _finish(self) -> None:
        """Note what the channel took, and that of it which was given up, as soon as the ledger lets us."""
        with self._guard():
            while self._taken or self._told_lost:
                await self._finish_some()
            # From here on a crash repeats none of it.
            told, self._untold = self._untold, []
            for parcel in told:
                count = len(parcel.messages)
                _LOG.info("alert_sent", channel=self._channel.name, title=parcel.text.title, messages=count)

    async def _finish_some(self) -> None:
        """Note what the ledger may not have noted the last time; else all there is by now."""
        if self._finishing is None:
            self._finishing = _Finishing(at=_now(), messages=tuple(self._taken.values()), lost=self._told_lost)
        one = self._finishing
        await threads.see_through(self._alerts.finish, self._channel.key, one.messages, at=one.at, lost=one.lost)
        self._finishing = None
        self._told_lost -= one.lost
        for message in one.messages:
            self._taken.pop(message.number, None)

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
