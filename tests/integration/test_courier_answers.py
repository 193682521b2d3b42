"""What a courier makes of each answer of its channel: taken, refused, late, or none until it is stopped."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from sftp_orchestrator.alerts import courier
from sftp_orchestrator.alerts.courier import FIRST_PAUSE_SECONDS, OVERDUE, Courier
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger import alerts as ledger_alerts
from sftp_orchestrator.ledger.ledger import Ledger
from tests.support.alerts import (
    HANG,
    REFUSE,
    TAKE,
    WRITE_SUBSTITUTE,
    PlannedChannel,
    make_courier,
    note_messages,
)

SUBSTITUTE = WRITE_SUBSTITUTE().title
DEADLINE_SECONDS = 60


@pytest.fixture(autouse=True)
def _wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there at once is late, and nobody waits before an alert is tried once more."""
    monkeypatch.setattr(courier, "SEND_SECONDS", 0.0)
    monkeypatch.setattr(courier, "AGAIN_SECONDS", 0.0)


@pytest.fixture(name="ledger")
def open_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """The ledger of the workspace."""
    (tmp_path / "workspace").mkdir()
    with Ledger.open("sqlite", tmp_path / "workspace") as ledger:
        yield ledger


@pytest.fixture(name="channel")
def make_channel() -> PlannedChannel:
    """A channel that takes everything so far."""
    return PlannedChannel()


def _fail(*_: object, **__: object) -> None:
    raise LocalFault("note", "alerts", "the disk is full")


async def _note(ledger: Ledger, channel: PlannedChannel, *titles: str, is_overdue: bool = False) -> None:
    at = datetime.datetime.now(datetime.UTC) - (2 * OVERDUE if is_overdue else datetime.timedelta())
    await asyncio.to_thread(note_messages, ledger, channel, *titles, at=at)


async def _count(ledger: Ledger, channel: PlannedChannel) -> tuple[int, int]:
    """Return how many messages wait, and how many are lost."""
    waiting = await asyncio.to_thread(ledger.alerts.count_messages)
    return waiting, await asyncio.to_thread(ledger.alerts.count_lost, channel.key)


async def _stop_while_it_hangs(bringing: Courier, channel: PlannedChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the courier stopped while a message is under way, which is taken then."""
    monkeypatch.setattr(courier, "SEND_SECONDS", DEADLINE_SECONDS)
    monkeypatch.setattr(courier, "STOP_GRACE_SECONDS", DEADLINE_SECONDS)
    task = asyncio.create_task(bringing.bring())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await channel.hangs.wait()
        task.cancel()
        channel.end(TAKE)
        await asyncio.wait([task])
    assert task.cancelled()


def _list_titles(channel: PlannedChannel) -> list[str]:
    return [text.title for text in channel.given]


# Slow ones.


async def test_a_slow_channel_that_takes_each_message_is_one_that_works(
    ledger: Ledger, channel: PlannedChannel
) -> None:
    """Its pause does not grow, and what it refuses for once after that is not given up."""
    bringing, pauses = make_courier(ledger, channel), []
    for number in range(courier.TRIES):
        await _note(ledger, channel, f"slow {number}")
        channel.plan.append(HANG)
        pauses.append(await bringing.bring())
        channel.end(TAKE)
        pauses.append(await bringing.bring())
    assert pauses == [FIRST_PAUSE_SECONDS, 0] * courier.TRIES
    await _note(ledger, channel, "precious")
    channel.plan.append(REFUSE)
    assert await bringing.bring() == FIRST_PAUSE_SECONDS
    assert _list_titles(channel)[courier.TRIES :] == ["precious"]
    assert await _count(ledger, channel) == (1, 0)


@pytest.mark.parametrize(
    ("plan", "given"),
    [
        ([HANG], ["a"]),
        ([REFUSE, HANG], ["a", SUBSTITUTE]),
        ([REFUSE, REFUSE, HANG], ["a", SUBSTITUTE, SUBSTITUTE]),
        ([REFUSE, TAKE, HANG], ["a", SUBSTITUTE, "a"]),
    ],
)
async def test_nothing_is_sent_besides_what_hangs_however_old_it_is(
    ledger: Ledger, channel: PlannedChannel, plan: list[str], given: list[str]
) -> None:
    """Whatever it is that hangs: each message more would be a thread more. Nor is anything given up for it."""
    await _note(ledger, channel, "a", is_overdue=True)
    channel.plan.extend(plan)
    bringing = make_courier(ledger, channel)
    for _ in range(2 * courier.TRIES):
        assert await bringing.bring() > 0
    assert _list_titles(channel) == given
    assert await _count(ledger, channel) == (1, 0)


async def test_nothing_is_sent_besides_what_hangs_of_many_that_were_refused_as_one(
    ledger: Ledger, channel: PlannedChannel
) -> None:
    """Neither the rest of them nor one in its place."""
    await _note(ledger, channel, *"abcdefgh", is_overdue=True)
    channel.plan.extend([REFUSE, HANG])
    bringing = make_courier(ledger, channel)
    for _ in range(3):
        assert await bringing.bring() > 0
    assert _list_titles(channel) == ["8 alerts that could not be told before", "a"]


# Refused ones.


async def test_an_alert_that_is_taken_after_another_in_its_place_was_is_not_given_up(
    ledger: Ledger, channel: PlannedChannel
) -> None:
    """The service was away for a moment, and never refused it; the substitute says which one it is."""
    await _note(ledger, channel, "1 file is held", is_overdue=True)
    channel.plan.append(REFUSE)
    with structlog.testing.capture_logs() as log:
        assert await make_courier(ledger, channel).bring() == 0
    assert [text.title for text in channel.taken] == [SUBSTITUTE, "1 file is held"]
    assert "1 file is held" in channel.taken[0].body
    assert [line["event"] for line in log] == ["alert_sent"]
    assert await _count(ledger, channel) == (0, 0)


async def test_what_is_sent_in_the_place_of_one_whose_title_is_refused_does_not_have_it(
    ledger: Ledger, channel: PlannedChannel
) -> None:
    """Otherwise it would be refused for ever, and all that is newer would wait."""
    await _note(ledger, channel, "1 file is held", "newer", is_overdue=True)
    channel.plan.extend([REFUSE, REFUSE, TAKE, REFUSE])
    assert await make_courier(ledger, channel).bring() == 0
    assert _list_titles(channel) == ["1 file is held", SUBSTITUTE, SUBSTITUTE, "1 file is held", "newer"]
    assert ["1 file is held" in text.body for text in channel.given[1:3]] == [True, False]
    assert await _count(ledger, channel) == (0, 0)


async def test_what_was_given_up_is_not_sent_again_where_the_ledger_cannot_be_told(
    ledger: Ledger, channel: PlannedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor another one in its place; it is noted once the ledger is there."""
    await _note(ledger, channel, "a", is_overdue=True)
    channel.plan.extend([REFUSE, TAKE, REFUSE])
    bringing = make_courier(ledger, channel)
    with monkeypatch.context() as patch:
        patch.setattr(ledger.alerts, "finish", _fail)
        for _ in range(3):
            assert await bringing.bring() == 0
    assert await _count(ledger, channel) == (1, 0)
    assert await bringing.bring() == 0
    assert _list_titles(channel) == ["a", SUBSTITUTE, "a"]
    assert await _count(ledger, channel) == (0, 0)


@pytest.mark.parametrize("answer", [TAKE, REFUSE])
async def test_what_was_taken_late_in_the_place_of_another_is_sent_once(
    ledger: Ledger, channel: PlannedChannel, answer: str
) -> None:
    """The alert is tried once more then, and given up where it is refused again."""
    await _note(ledger, channel, "a", is_overdue=True)
    channel.plan.extend([REFUSE, HANG, answer])
    bringing = make_courier(ledger, channel)
    with structlog.testing.capture_logs() as log:
        assert await bringing.bring() > 0
        channel.end(TAKE)
        for _ in range(3):
            assert await bringing.bring() == 0
    assert _list_titles(channel) == ["a", SUBSTITUTE, "a"]
    events = [line["event"] for line in log]
    assert (events.count("alert_given_up"), events.count("alert_sent")) == ((0, 1) if answer == TAKE else (1, 0))
    assert await _count(ledger, channel) == (0, 0)


async def test_what_is_refused_late_after_another_was_taken_in_its_place_is_given_up(
    ledger: Ledger, channel: PlannedChannel
) -> None:
    """Otherwise another one would be sent in its place each time."""
    await _note(ledger, channel, "a", is_overdue=True)
    channel.plan.extend([REFUSE, TAKE, HANG])
    bringing = make_courier(ledger, channel)
    with structlog.testing.capture_logs() as log:
        assert await bringing.bring() > 0
        channel.end(REFUSE)
        assert await bringing.bring() == 0
    assert _list_titles(channel) == ["a", SUBSTITUTE, "a"]
    assert [line["event"] for line in log].count("alert_given_up") == 1
    assert await _count(ledger, channel) == (0, 0)


# Stops.


@pytest.mark.parametrize("answer", [TAKE, REFUSE])
async def test_a_stop_while_another_one_is_under_way_in_its_place_leaves_nothing_to_be_sent_again(
    ledger: Ledger, channel: PlannedChannel, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """The next start would send another one."""
    await _note(ledger, channel, "a", is_overdue=True)
    channel.plan.extend([REFUSE, HANG, answer])
    await _stop_while_it_hangs(make_courier(ledger, channel), channel, monkeypatch)
    assert _list_titles(channel) == ["a", SUBSTITUTE, "a"]
    assert await _count(ledger, channel) == (0, 0)


async def test_a_stop_before_the_last_try_makes_it_at_once(
    ledger: Ledger, channel: PlannedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken in its place would be sent once more by each start."""
    waits, pause = asyncio.Event(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.set()
        await pause(DEADLINE_SECONDS if seconds == courier.AGAIN_SECONDS else seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await _note(ledger, channel, "a", is_overdue=True)
    channel.plan.extend([REFUSE, TAKE, TAKE])
    task = asyncio.create_task(make_courier(ledger, channel).bring())
    async with asyncio.timeout(DEADLINE_SECONDS / 2):
        await waits.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert _list_titles(channel) == ["a", SUBSTITUTE, "a"]
    assert await _count(ledger, channel) == (0, 0)


async def test_a_stop_does_not_wait_for_what_hangs(
    ledger: Ledger, channel: PlannedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what was taken in its place was waited for: it is tried again by the next start."""
    await _note(ledger, channel, "a", is_overdue=True)
    channel.plan.extend([REFUSE, HANG, HANG])
    bringing = make_courier(ledger, channel)
    monkeypatch.setattr(courier, "SEND_SECONDS", DEADLINE_SECONDS)
    monkeypatch.setattr(courier, "STOP_GRACE_SECONDS", 0.0)
    task = asyncio.create_task(bringing.bring())
    async with asyncio.timeout(DEADLINE_SECONDS / 2):
        await channel.hangs.wait()
        task.cancel()
        channel.end(TAKE)
        await asyncio.wait([task])
    assert task.cancelled()
    assert _list_titles(channel) == ["a", SUBSTITUTE, "a"]
    assert await _count(ledger, channel) == (1, 0)


async def test_a_stop_notes_that_the_lost_ones_were_told(
    ledger: Ledger, channel: PlannedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not told once more by the next start."""
    monkeypatch.setattr(ledger_alerts, "MOST_WAITING", 1)
    await _note(ledger, channel, "a", "b", "c")
    assert await _count(ledger, channel) == (1, 2)
    channel.plan.append(HANG)
    await _stop_while_it_hangs(make_courier(ledger, channel), channel, monkeypatch)
    assert channel.taken[0].body.endswith("… and 2 earlier alerts that could not be sent.")
    assert await _count(ledger, channel) == (0, 0)


# Lost ones.


async def test_how_many_are_lost_is_told_once_where_the_ledger_cannot_be_told(
    ledger: Ledger, channel: PlannedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of what was taken none counts as lost, though the ledger has dropped it meanwhile."""
    monkeypatch.setattr(ledger_alerts, "MOST_WAITING", 1)
    await _note(ledger, channel, "a", "b", "c")
    bringing = make_courier(ledger, channel)
    with monkeypatch.context() as patch:
        patch.setattr(ledger.alerts, "finish", _fail)
        await bringing.bring()
        await _note(ledger, channel, "d")
        await bringing.bring()
    await _note(ledger, channel, "e")
    await bringing.bring()
    assert _list_titles(channel) == ["c", "d", "e"]
    assert ["2 earlier alerts" in text.body for text in channel.taken] == [True, False, False]
    assert ["earlier" in text.body for text in channel.taken] == [True, False, False]
    assert await _count(ledger, channel) == (0, 0)


async def test_how_many_are_lost_is_told_once_where_a_ledger_s_answer_is_lost(
    ledger: Ledger, channel: PlannedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was noted is noted again, and counts once: of what was lost since, all is told."""
    real = ledger.alerts.finish

    def finish(*arguments: Any, **more: Any) -> None:
        real(*arguments, **more)
        _fail()

    monkeypatch.setattr(ledger_alerts, "MOST_WAITING", 1)
    await _note(ledger, channel, "a", "b", "c")
    bringing = make_courier(ledger, channel)
    with monkeypatch.context() as patch:
        patch.setattr(ledger.alerts, "finish", finish)
        await bringing.bring()
    await _note(ledger, channel, "d", "e", "f")
    await bringing.bring()
    assert _list_titles(channel) == ["c", "f"]
    assert [text.body.partition("… and ")[2][:16] for text in channel.taken] == ["2 earlier alerts"] * 2
    assert await _count(ledger, channel) == (0, 0)


async def test_what_was_taken_late_is_not_lost_though_it_was_dropped_meanwhile(
    ledger: Ledger, channel: PlannedChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrived: nobody is told that it could not be sent."""
    monkeypatch.setattr(ledger_alerts, "MOST_WAITING", 1)
    await _note(ledger, channel, "a")
    channel.plan.append(HANG)
    bringing = make_courier(ledger, channel)
    await bringing.bring()
    await _note(ledger, channel, "b")
    assert await _count(ledger, channel) == (1, 1)
    channel.end(TAKE)
    await bringing.bring()
    assert [(text.title, text.body) for text in channel.taken] == [("a", "why"), ("b", "why")]
    assert await _count(ledger, channel) == (0, 0)
