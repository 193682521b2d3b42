from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest

from sftp_orchestrator import units
from sftp_orchestrator.config.bandwidth import Timetable, require_bandwidth, watch_limit

OFFICE = {"08:00": "512 kB/s", "12:00": "10 MB/s", "23:00": "off"}


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10 MB/s", 10_000_000),
        ("10MB/s", 10_000_000),
        ("1.5 GB/s", 1_500_000_000),
        ("512 kB/s", 512_000),
        ("512 KB/s", 512_000),
        ("512 KiB/s", 524_288),
        ("80 Mbit/s", 10_000_000),
        ("5000 B/s", 5000),
    ],
)
def test_a_rate_is_read_with_its_unit(text: str, rate: float) -> None:
    """Powers of ten as for every other size, of two where it says so, and bits as lines are sold by them."""
    assert units.parse_rate(text) == rate


@pytest.mark.parametrize("text", ["10", "10 MB", "10 mb/s", "10 Mb/s", "10 MB/h", "-1 MB/s", "MB/s", "1e3 B/s", ""])
def test_what_could_be_meant_otherwise_is_no_rate(text: str) -> None:
    """A number without its unit, and Mb, which some say of bits and some of bytes, are refused."""
    with pytest.raises(ValueError, match="not a rate"):
        units.parse_rate(text)


@pytest.mark.parametrize(
    ("at", "limit"),
    [
        ("00:00", None),
        ("07:59", None),
        ("08:00", 512_000),
        ("11:59", 512_000),
        ("12:00", 10_000_000),
        ("22:59", 10_000_000),
        ("23:00", None),
        ("23:59", None),
    ],
)
def test_the_last_time_that_has_come_counts(at: str, limit: float | None) -> None:
    """Each limit holds from its time on; before the first one of a day the last one goes on from the day before."""
    assert Timetable.of(OFFICE).get_limit(datetime.time.fromisoformat(at)) == limit


def test_the_order_of_times_does_not_matter() -> None:
    """A timetable is sorted by its times, and 8:00 is as good as 08:00."""
    assert Timetable.of({"23:00": "off", "8:00": "512 kB/s", "12:00": "10 MB/s"}) == Timetable.of(OFFICE)


def test_one_rate_holds_all_day() -> None:
    """A plain rate is a timetable with one entry, and off is no limit."""
    assert Timetable.of("5 MB/s").get_limit(datetime.time(3, 7)) == 5_000_000
    assert Timetable.of("off").get_limit(datetime.time(3, 7)) is None


def test_times_are_those_of_the_time_zone() -> None:
    """At 22:30 UTC of a summer's day it is 00:30 in Berlin."""
    moment = datetime.datetime(2026, 7, 1, 22, 30, tzinfo=datetime.UTC)
    night = {"00:00": "1 MB/s", "06:00": "2 MB/s"}
    assert watch_limit(night, ZoneInfo("Europe/Berlin"), moment.astimezone)() == 1_000_000
    assert watch_limit(night, ZoneInfo("UTC"), moment.astimezone)() == 2_000_000


def test_a_bare_off_is_kept_as_text() -> None:
    """YAML reads off as false; it is what was meant all the same."""
    assert require_bandwidth({"08:00": "5 MB/s", "19:00": False}) == {"08:00": "5 MB/s", "19:00": "off"}
    assert require_bandwidth(False) == "off"  # noqa: FBT003 - it is what YAML makes of it
