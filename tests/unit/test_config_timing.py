"""Schedules of destinations and feeds: which keys hold where, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config import loading
from sftp_orchestrator.config.findings import InvalidConfiguration
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.timing import Timing, list_timings
from sftp_orchestrator.config.windows import Window
from tests.support import configuration


def _load(folder: Path, values: Mapping[str, Any]) -> Configuration:
    configuration.write_key_files(folder)
    return loading.load(configuration.write_values(folder, configuration.merge(configuration.get_values(), values)))


def _get_findings(folder: Path, values: Mapping[str, Any]) -> list[str]:
    with pytest.raises(InvalidConfiguration) as raised:
        _load(folder, values)
    return [str(finding).partition(" ")[2] for finding in raised.value.findings]


def _show(timing: Timing) -> tuple[Any, ...]:
    return timing.feed, timing.lines, timing.zone.key, timing.opening.windows, len(timing.opening.closed_on)


NIGHT = (Window.parse("22:00-06:00"),)
_WINDOW = "must be a window, such as 22:00-06:00, mon-fri 22:00-06:00 or sat,sun"


def test_each_key_is_that_of_the_innermost_level_that_has_it(tmp_path: Path) -> None:
    """A feed's schedule changes what it names, a destination's likewise; an empty list takes away what is around it."""
    (tmp_path / "holidays.txt").write_text("2026-12-25\n2027-01-01\n", encoding="utf-8")
    values = {
        "timezone": "Europe/Berlin",
        "schedule": {"deliver": "0 2 * * *", "except_dates": "holidays.txt"},
        "destinations": {"production": {"schedule": {"only": "22:00-06:00", "timezone": "Asia/Tokyo"}}},
        "feeds": {
            "customers": {"schedule": {"deliver": ["0 23 * * *", "0 1 * * mon"], "except_dates": []}},
            "purchases": {"schedule": {"deliver": "on_arrival", "only": [], "timezone": "America/New_York"}},
        },
    }
    assert [_show(timing) for timing in list_timings(_load(tmp_path, values), "production")] == [
        (None, ("0 2 * * *",), "Asia/Tokyo", NIGHT, 2),
        ("customers", ("0 23 * * *", "0 1 * * mon"), "Asia/Tokyo", NIGHT, 0),
        ("purchases", (), "America/New_York", (), 2),
    ]


def test_without_any_of_it_files_go_on_arrival_in_the_outermost_zone(tmp_path: Path) -> None:
    """As it was before destinations and feeds could have a schedule."""
    loaded = _load(tmp_path, {"timezone": "Europe/Berlin"})
    assert [_show(timing) for timing in list_timings(loaded, "production")] == [(None, (), "Europe/Berlin", (), 0)]


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"deliver": []}, "schedule.deliver: must be 'on_arrival', a cron line, or a list of cron lines"),
        ({"deliver": ["0 2 * * *", "on_arrival"]}, "schedule.deliver: must have 'on_arrival' alone: whatever else"),
        ({"deliver": ["0 2 * * *"] * 2}, "schedule.deliver: must name each cron line once"),
        ({"deliver": ["0 2 * * *", "hourly"]}, "schedule.deliver: must be a list of cron lines; of 'hourly': a cron"),
        ({"timezone": "Berlin"}, "schedule.timezone: must be a name of the tz database, such as 'Europe/Berlin' (got"),
        ({"only": "22-6"}, "schedule.only: must be a window, such as 22:00-06:00, mon-fri 22:00-06:00 or sat,sun (got"),
        ({"only": ["sat,sun", "8"]}, "schedule.only: must be a window, such as 22:00-06:00, mon-fri 22:00-06:00 or s"),
        (
            {"only": "22:00-06:00 mon-fri"},
            f"schedule.only: {_WINDOW} (got 22:00-06:00 mon-fri); did you mean mon-fri 22:00-06:00?",
        ),
        (
            {"only": ["sat,sun", "mo-fr 8-9"]},
            f"schedule.only: {_WINDOW} (got mo-fr 8-9); did you mean mon-fri 8:00-9:00?",
        ),
        ({"only": {"a": "b"}}, "schedule.only: must be a window or a list of windows, such as 22:00-06:00"),
        ({"except_dates": "2026-12-25"}, "schedule.except_dates: must be a list of dates, or the path of a file"),
        ({"except_dates": ["2026-12-25", "25.12."]}, "schedule.except_dates: must be a date, such as 2026-12-25 (got"),
        (
            {"except_dates": ["2026-02-30"]},
            "schedule.except_dates: must be a date, such as 2026-12-25 (got 2026-02-30)",
        ),
        (
            {"except_dates": ["2026-12-25", "9999-12-31"]},
            "schedule.except_dates: must be a date up to 2200: correct it, or leave it out (got",
        ),
        ({"except_dates": 7}, "schedule.except_dates: must be a list of dates, such as 2026-12-25, or the path"),
        ({"except_dates": "gone.txt"}, "schedule.except_dates: read "),
    ],
)
def test_what_is_wrong_in_a_schedule_is_told_with_its_key(
    tmp_path: Path, schedule: Mapping[str, Any], said: str
) -> None:
    """One line for each, with what is wanted instead."""
    (found,) = _get_findings(tmp_path, {"schedule": schedule})
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("line", "only"),
    [
        ("0 12 * * *", "22:00-06:00"),
        ("*/5 6-21 * * *", "22:00-06:00"),
        ("0 2 * * 0", "mon-fri 22:00-06:00"),
        ("0 23 * * 6", ["mon-fri 22:00-06:00", "sun 23:30-23:45"]),
        ("30 3 */2 * sat", "sun"),
    ],
)
def test_a_tick_that_never_falls_into_its_windows_is_refused(tmp_path: Path, line: str, only: str | list[str]) -> None:
    """It would start nothing at its time, ever."""
    (found,) = _get_findings(tmp_path, {"schedule": {"deliver": line, "only": only}})
    named = only if isinstance(only, str) else " or ".join(only)
    assert found == (
        f"schedule.deliver: no tick of '{line}' ever falls into {named} (only); "
        "to deliver whenever it opens, write deliver: on_arrival"
    )


@pytest.mark.parametrize(
    ("line", "only"),
    [
        ("0 5 * * *", "22:00-06:00"),
        ("59 * * * *", "22:58-23:00"),
        ("0 2 * * 6", "mon-fri 22:00-06:00"),
        ("0 2 1 * *", "sun"),
        ("0 12 1 1 mon", "sun"),
    ],
)
def test_a_tick_that_falls_into_a_window_in_some_week_is_fine(tmp_path: Path, line: str, only: str) -> None:
    """Saturday's night is Friday's window; the first of a month is a Sunday now and then."""
    assert _load(tmp_path, {"schedule": {"deliver": line, "only": only}}).schedule.only == only


def test_the_level_that_brought_a_contradiction_about_is_named(tmp_path: Path) -> None:
    """The key that stands there, of a list its place."""
    values = {
        "schedule": {"deliver": "0 2 * * *"},
        "destinations": {"production": {"schedule": {"only": "08:00-18:00"}}},
        "feeds": {"customers": {"schedule": {"deliver": ["0 9 * * *", "0 3 * * *"], "except_dates": "gone.txt"}}},
    }
    found = _get_findings(tmp_path, values)
    assert [line.partition(":")[0] for line in found] == [
        "destinations.production.schedule.only",
        "feeds.customers.schedule.deliver[1]",
        "feeds.customers.schedule.except_dates",
    ]
    assert f"read {tmp_path / 'gone.txt'}: No such file or directory" in found[2]


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"by": "3"}, "feeds.customers.expected.by: must be a time of day as HH:MM (got"),
        ({"by": "24:00"}, "feeds.customers.expected.by: must be a time of day as HH:MM (got"),
        ({"by": "03:00", "days": "monday"}, "feeds.customers.expected.days: must be days of the week, such as mon-fri"),
        ({"days": "mon"}, "feeds.customers.expected.by: is required"),
    ],
)
def test_what_is_wrong_in_a_deadline_is_told(tmp_path: Path, expected: Mapping[str, Any], said: str) -> None:
    """One line for each, with what is wanted instead."""
    (found,) = _get_findings(tmp_path, {"feeds": {"customers": {"expected": expected}}})
    assert found.startswith(said)


@pytest.mark.parametrize(("days", "gap"), [(None, 1), ("mon-fri", 3), ("mon,thu", 4), ("sun", 7)])
def test_the_ledger_must_remember_from_one_deadline_to_the_next(tmp_path: Path, days: str | None, gap: int) -> None:
    """Else a file that came, and is forgotten, would be missing."""
    values = {"feeds": {"customers": {"expected": {"by": "03:00", "days": days}}}}
    (found,) = _get_findings(tmp_path, {**values, "ledger": {"keep_days": gap}})
    said = f"ledger.keep_days must be more than the {gap} days between its deadlines (got {gap})"
    assert found.startswith(f"feeds.customers.expected: {said}")
    assert _load(tmp_path, {**values, "ledger": {"keep_days": gap + 1}}).ledger.keep_days == gap + 1
