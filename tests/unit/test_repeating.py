"""What repeats is told once, then once an interval, and once that it is over."""

from __future__ import annotations

from types import SimpleNamespace

from structlog.testing import capture_logs

from sftp_orchestrator.errors import LocalFault, SourceFault
from sftp_orchestrator.prepare.waits import Waits
from sftp_orchestrator.repeating import REMIND_SECONDS, Occurrence, Repeating
from tests.support.records import make_source

MINUTE = 60.0


def _lack(free: int) -> SourceFault:
    return SourceFault("reserve space in", "work", f"{free} bytes are free")


def test_a_failure_that_lasts_is_told_once_an_interval() -> None:
    """However often it comes, and whatever figures its cause holds; another one is told at once."""
    clock = SimpleNamespace(now=0.0)
    trouble = Repeating(clock=lambda: clock.now)
    assert trouble.end() is None
    told = []
    for minute in range(121):
        clock.now = minute * MINUTE
        occurred = trouble.note(_lack(minute))
        told += [(minute, occurred.is_first, occurred.failures)] if occurred.is_told else []
    assert told == [(0, True, 1), (60, False, 61), (120, False, 121)]
    other = trouble.note(LocalFault("use", "ledger", "database is locked"))
    assert (other.is_first, other.is_told, other.failures) == (True, True, 122)
    assert trouble.end() == Occurrence(is_first=False, is_told=True, failures=122, seconds=7200)
    assert trouble.end() is None
    assert trouble.note(_lack(1)).failures == 1


def test_a_source_that_waits_for_space_is_told_of_once_an_hour() -> None:
    """It is tried each minute; another source, and one that waits again long after, are told of by themselves."""
    clock = SimpleNamespace(now=0.0)
    waits = Waits(clock=lambda: clock.now)
    first, second = make_source(id="s1"), make_source(id="s2")
    with capture_logs() as logs:
        for minute in range(61):
            clock.now = minute * MINUTE
            waits.tell(first, _lack(minute))
        waits.tell(second, _lack(1))
        clock.now += REMIND_SECONDS
        waits.tell(first, _lack(2))
    assert [(line["event"], line["log_level"], line["source"]) for line in logs] == [
        ("source_waits", "error", "s1"),
        ("source_still_waits", "warning", "s1"),
        ("source_waits", "error", "s2"),
        ("source_waits", "error", "s1"),
    ]
    assert (logs[1]["failures"], logs[1]["seconds"]) == (61, 3600)
