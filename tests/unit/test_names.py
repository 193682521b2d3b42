"""Remote names."""

from __future__ import annotations

import datetime
import re

import pytest

from sftp_orchestrator.destination import names

AT = datetime.datetime(2026, 3, 1, 1, 30, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))


def test_name_tells_feed_time_source_and_part() -> None:
    """A name is <feed>_<UTC time>_<short id>_<part>of<parts>, whatever time zone the clock has."""
    stem = names.make_stem("purchases", AT, "0123456789", 3, 12)
    assert stem == "purchases_20260228T233005Z_0123456789_03of12"
    assert names.get_data_name(stem, encrypted=False) == f"{stem}.csv"
    assert names.get_data_name(stem, encrypted=True) == f"{stem}.csv.asc"
    assert names.get_manifest_name(stem) == f"{stem}.manifest"


@pytest.mark.parametrize("parts", [1, 9, 10, 100, 1000])
def test_names_sort_by_part(parts: int) -> None:
    """Sorted by name, the parts of a source are in their order."""
    stems = [names.make_stem("f", AT, "0123456789", part, parts) for part in range(1, parts + 1)]
    assert sorted(stems) == stems


def test_short_ids_are_plain_and_differ() -> None:
    """Short ids are ten characters of Crockford's base 32, lower case, and do not repeat."""
    drawn = {names.make_short_id() for _ in range(2000)}
    assert len(drawn) == 2000
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{10}", short_id) for short_id in drawn)
