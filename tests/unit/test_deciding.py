"""What a person may say of a source in each plight, and that everything that may be said is explained."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.deciding import Choice, decide, explain, is_untried, list_choices, require_unchanged
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import DecisionNeeded
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PlannedPart
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.outlook import NOBODY
from sftp_orchestrator.prepare.why import Why
from sftp_orchestrator.views import SourceView
from tests.support.configuration import write_configuration
from tests.support.records import make_part, make_source

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
RETRY, RELEASE, DISCARD, ACCEPT = Choice.RETRY, Choice.RELEASE, Choice.DISCARD, Choice.ACCEPT
DELIVERED, RESEND = Choice.DELIVERED, Choice.RESEND
CLAIM = Claim(
    source_id="s1",
    feed="purchases",
    type=FeedType.EVENT,
    destination="production",
    relative_path=b"a.csv",
    device=1,
    inode=2,
    size=3,
    mtime_ns=4,
)
FOUND = InspectedFile(size=3, mtime_ns=4, sha256="0", records=1, header_bytes=b"h\n", earliest_ts=None)
PART = PlannedPart(start=0, end=3, records=1, data_name="d.csv", manifest_name="d.manifest", manifest=b"{}")


def _make_view(state: SourceState, part: PartState | None = None, **changes: Any) -> SourceView:
    of_source = {name: changes.pop(name) for name in ("retry_at", "type", "lacks_configuration") if name in changes}
    parts = (make_part(state=part),) if part is not None else ()
    view = SourceView(source=make_source(state=state, **of_source), parts=parts, waits_for=None)
    return dataclasses.replace(view, **changes)


CASES: dict[str, tuple[SourceView, tuple[Choice, ...]]] = {
    "quarantined": (_make_view(SourceState.QUARANTINED), (RETRY, RELEASE, DISCARD)),
    "replaced": (_make_view(SourceState.QUARANTINED, replaced_by=make_source(number=2)), (DISCARD,)),
    "nothing new": (_make_view(SourceState.QUARANTINED, why=Why(is_nothing_new=True)), (DISCARD,)),
    "held": (_make_view(SourceState.HELD), (RETRY, RELEASE, DISCARD)),
    "held profiles": (_make_view(SourceState.HELD, type=FeedType.PROFILE), (RETRY, RELEASE, DISCARD)),
    "missing": (_make_view(SourceState.HELD, missing=Path("/w")), (RETRY, DISCARD)),
    "without a feed": (_make_view(SourceState.HELD, lacks_configuration=True), (DISCARD,)),
    "copy": (_make_view(SourceState.HELD, why=Why(is_copy=True)), (DISCARD, RELEASE)),
    "other types": (_make_view(SourceState.HELD, why=Why(changes_types=True)), (ACCEPT, RETRY, RELEASE, DISCARD)),
    "uncertain": (_make_view(SourceState.HELD, PartState.UNCERTAIN), (DELIVERED, RESEND)),
    "being published": (_make_view(SourceState.HELD, PartState.PUBLISHING), (RETRY, RELEASE)),
    "scheduled": (_make_view(SourceState.PLANNED, scheduled_at=NOW, waits_for="the schedule"), (RETRY, DISCARD)),
    "tried again": (_make_view(SourceState.PLANNED, retry_at=NOW), (RETRY, DISCARD)),
    "behind profiles": (_make_view(SourceState.PLANNED, waits_for="profiles"), (RELEASE, DISCARD)),
    "no daemon": (_make_view(SourceState.PLANNED, waits_for=NOBODY), (DISCARD,)),
    "on its way": (_make_view(SourceState.READY), (DISCARD,)),
    "in part delivered": (_make_view(SourceState.READY, PartState.DELIVERED, retry_at=NOW), (RETRY,)),
    "archived": (_make_view(SourceState.ARCHIVED), ()),
    "archived but for rows": (_make_view(SourceState.ARCHIVED, refused_rows=Path("/w")), (DISCARD,)),
    "delivered but for rows": (_make_view(SourceState.DELIVERED, refused_rows=Path("/w")), ()),
    "discarded": (_make_view(SourceState.DISCARDED), ()),
}


@pytest.mark.parametrize("name", CASES)
def test_what_may_be_said_is_what_makes_sense(name: str) -> None:
    """Nothing that would be refused, and nothing that would do harm unasked; each is explained in full sentences."""
    view, choices = CASES[name]
    assert list_choices(view) == choices
    said = [explain(choice, view) for choice in choices]
    assert len(set(said)) == len(said)
    assert all(one[0].isupper() and one.endswith(".") for one in said)


def test_what_cannot_be_taken_back_is_said_to_be_so() -> None:
    """Events that would count twice are told of before, wherever they may be sent again."""
    for name, choice in (("uncertain", RESEND), ("copy", RELEASE)):
        assert "cannot take events back" in explain(choice, CASES[name][0])


@pytest.mark.parametrize("is_read_since", [False, True], ids=["wanted again", "read since"])
def test_a_file_that_failed_while_it_was_read_was_tried(tmp_path: Path, *, is_read_since: bool) -> None:
    """Neither that it was read since, nor that a person wants it tried again, makes it one that only waits."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        ledger.sources.begin_claims([CLAIM])
        assert is_untried(ledger.sources.finish_claims([CLAIM])[0])
        ledger.sources.note_wait("s1", "the disk is full", retry_at=NOW)
        assert not is_untried(ledger.sources.get("s1"))
        if is_read_since:
            ledger.sources.finish_inspection("s1", FOUND)
            ledger.sources.finish_planning("s1", [PART], plan_key="k")
        else:
            ledger.sources.retry("s1", by="anna")
        assert ledger.sources.get("s1").attempts == 0
        assert not is_untried(ledger.sources.get("s1"))


def test_who_gives_a_file_up_is_told_of_rows_that_others_left_out_for_it(tmp_path: Path) -> None:
    """Where another was sent meanwhile without rows that were there before, and the feed asks for that."""
    deduplicate = {"feeds": {"purchases": {"deduplicate": {"columns": ["user_id"], "days": 3}}}}
    asking = write_configuration(tmp_path, deduplicate).configuration
    (tmp_path / "other").mkdir()
    other = write_configuration(tmp_path / "other").configuration
    with Ledger.open("sqlite", tmp_path) as ledger:
        for source_id in ("s1", "s2", "s3"):
            claim = dataclasses.replace(CLAIM, source_id=source_id)
            ledger.sources.begin_claims([claim])
            ledger.sources.finish_claims([claim])
        ledger.sources.finish_inspection("s3", dataclasses.replace(FOUND, duplicate_rows=2))
        ledger.sources.finish_planning("s3", [PART], plan_key="k")
        for step in (
            lambda part: ledger.parts.finish_preparation(part, size=3),
            ledger.parts.finish_upload,
            ledger.parts.begin_publishing,
            ledger.parts.finish_publishing,
        ):
            step(ledger.parts.get("s3", 1))
        ledger.sources.finish_deliveries(["s3"])
        told = decide(DISCARD, asking, ledger, "s1", by="anna")
        assert told[2].startswith("Rows that were there before were left out of s3 (a.csv), sent since: ")
        assert len(decide(DISCARD, other, ledger, "s2", by="anna")) == 2


def test_who_looked_before_it_moved_decides_nothing(tmp_path: Path) -> None:
    """What was released meanwhile by another one, or moved by itself, is looked at again first."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        ledger.sources.begin_claims([CLAIM])
        seen_at = ledger.sources.finish_claims([CLAIM])[0].changed_at
        require_unchanged(ledger, "s1", seen_at)
        ledger.sources.quarantine("s1", "why")
        with pytest.raises(DecisionNeeded, match="it changed since you looked, and is quarantined now"):
            require_unchanged(ledger, "s1", seen_at)
