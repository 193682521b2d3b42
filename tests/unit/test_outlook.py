"""What a source waits for, by who is at work, the schedule, the last run and the gate."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sftp_orchestrator import units
from sftp_orchestrator.config.model import BlockedProfiles
from sftp_orchestrator.config.timing import Timing
from sftp_orchestrator.config.windows import Opening
from sftp_orchestrator.deliver.order import Backlog, decide_gate
from sftp_orchestrator.intake.lock import Holder
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Run
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY, SourceState
from sftp_orchestrator.outlook import (
    NOBODY,
    ExpectedFile,
    Outlook,
    Prospect,
    describe_departure,
    describe_pause,
    describe_run,
    explain_wait,
    list_missing,
    list_schedules,
)
from tests.support.records import make_pause, make_pending, make_source

NOW = datetime.datetime(2026, 1, 2, 22, 30, tzinfo=datetime.UTC)
TICK = datetime.datetime(2026, 1, 3, 2, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
DAEMON = Holder(pid=1, host="h", boot_id="b", since=NOW - HOUR)
SOON = "waits for the schedule, next at 02:00 UTC (in 4 h)"


def _make_run(**changes: Any) -> Run:
    fields: dict[str, Any] = {
        "number": 7,
        "trigger": "schedule",
        "started_at": NOW - HOUR / 2,
        "finished_at": None,
        "verdict": None,
        "delivered": None,
        "not_delivered": None,
    }
    return Run(**{**fields, **changes})


def _make_outlook(**changes: Any) -> Outlook:
    """Return what a nightly schedule promises to ``production``, with ``changes``; ``due_at`` is its next tick."""
    prospects = (_make_prospect(next_at=changes.pop("due_at", TICK)),)
    return Outlook(**{"at": NOW, "holder": DAEMON, "prospects": prospects, **changes})


def _make_prospect(destination: str = "production", feed: str | None = None, **changes: Any) -> Prospect:
    """Return what a schedule promises; without ``next_at`` it starts runs on arrival."""
    timing = Timing(destination=destination, feed=feed, opening=Opening(zone=ZoneInfo("UTC")))
    next_at = changes.get("next_at")
    tick_at = next_at if next_at is not None and next_at <= NOW else None
    following_at = TICK if next_at is not None else None
    return Prospect(**{"timing": timing, "tick_at": tick_at, "following_at": following_at, **changes})


def test_what_came_since_the_last_run_waits_for_the_schedule() -> None:
    """Beside a daemon, a source that was never tried goes with the next tick, which is told with how far off it is."""
    assert explain_wait(make_source(), None, _make_outlook()) == SOON
    over = _make_outlook(last_run=_make_run(finished_at=NOW))
    assert explain_wait(make_source(), None, over) == SOON


def test_a_day_that_is_not_near_is_told() -> None:
    """A weekly schedule names its day; a tick that is overdue says since when."""
    later = _make_outlook(due_at=TICK + 72 * HOUR)
    assert explain_wait(make_source(), None, later) == "waits for the schedule, next at 2026-01-06 02:00 UTC (in 3 d)"
    missed = _make_outlook(due_at=NOW - HOUR)
    assert explain_wait(make_source(), None, missed) == "waits for the schedule, due since 21:30 UTC (1 h ago)"


@pytest.mark.parametrize("state", [state for state in SourceState if state not in SOURCE_ON_ITS_WAY])
def test_what_is_not_on_its_way_waits_for_no_schedule(state: SourceState) -> None:
    """What is done, or waits for a person, says so itself."""
    assert explain_wait(make_source(state=state), None, _make_outlook()) is None
    assert explain_wait(make_source(state=state), None, _make_outlook(holder=None)) is None


def test_a_schedule_is_told_by_the_clock_of_its_zone() -> None:
    """And by the reader's, where that shows another time; on this day the two may differ in the date, too."""
    far = Opening(zone=ZoneInfo("Asia/Kolkata"))
    timing = Timing(destination="production", opening=far)
    one = replace(_make_prospect(next_at=TICK - 5 * HOUR - HOUR / 2 + HOUR), timing=timing)
    said = "03:00 Asia/Kolkata (21:30 UTC, 1 h ago)"
    assert list_schedules(_make_outlook(prospects=(one,))) == [f"Schedule: due since {said}."]
    later = replace(_make_prospect(next_at=TICK + 72 * HOUR), timing=timing)
    assert explain_wait(make_source(), None, _make_outlook(prospects=(later,))) == (
        "waits for the schedule, next at 2026-01-06 07:30 Asia/Kolkata (2026-01-06 02:00 UTC, in 3 d)"
    )
    opens = NOW + 2 * HOUR
    closed = replace(_make_prospect(next_at=opens, opens_at=opens, closed_by="only"), timing=timing)
    said = "schedule.only, opens at 06:00 Asia/Kolkata (00:30 UTC, in 2 h)"
    assert explain_wait(make_source(), None, _make_outlook(prospects=(closed,))) == f"waits for {said}"
    assert list_schedules(_make_outlook(prospects=(closed,))) == [f"Schedule: closed by {said}."]
    missing = ExpectedFile(feed="purchases", next_by=TICK, missing_since=NOW - HOUR, zone=far.zone)
    assert list_missing(_make_outlook(expected=(missing,))) == [
        "Missing: a file of purchases, expected by 03:00 Asia/Kolkata (21:30 UTC, 1 h ago)."
    ]


def test_what_is_tried_again_by_itself_waits_for_no_tick() -> None:
    """A time of its own comes before the schedule, as it does in the daemon; so does delivery on arrival."""
    assert explain_wait(make_source(retry_at=NOW), None, _make_outlook()) is None
    assert explain_wait(make_source(), None, _make_outlook(due_at=None)) is None


def test_what_the_run_under_way_takes_is_on_its_way() -> None:
    """Its tick is due until it ends: claimed before it began it goes now, claimed since then with the next tick."""
    outlook = _make_outlook(under_way=(_make_run(),), due_at=NOW - HOUR / 2)
    assert explain_wait(make_source(claimed_at=NOW - HOUR), None, outlook) is None
    assert explain_wait(make_source(claimed_at=NOW), None, outlook) == SOON
    assert outlook.next_delivery_at == TICK


def test_a_run_that_serves_no_tick_of_a_destination_takes_nothing_else_to_it() -> None:
    """A retry under way, or another destination's run, does not keep a source from waiting for the schedule."""
    retrying = _make_outlook(under_way=(_make_run(trigger="retry"),))
    assert explain_wait(make_source(claimed_at=NOW - HOUR), None, retrying) == SOON
    others = _make_outlook(under_way=(_make_run(),))
    assert explain_wait(make_source(claimed_at=NOW - HOUR), None, others) == SOON
    assert explain_wait(make_source(destination="unknown"), None, others) is None
    both = _make_outlook(prospects=(_make_prospect(next_at=TICK), _make_prospect("other", next_at=NOW - HOUR)))
    assert both.next_delivery_at == NOW - HOUR


def test_a_run_that_is_not_under_way_and_has_no_end_was_cut_short() -> None:
    """It says so of itself, where another process began it."""
    running, cut = _make_run(), _make_run(number=6)
    outlook = _make_outlook(last_run=running, under_way=(running,))
    assert describe_run(running, outlook) == "under way"
    assert describe_run(cut, outlook) == "cut short: what it had begun was left to the next run"


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("done", "3 delivered, 1 not"),
        ("not_all_delivered", "3 delivered, 1 not"),
        ("receiver", "3 delivered, 1 not: a receiver could not be reached or refused us"),
        ("of another version", "3 delivered, 1 not"),
    ],
)
def test_how_a_run_ended_is_told_in_words(verdict: str, told: str) -> None:
    """Numbers first; the name of an exit code is for programs."""
    run = _make_run(finished_at=NOW, verdict=verdict, delivered=3, not_delivered=1)
    assert describe_run(run, _make_outlook(last_run=run)) == told


def test_where_nobody_is_at_work_that_is_what_is_waited_for() -> None:
    """Nothing is on its way without a daemon or a pass; its own reason, where it has one, tells more."""
    outlook = _make_outlook(holder=None)
    assert explain_wait(make_source(), None, outlook) == NOBODY
    assert explain_wait(make_source(reason="connect: no answer"), None, outlook) is None
    passing = _make_outlook(holder=Holder(pid=1, is_pass=True))
    assert explain_wait(make_source(), None, passing) is None


def test_a_gate_that_calls_a_person_comes_before_time() -> None:
    """Refused profiles first, and the time beside them; profiles on their way go with the same run: the time alone."""
    events = make_source(number=2)
    gates = {
        state: decide_gate(events, Backlog([make_pending(number=1, state=state)]), BlockedProfiles.HOLD)
        for state in (SourceState.QUARANTINED, SourceState.CLAIMED)
    }
    refused, moving = gates[SourceState.QUARANTINED], gates[SourceState.CLAIMED]
    then = SOON.replace("waits for", "; then for")
    assert explain_wait(events, refused, _make_outlook()) == f"{refused.explain()}{then}"
    assert explain_wait(events, refused, _make_outlook(due_at=None)) == refused.explain()
    assert explain_wait(events, moving, _make_outlook()) == SOON
    assert explain_wait(events, moving, _make_outlook(due_at=None)) == moving.explain()
    assert explain_wait(events, moving, _make_outlook(holder=None)) == moving.explain()


def test_what_arrives_at_a_destination_that_fails_waits_for_its_next_try() -> None:
    """It is told when that is, and why; what has a reason of its own keeps it, and a person's turn comes first."""
    pause = make_pause(until=NOW + HOUR)
    paused = _make_outlook(due_at=None, pauses={"production": pause})
    said = "waits for production, tried again at 23:30 UTC (in 1 h): connect to production: connection lost"
    assert explain_wait(make_source(), None, paused) == said
    assert explain_wait(make_source(destination="other"), None, paused) is None
    assert explain_wait(make_source(reason="its own"), None, paused) is None
    over = _make_outlook(due_at=None, pauses={"production": make_pause(until=NOW)})
    assert explain_wait(make_source(), None, over) is None
    assert explain_wait(make_source(), None, _make_outlook(holder=None, pauses={"production": pause})) == NOBODY


def test_a_destination_that_fails_says_since_when_and_when_it_is_tried_next() -> None:
    """Without a daemon nobody tries it by itself."""
    pause = make_pause(since=NOW - HOUR, until=NOW + HOUR)
    why = "connect to production: connection lost"
    since = "production failed 2 times in a row, since 21:30 UTC (1 h ago)"
    attended, alone = _make_outlook(), _make_outlook(holder=None)
    assert describe_pause(pause, attended) == f"{since}; tried again at 23:30 UTC (in 1 h): {why}"
    assert describe_pause(pause, alone) == f"{since}; tried again with the next run: {why}"


@pytest.mark.parametrize(("hours", "is_told"), [(2, True), (7 * 24, True), (8 * 24, False)])
def test_a_destination_that_took_files_until_recently_says_so(hours: int, *, is_told: bool) -> None:
    """Its settings were right then: the line or the receiver changed. Of long ago that says nothing."""
    outlook = replace(_make_outlook(), took_until={"production": NOW - hours * HOUR, "other": NOW})
    told = describe_pause(make_pause(), outlook).partition("connection lost")[2]
    age = units.format_age(NOW - hours * HOUR, NOW)
    assert told == (f"; it took files until {age}: look at the line and the receiver first" if is_told else "")


@pytest.mark.parametrize("kind", [kind for kind in PauseKind if kind is not PauseKind.AWAY])
def test_a_destination_that_is_not_away_says_nothing_of_the_line(kind: PauseKind) -> None:
    """A changed host key must not be taken for a bad line, nor a full disk of ours."""
    outlook = replace(_make_outlook(), took_until={"production": NOW - HOUR})
    assert "look at the line" not in describe_pause(make_pause(kind=kind), outlook)


def test_a_destination_that_only_a_person_can_mend_says_so_though_it_is_tried_again() -> None:
    """Whoever reads that it is tried again by itself would wait for ever."""
    outlook = _make_outlook(pauses={"production": make_pause(kind=PauseKind.HOST_KEY), "other": make_pause()})
    told = describe_pause(outlook.pauses["production"], outlook)
    assert "; tried again with the next run: connect to production" in told
    assert told.endswith("; this needs a person: `sftp-orchestrator check --connect` tells whether it is mended")
    assert [pause.kind for pause in outlook.in_need] == [PauseKind.HOST_KEY]


def test_a_source_goes_by_the_schedule_of_its_feed() -> None:
    """Where that has none of its own, by its destination's."""
    later = TICK + HOUR
    outlook = _make_outlook(prospects=(_make_prospect(next_at=TICK), _make_prospect(feed="customers", next_at=later)))
    assert outlook.get_start(make_source()) == TICK
    assert outlook.get_start(make_source(feed="customers")) == later
    assert outlook.next_delivery_at == TICK


def test_closed_hours_are_waited_for_also_by_what_is_tried_again() -> None:
    """A person's word is not kept back by them."""
    opens = NOW + 2 * HOUR
    outlook = _make_outlook(prospects=(_make_prospect(next_at=opens, opens_at=opens, closed_by="only"),))
    said = "waits for schedule.only, opens at 00:30 UTC (in 2 h)"
    assert explain_wait(make_source(), None, outlook) == said
    assert explain_wait(make_source(retry_at=NOW), None, outlook) == said
    assert explain_wait(make_source(retry_at=NOW, wanted_at=NOW), None, outlook) is None


def test_a_tick_in_open_hours_is_waited_for_as_the_schedule() -> None:
    """Where it is closed now, and open long before the tick, the windows keep nothing back."""
    outlook = _make_outlook(prospects=(_make_prospect(next_at=TICK, opens_at=NOW + HOUR, closed_by="only"),))
    assert explain_wait(make_source(), None, outlook) == SOON


def test_what_a_run_under_way_takes_goes_on_when_its_window_closes() -> None:
    """It does not wait for the schedule, though that says when the next run starts."""
    opens = NOW + 2 * HOUR
    closing = _make_prospect(next_at=opens, opens_at=opens, tick_at=NOW - HOUR, following_at=opens)
    outlook = _make_outlook(under_way=(_make_run(),), prospects=(closing,))
    assert explain_wait(make_source(claimed_at=NOW - HOUR), None, outlook) is None
    assert outlook.next_delivery_at == opens


def test_each_schedule_is_told_with_its_next_run_and_until_when_it_is_closed() -> None:
    """One alone needs no name; one that starts runs at any time says nothing."""
    opens = NOW + 2 * HOUR
    one = _make_prospect(next_at=TICK)
    assert list_schedules(_make_outlook(prospects=(one,))) == ["Schedule: next at 02:00 UTC (in 4 h)."]
    several = (
        one,
        _make_prospect(feed="customers", next_at=opens, opens_at=opens, closed_by="only"),
        _make_prospect(feed="purchases", next_at=TICK, opens_at=opens, closed_by="except_dates"),
        _make_prospect("other"),
    )
    assert list_schedules(_make_outlook(prospects=several)) == [
        "Schedule of production: next at 02:00 UTC (in 4 h).",
        "Schedule of production, feed customers: closed by schedule.only, opens at 00:30 UTC (in 2 h).",
        (
            "Schedule of production, feed purchases: closed by schedule.except_dates until 00:30 UTC (in 2 h),"
            " next at 02:00 UTC (in 4 h)."
        ),
    ]


@pytest.mark.parametrize(
    ("lines", "changes", "said"),
    [
        ((), {}, "on arrival, as soon as it is complete"),
        (
            (),
            {"next_at": NOW + HOUR, "opens_at": NOW + HOUR, "closed_by": "only"},
            "when schedule.only opens, at 23:30 UTC (in 1 h)",
        ),
        (("0 2 * * *",), {"next_at": TICK}, "with the schedule, next at 02:00 UTC (in 4 h)"),
        (("0 2 * * *",), {"next_at": NOW - HOUR}, "with the schedule, due since 21:30 UTC (1 h ago)"),
        (
            ("0 2 * * *",),
            {"next_at": TICK, "opens_at": NOW + HOUR, "closed_by": "only"},
            "with the schedule, next at 02:00 UTC (in 4 h)",
        ),
        (
            ("0 2 * * *",),
            {"next_at": TICK, "opens_at": TICK, "closed_by": "except_dates"},
            "when schedule.except_dates opens, at 02:00 UTC (in 4 h)",
        ),
    ],
)
def test_when_a_file_would_go_is_told_as_of_one_that_waits(
    lines: tuple[str, ...], changes: dict[str, Any], said: str
) -> None:
    """The same words as for what is claimed already."""
    prospect = _make_prospect(**changes)
    prospect = replace(prospect, timing=replace(prospect.timing, lines=lines))
    assert describe_departure(prospect, _make_outlook(prospects=(prospect,))) == said


def test_a_file_that_is_missing_is_told_with_its_deadline() -> None:
    """One that is only expected says nothing."""
    expected = (
        ExpectedFile(feed="customers", next_by=TICK),
        ExpectedFile(feed="purchases", next_by=TICK, missing_since=NOW - HOUR, missed=3),
    )
    said = "Missing: a file of purchases, expected by 21:30 UTC (1 h ago)."
    assert list_missing(_make_outlook(expected=expected)) == [said]
