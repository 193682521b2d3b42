"""The picture of the last 24 hours: how high each bar is, and what is said of it."""

from __future__ import annotations

import datetime

from sftp_orchestrator.ledger.records import Hour
from sftp_orchestrator.web.picture import HEIGHT, draw

START = datetime.datetime(2026, 1, 1, 20, tzinfo=datetime.UTC)


def _make_hours(*counts: int) -> list[Hour]:
    return [
        Hour(begin=START + datetime.timedelta(hours=place), delivered=count, delivered_bytes=count * 1_000_000)
        for place, count in enumerate(counts)
    ]


def test_the_busiest_hour_is_as_high_as_the_picture_and_a_single_file_is_seen() -> None:
    """Nothing is no bar, and the least is no hair's breadth; all stand on the ground."""
    files, *_ = draw(_make_hours(0, 1, 1000, 500)).charts
    assert [bar.height for bar in files.bars] == [0, 2, HEIGHT, HEIGHT / 2]
    assert all(bar.y + bar.height == HEIGHT for bar in files.bars)
    assert [bar.is_over for bar in files.bars] == [True, True, True, False]


def test_each_chart_is_told_in_words() -> None:
    """Sum and peak, and each hour by its begin; the charts are of files, bytes and what was set aside."""
    picture = draw(_make_hours(0, 2, 3))
    assert [chart.said for chart in picture.charts] == [
        "Files delivered in the last 24 hours: 5, peak 3/h.",
        "Data sent in the last 24 hours: 5.0 MB, peak 3.0 MB/h.",
        "Set aside in the last 24 hours: 0.",
    ]
    assert picture.charts[1].bars[2].said == "22:00 UTC: 3.0 MB"


def test_the_axis_names_every_sixth_hour() -> None:
    """Below the bar of that hour."""
    ticks = draw(_make_hours(*range(24))).ticks
    assert [tick.said for tick in ticks] == ["00:00", "06:00", "12:00", "18:00"]
    assert [tick.x for tick in ticks] == [56, 140, 224, 308]
