"""A file is complete when its own samples stayed the same long enough, or its marker is there."""

from __future__ import annotations

import dataclasses
from typing import Any

from sftp_orchestrator.intake.settling import Settler
from sftp_orchestrator.intake.staging import Candidate

FILE = Candidate(relative_path=b"a.csv", device=1, inode=2, size=3, mtime_ns=4, has_marker=False)


def test_the_first_look_never_finds_a_file_complete() -> None:
    """One sample says nothing: it takes a second one, settle_seconds later, by the monotonic clock."""
    settler = Settler(settle_seconds=10, by_marker=False)
    assert settler.observe([FILE], now=0).waiting == (FILE,)
    assert settler.get_wait_seconds(now=4) == 6
    assert settler.observe([FILE], now=9.9).waiting == (FILE,)
    assert settler.observe([FILE], now=10).complete == (FILE,)


def test_any_change_starts_the_wait_anew() -> None:
    """Size, mtime (also backwards) and inode all count."""
    changes: list[dict[str, Any]] = [{"size": 4}, {"mtime_ns": 1}, {"inode": 9}]
    for change in changes:
        settler = Settler(settle_seconds=10, by_marker=False)
        settler.observe([FILE], now=0)
        changed = dataclasses.replace(FILE, **change)
        assert settler.observe([changed], now=10).waiting == (changed,)
        assert settler.observe([changed], now=20).complete == (changed,)


def test_a_file_that_was_gone_meanwhile_begins_anew() -> None:
    """Seen, gone, and back with the same stamps: not the same file for us."""
    settler = Settler(settle_seconds=10, by_marker=False)
    settler.observe([FILE], now=0)
    settler.observe([], now=5)
    assert settler.observe([FILE], now=10).waiting == (FILE,)


def test_for_how_long_a_file_was_seen_counts_from_the_first_look() -> None:
    """However often its producer wrote to it meanwhile; one that was gone in between begins anew."""
    settler = Settler(settle_seconds=10, by_marker=False)
    settler.observe([FILE], now=0)
    settler.observe([dataclasses.replace(FILE, size=4)], now=8)
    settler.observe([dataclasses.replace(FILE, size=4)], now=18)
    assert settler.get_seen_seconds(b"a.csv", now=18) == 18
    settler.observe([], now=19)
    settler.observe([FILE], now=20)
    assert settler.get_seen_seconds(b"a.csv", now=21) == 1
    assert settler.get_seen_seconds(b"b.csv", now=21) == 0


def test_with_markers_only_the_marker_counts() -> None:
    """However long it lies there unchanged; and with it, at once."""
    settler = Settler(settle_seconds=10, by_marker=True)
    settler.observe([FILE], now=0)
    assert settler.observe([FILE], now=1000).waiting == (FILE,)
    marked = dataclasses.replace(FILE, has_marker=True)
    assert settler.observe([marked], now=1001).complete == (marked,)
    assert settler.get_wait_seconds(now=1001) is None
