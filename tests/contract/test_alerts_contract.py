"""What every ledger keeps of alerts, whatever database it lies in."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
import sqlalchemy as sa

from sftp_orchestrator.ledger import alerts
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Alert, Message

AT = datetime.datetime(2026, 1, 1, 2, 3, 4, 567890, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
ALERT = Alert(kind="quarantined", subject="s1", level="", since=AT)
MESSAGE = Message(channel="c1", made_at=AT, is_good=False, title="1 file", body="why: \N{EURO SIGN}")


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Ledger:
    """An empty ledger."""
    return Ledger(ledger_engine)


def test_alerts_stand_as_they_were_noted_last(ledger: Ledger) -> None:
    """New, changed and forgotten ones; of the same subject in two kinds each by itself. May be repeated."""
    held = replace(ALERT, kind="held", level="x", told_at=AT)
    ledger.alerts.note([ALERT, held], [], [])
    told = replace(ALERT, first_told_at=AT, told_at=AT, over_at=AT)
    for _ in range(2):
        ledger.alerts.note([told], [held], [])
        assert ledger.alerts.list_all() == [told]
    ledger.alerts.note([], [told], [])
    assert ledger.alerts.list_all() == []


def test_messages_wait_for_their_channel_in_their_order_until_it_took_them(ledger: Ledger) -> None:
    """Each channel for itself: one that is away takes nothing from the others."""
    texts = [replace(MESSAGE, title=title) for title in ("first", "second")]
    ledger.alerts.note([], [], [*texts, replace(MESSAGE, channel="c2")])
    first, second = ledger.alerts.list_messages("c1")
    assert [replace(one, number=0) for one in (first, second)] == texts
    assert ledger.alerts.count_messages() == 3
    for _ in range(2):
        ledger.alerts.finish("c1", [first], at=AT)
        assert ledger.alerts.list_messages("c1") == [second]
    assert len(ledger.alerts.list_messages("c2")) == 1


def test_what_was_meant_for_a_channel_that_is_gone_is_forgotten(ledger: Ledger) -> None:
    """Nobody is left who could take it."""
    assert ledger.alerts.list_channels() == set()
    ledger.alerts.note([], [], [MESSAGE, MESSAGE, replace(MESSAGE, channel="c2")])
    assert ledger.alerts.list_channels() == {"c1", "c2"}
    ledger.alerts.forget_channels(besides=["c2"])
    assert (ledger.alerts.list_messages("c1"), ledger.alerts.count_messages()) == ([], 1)
    ledger.alerts.forget_channels(besides=[])
    assert ledger.alerts.count_messages() == 0


def test_the_newest_messages_are_kept_for_a_channel_that_takes_none(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is dropped the number is kept until the channel was told of it; each channel for itself."""
    monkeypatch.setattr(alerts, "MOST_WAITING", 3)
    texts = [replace(MESSAGE, title=f"title {number}") for number in range(5)]
    assert ledger.alerts.note([], [], [*texts[:3], replace(MESSAGE, channel="c2")]) == {}
    assert ledger.alerts.note([ALERT], [], texts[3:]) == {"c1": 2}
    assert ledger.alerts.note([], [], texts[:1]) == {"c1": 1}
    assert [one.title for one in ledger.alerts.list_messages("c1")] == ["title 3", "title 4", "title 0"]
    assert [ledger.alerts.count_lost(channel) for channel in ("c1", "c2")] == [3, 0]
    assert ledger.alerts.list_all() == [ALERT]
    ledger.alerts.finish("c1", [], at=AT, lost=2)
    assert ledger.alerts.count_lost("c1") == 1
    ledger.alerts.finish("c1", ledger.alerts.list_messages("c1"), at=AT + DAY)
    assert ledger.alerts.list_channels() == {"c1", "c2"}
    ledger.alerts.forget_channels(besides=["c1"])
    assert ledger.alerts.count_lost("c1") == 1
    ledger.alerts.forget_channels(besides=["c2"])
    assert ledger.alerts.count_lost("c1") == 0


def test_more_messages_are_finished_than_a_statement_has_room_for(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database takes 32,766 or 65,535 values in one; many more may have been taken as one message."""
    monkeypatch.setattr(alerts, "MOST_WAITING", 10**6)
    ledger.alerts.note([], [], [MESSAGE] * 70_000)
    ledger.alerts.finish("c1", ledger.alerts.list_messages("c1"), at=AT)
    assert ledger.alerts.count_messages() == 0


def test_what_a_channel_took_and_was_told_counts_once_however_often_it_is_noted(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever never heard whether it was noted says it again, whatever was dropped since; what it took is not lost."""
    monkeypatch.setattr(alerts, "MOST_WAITING", 3)
    ledger.alerts.note([], [], [MESSAGE] * 5)
    taken = ledger.alerts.list_messages("c1")[:2]
    ledger.alerts.finish("c1", taken, at=AT, lost=1)
    assert ledger.alerts.count_lost("c1") == 1
    ledger.alerts.note([], [], [MESSAGE] * 4)
    ledger.alerts.finish("c1", taken, at=AT, lost=1)
    assert (ledger.alerts.count_lost("c1"), len(ledger.alerts.list_messages("c1"))) == (3, 3)
    late = ledger.alerts.list_messages("c1")[0]
    ledger.alerts.note([], [], [MESSAGE])
    assert ledger.alerts.count_lost("c1") == 4
    for _ in range(2):
        ledger.alerts.finish("c1", [late], at=AT + DAY, lost=3)
        assert ledger.alerts.count_lost("c1") == 0
