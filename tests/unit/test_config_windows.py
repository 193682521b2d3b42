"""When runs may begin: windows by the clock of a zone, on the days on which it is set, too; dates that are left out."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sftp_orchestrator.config import dates
from sftp_orchestrator.config.findings import MisspeltError
from sftp_orchestrator.config.windows import Opening, Window
from sftp_orchestrator.errors import ConfigurationError

DAY = datetime.timedelta(days=1)
STEP = datetime.timedelta(minutes=1)


def _utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def _open(zone: str, *windows: str, closed_on: str | None = None) -> Opening:
    return Opening(
        zone=ZoneInfo(zone),
        windows=tuple(Window.parse(text) for text in windows),
        closed_on=frozenset({datetime.date.fromisoformat(closed_on)} if closed_on is not None else ()),
    )


def _list_spans(opening: Opening, begin: str, end: str) -> list[tuple[str, str]]:
    """Return when it opens and closes between two moments, found minute by minute, all in UTC."""
    spans: list[tuple[str, str]] = []
    at, opened = _utc(begin), None
    while at <= _utc(end):
        is_open = opening.is_open(at)
        if is_open and opened is None:
            opened = at
        elif not is_open and opened is not None:
            spans.append((f"{opened:%d %H:%M}", f"{at:%d %H:%M}"))
            opened = None
        at += STEP
    assert opened is None
    return spans


@pytest.mark.parametrize(
    ("text", "days", "start", "end"),
    [
        ("22:00-06:00", "0123456", 22 * 60, 30 * 60),
        ("9:30-17:00", "0123456", 570, 1020),
        ("22:00\N{EN DASH}06:00", "0123456", 22 * 60, 30 * 60),
        ("00:00-24:00", "0123456", 0, 1440),
        ("mon-fri 22:00-06:00", "01234", 22 * 60, 30 * 60),
        ("sat,sun", "56", 0, 1440),
        ("fri-mon 01:00-02:00", "4560", 60, 120),
    ],
)
def test_a_window_is_read(text: str, days: str, start: int, end: int) -> None:
    """Hours, days, or both; hours that end before they begin end on the next day."""
    assert Window.parse(text) == Window(days=frozenset(map(int, days)), start=start, end=end)


@pytest.mark.parametrize("text", ["", "22-06", "24:00-06:00", "08:00-08:00", "mon 8", "monday", "mon-fri,", "8:00-9:0"])
def test_what_is_no_window_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"must (be a window|not begin and end)"):
        Window.parse(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("22:00-06:00 mon-fri", "mon-fri 22:00-06:00"),
        ("mo-fr", "mon-fri"),
        ("mo-fr 22:00-06:00", "mon-fri 22:00-06:00"),
        ("Mon-Fri 22-6", "mon-fri 22:00-6:00"),
        ("monday - thursday, so: 9:30 - 17:00", "mon-thu,sun 9:30-17:00"),
        ("sat sun", "sat,sun"),
        ("24:00-06:00", None),
        ("22:00-06:00 daily", None),
        ("8:00-9:0", None),
        ("mon-fri,", "mon-fri"),
        ("m-f", None),
        ("22:00", None),
        ("", None),
    ],
)
def test_a_window_in_other_words_is_refused_with_the_right_ones(text: str, meant: str | None) -> None:
    """Days behind hours, or days as others call them: it is not taken, but what to write is told, if that is clear."""
    with pytest.raises(ValueError, match="must be a window, such as 22:00-06:00") as caught:
        Window.parse(text)
    assert (caught.value.meant if isinstance(caught.value, MisspeltError) else None) == meant


def test_a_window_past_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    """Friday's night reaches into Saturday; Sunday's is none."""
    opening = _open("UTC", "mon-fri 22:00-06:00")
    assert opening.is_open(_utc("2026-01-03 05:59"))  # a Saturday
    assert not opening.is_open(_utc("2026-01-03 06:00"))
    assert not opening.is_open(_utc("2026-01-04 23:00"))
    assert opening.find_opening(_utc("2026-01-03 06:00")) == _utc("2026-01-05 22:00")


def test_a_date_that_is_left_out_is_a_whole_day_of_the_zone() -> None:
    """The night before ends at midnight, and the rest of the night that would begin on it opens at the next."""
    opening = _open("Europe/Berlin", "22:00-06:00", closed_on="2026-12-25")
    assert _list_spans(opening, "2026-12-24 12:00", "2026-12-26 12:00") == [
        ("24 21:00", "24 23:00"),
        ("25 23:00", "26 05:00"),
    ]
    assert opening.find_opening(_utc("2026-12-24 23:00")) == _utc("2026-12-25 23:00")


def test_what_closes_it_is_told_by_its_key() -> None:
    """A date that is left out goes before the hours: to change these would be of no use."""
    opening = _open("Europe/Berlin", "22:00-06:00", closed_on="2026-12-25")
    moments = ("2026-12-24 12:00", "2026-12-24 22:00", "2026-12-25 12:00", "2026-12-25 22:00")
    assert [opening.find_closing_key(_utc(at)) for at in moments] == ["only", None, "except_dates", "except_dates"]


def test_it_opens_again_however_many_dates_are_left_out() -> None:
    """A week of holidays, all Mondays of a weekly window among them."""
    closed = frozenset(datetime.date(2026, 12, day) for day in range(20, 32))
    opening = Opening(zone=ZoneInfo("UTC"), windows=(Window.parse("mon 01:00-02:00"),), closed_on=closed)
    assert opening.find_opening(_utc("2026-12-19 00:00")) == _utc("2027-01-04 01:00")
    always = Opening(zone=ZoneInfo("UTC"), closed_on=closed)
    assert always.find_opening(_utc("2026-12-22 12:00")) == _utc("2027-01-01 00:00")


@pytest.mark.parametrize(
    ("zone", "window", "day", "spans"),
    [
        pytest.param(
            "Europe/Berlin", "22:00-06:00", "2026-03-29", [("28 21:00", "29 04:00")], id="an hour shorter in spring"
        ),
        pytest.param(
            "Europe/Berlin", "22:00-06:00", "2026-10-25", [("24 20:00", "25 05:00")], id="an hour longer in autumn"
        ),
        pytest.param("Europe/Berlin", "02:00-03:00", "2026-03-29", [("29 01:00", "29 02:00")], id="left out whole"),
        pytest.param("Europe/Berlin", "02:15-02:45", "2026-03-29", [("29 01:15", "29 01:45")], id="and within it"),
        pytest.param("Europe/Berlin", "02:00-03:00", "2026-10-25", [("25 00:00", "25 02:00")], id="twice is once"),
        pytest.param("Europe/Berlin", "02:15-02:45", "2026-10-25", [("25 00:15", "25 00:45")], id="and within it once"),
        pytest.param("America/New_York", "02:30-03:30", "2026-03-08", [("08 07:00", "08 07:30")], id="begins in none"),
        pytest.param("Europe/Berlin", "02:30-03:30", "2026-03-29", [("29 01:00", "29 01:30")], id="half of it is none"),
        pytest.param("Europe/Berlin", "02:59-06:00", "2026-03-29", [("29 01:00", "29 04:00")], id="a minute is none"),
        pytest.param("America/New_York", "01:00-02:30", "2026-03-08", [("08 06:00", "08 07:30")], id="ends in none"),
        pytest.param("America/New_York", "01:30-03:00", "2026-11-01", [("01 05:30", "01 08:00")], id="from the first"),
        pytest.param("Australia/Lord_Howe", "02:00-02:30", "2026-10-04", [("03 15:30", "03 16:00")], id="half an hour"),
        pytest.param("Australia/Lord_Howe", "01:30-02:00", "2026-04-05", [("04 14:30", "04 15:30")], id="twice half"),
        pytest.param("Africa/Casablanca", "02:00-03:00", "2026-02-15", [("15 01:00", "15 03:00")], id="Ramadan begins"),
        pytest.param("Africa/Casablanca", "02:00-03:00", "2026-03-22", [("22 02:00", "22 03:00")], id="Ramadan ends"),
        pytest.param("Africa/Cairo", "00:00-01:00", "2026-04-24", [("23 22:00", "23 23:00")], id="no midnight"),
    ],
)
def test_a_window_opens_once_on_every_day(zone: str, window: str, day: str, spans: list[tuple[str, str]]) -> None:
    """On the days on which a clock is set it is neither skipped nor opens twice; nor on those around them."""
    opening = _open(zone, window)
    start = datetime.datetime.fromisoformat(day).replace(hour=12, tzinfo=ZoneInfo(zone)) - DAY
    begin, end = (f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M}" for at in (start, start + DAY))
    assert _list_spans(opening, begin, end) == spans
    at = _utc(begin)
    found = opening.find_opening(at)
    assert f"{found:%d %H:%M}" == spans[0][0]
    for days in range(-3, 4):
        noon = start + days * DAY
        around = [f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M}" for at in (noon, noon + DAY)]
        assert len(_list_spans(opening, *around)) == 1


def test_a_date_that_is_left_out_has_no_hour_though_its_clock_is_set() -> None:
    """A blackout of the day of the change is 23 or 25 hours long."""
    for day, begin, end in (("2026-03-29", "28 23:00", "29 22:00"), ("2026-10-25", "24 22:00", "25 23:00")):
        opening = _open("Europe/Berlin", closed_on=day)
        first, last = (_utc(f"{day[:8]}{moment}") for moment in (begin, end))
        assert opening.is_open(first - STEP)
        assert not opening.is_open(first)
        assert not opening.is_open(last - STEP)
        assert opening.find_opening(first) == last


def test_the_last_date_that_can_be_left_out_is_no_end_of_it() -> None:
    """It opens behind that one, too."""
    opening = _open("Europe/Berlin", "22:00-06:00", closed_on=f"{dates.LATEST_YEAR}-12-31")
    assert opening.find_opening(_utc("2200-12-31 12:00")) == _utc("2200-12-31 23:00")


def test_a_file_of_dates_has_one_a_line(tmp_path: Path) -> None:
    """Empty lines and comments say nothing; a line that is no date is named."""
    path = tmp_path / "holidays.txt"
    path.write_text("\ufeff# ours\n2026-12-25\n\n2027-01-01  # New Year\n", encoding="utf-8")
    assert dates.read_dates(path) == {datetime.date(2026, 12, 25), datetime.date(2027, 1, 1)}
    for wrong, said in (("2026-02-30", "must be a date"), ("9999-12-31", "must be a date up to 2200: correct it")):
        path.write_text(f"2026-12-25\n{wrong}\n", encoding="utf-8")
        with pytest.raises(ConfigurationError, match=re.escape(f"{path}:2: {said}")):
            dates.read_dates(path)
    path.unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        dates.read_dates(path)
