"""What is told of a run that a person asked for, until it begins."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from sftp_orchestrator.intake.lock import Holder
from sftp_orchestrator.ledger.records import Run, RunRequest
from sftp_orchestrator.outlook import AskedRun, Outlook
from sftp_orchestrator.run_now import Asked, list_asked

NOW = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)
SECONDS = datetime.timedelta(seconds=1)
HOLDER = Holder(pid=1, host="h", boot_id="b", since=NOW)


def _make_run(trigger: str) -> Run:
    return Run(
        number=1, trigger=trigger, started_at=NOW, finished_at=None, verdict=None, delivered=None, not_delivered=None
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
            ": it waits for what is arriving in staging to be complete, till 2026-01-02 12:00:20 UTC.",
        ),
        (
            {"purchases"},
            {"at": NOW + 20 * SECONDS},
            " 30 s ago: it waits for what is arriving in staging to be complete.",
        ),
        ({"customers"}, {}, ": it begins within seconds."),
        (set(), {"under_way": (_make_run("schedule"),)}, ": it begins once the run under way has ended."),
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
    """Not twice."""
    assert list_asked(_make_outlook(under_way=(_make_run("now"),)), {"purchases"}) == []


@pytest.mark.parametrize(
    ("arriving", "settle_seconds", "said"),
    [
        (0, 30, "It begins within seconds: "),
        (2, 0, "It begins within seconds: "),
        (1, 30, "It begins once 1 file in staging is complete, unchanged for 30 s (intake.settle_seconds): "),
        (
            1200,
            0.5,
            "It begins once 1,200 files in staging are complete, unchanged for 0.5 s (intake.settle_seconds): ",
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
