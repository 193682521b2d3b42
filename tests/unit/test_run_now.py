"""What is told of a run that a person asked for, until it begins."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.intake.lock import Holder
from sftp_orchestrator.ledger.records import Run, RunRequest, Untaken
from sftp_orchestrator.outlook import AskedRun, Outlook
from sftp_orchestrator.overview import get_overview
from sftp_orchestrator.progress import Board
from sftp_orchestrator.run_now import Asked, ask_for_run, list_asked
from tests.support.configuration import write_configuration

NOW = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)
SECONDS = datetime.timedelta(seconds=1)
HOLDER = Holder(pid=1, host="h", boot_id="b", since=NOW)


def _make_run(trigger: str, destination: str | None = "production", *, age: datetime.timedelta = 0 * SECONDS) -> Run:
    return Run(
        number=1,
        trigger=trigger,
        started_at=NOW - age,
        finished_at=None,
        verdict=None,
        delivered=None,
        not_delivered=None,
        destination=destination,
    )


def _make_outlook(**changes: Any) -> Outlook:
    """Return what is known 10 s after anna asked for a run over the purchases, while files settle for 30."""
    request = RunRequest(
        number=1, destination="production", feed="purchases", asked_at=NOW - 10 * SECONDS, by="anna (cli)"
    )
    asked = AskedRun(request=request, waits_for=frozenset({"purchases"}), settled_at=NOW + 20 * SECONDS)
    return Outlook(**{"at": NOW, "holder": HOLDER, "asked": (asked,), **changes})


@pytest.mark.parametrize(
    ("arriving", "changes", "ending"),
    [
        (
            {"purchases"},
            {},
            " to be complete, till 2026-01-02 12:00:20 UTC; then it goes without the rest.",
        ),
        (
            {"purchases"},
            {"at": NOW + 20 * SECONDS},
            " 30 s ago: it waits for what is arriving in staging to be complete; then it goes without the rest.",
        ),
        ({"customers"}, {}, ": it begins within seconds."),
        (set(), {"under_way": (_make_run("schedule"),)}, ": it begins once the run under way has ended."),
        (set(), {"under_way": (_make_run("schedule", None),)}, ": it begins once the run under way has ended."),
        (set(), {"under_way": (_make_run("now", age=30 * SECONDS),)}, ": it begins once the run under way has ended."),
        (set(), {"under_way": (_make_run("now", "other"),)}, ": it begins within seconds."),
    ],
)
def test_a_run_that_has_not_begun_says_what_it_waits_for(
    arriving: set[str], changes: dict[str, Any], ending: str
) -> None:
    """And who asked for it, when: nothing else of it is to be seen."""
    (line,) = list_asked(_make_outlook(**changes), arriving)
    assert line.startswith("A run of purchases to production was asked for by anna (cli) ")
    assert line.endswith(ending)


def test_a_run_that_has_begun_is_told_as_one_that_is_under_way() -> None:
    """Not twice; and of two that were asked for the other one alone is told."""
    assert list_asked(_make_outlook(under_way=(_make_run("now"),)), {"purchases"}) == []
    outlook = _make_outlook()
    (asked,) = outlook.asked
    other = replace(asked, request=replace(asked.request, destination="other"))
    for begun, left in (("production", "other"), ("other", "production")):
        both = replace(outlook, asked=(asked, other), under_way=(_make_run("now", begun),))
        (line,) = list_asked(both, {"purchases"})
        assert line.startswith(f"A run of purchases to {left} was asked for")


def test_a_complete_file_that_cannot_be_taken_is_not_waited_for(tmp_path: Path) -> None:
    """Nothing but what stands in its way keeps it: a run begins without it."""
    with open_daemon(write_configuration(tmp_path).configuration, Board()) as daemon:
        configuration, ledger = daemon._configuration, daemon._ledger
        for name in ("purchases_1.csv", "purchases_2.csv"):
            (configuration.staging / name).write_text("event_name\n")
        untaken = [
            Untaken(relative_path=f"purchases_{number}.csv".encode(), feed="purchases", reason="no room", since=NOW)
            for number in (1, 2)
        ]
        seen = []
        for count in range(3):
            ledger.untaken.replace(untaken[:count])
            asked = ask_for_run(configuration, ledger, by="anna", feed="purchases")
            seen.append((asked.arriving, bool(get_overview(configuration, ledger).arriving_feeds)))
    assert seen == [(2, True), (1, True), (0, False)]


@pytest.mark.parametrize(
    ("arriving", "settle_seconds", "said"),
    [
        (0, 30, "It begins within seconds: "),
        (2, 0, "It begins within seconds: "),
        (1, 30, "It begins once 1 file in staging is complete, unchanged for 30 s (intake.settle_seconds); what"),
        (
            1200,
            0.5,
            "It begins once 1,200 files in staging are complete, unchanged for 0.5 s (intake.settle_seconds); what",
        ),
    ],
)
def test_who_asks_is_told_what_is_waited_for(arriving: int, settle_seconds: float, said: str) -> None:
    """The run takes along what is arriving, so it does not begin before that is complete."""
    asked = Asked(
        daemon=HOLDER,
        destinations=("production",),
        feed=None,
        waiting=0,
        arriving=arriving,
        settle_seconds=settle_seconds,
    )
    assert f", and what is complete in staging goes, too. {said}" in asked.describe()
