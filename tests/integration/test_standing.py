"""Whether what was planned stands: by a configuration that changed, and beside persons who decide meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sftp_orchestrator.daemon import Daemon, open_daemon
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import InspectedFile, PlannedPart, Source
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.prepare.standing import JUDGED_FOR
from sftp_orchestrator.progress import Board
from tests.support.configuration import FEEDS, write_configuration
from tests.support.records import make_claim

FOUND = InspectedFile(size=1, mtime_ns=1, sha256="0", records=1, header_bytes=b"h\n", earliest_ts=None)
PART = PlannedPart(start=0, end=1, records=1, data_name="d.csv", manifest_name="d.manifest", manifest=b"{}")
ANOTHER_FEED = {"others": {**FEEDS["customers"], "files": ["others*.csv"]}}


@contextlib.contextmanager
def _open(
    folder: Path, feeds: dict[str, Any] | None = None, overrides: dict[str, Any] | None = None
) -> Iterator[Daemon]:
    configuration = write_configuration(folder, overrides, feeds=feeds or FEEDS).configuration
    with open_daemon(configuration, Board()) as daemon:
        yield daemon


def _plan(daemon: Daemon, feed: str, type_: FeedType, *, to: PartState, plan_key: str | None = None) -> Source:
    """Claim a source of ``feed``, plan one part of it, by the settings of now, and take that as far as ``to``."""
    ledger = daemon._ledger
    claim = make_claim(feed=feed, type=type_)
    ledger.sources.begin_claims([claim])
    ledger.sources.finish_claims([claim])
    ledger.sources.finish_inspection("s1", FOUND)
    key = plan_key or daemon._stations.preparation._planner._get_plan_key(ledger.sources.get("s1"))
    ledger.sources.finish_planning("s1", [PART], plan_key=key)
    steps: dict[PartState, Callable[[], object]] = {
        PartState.READY: lambda: ledger.parts.finish_preparation(ledger.parts.get("s1", 1), size=1),
        PartState.UPLOADED: lambda: ledger.parts.finish_upload(ledger.parts.get("s1", 1)),
        PartState.PUBLISHING: lambda: ledger.parts.begin_publishing(ledger.parts.get("s1", 1)),
        PartState.UNCERTAIN: lambda: ledger.parts.doubt(ledger.parts.get("s1", 1), "gone"),
    }
    for step in steps.values():
        if ledger.parts.get("s1", 1).state is to:
            break
        step()
    return ledger.sources.get("s1")


@pytest.mark.parametrize(
    ("feed", "type_", "after"),
    [
        ("purchases", FeedType.EVENT, SourceState.HELD),
        ("customers", FeedType.PROFILE, SourceState.PLANNED),
    ],
    ids=["events", "profiles"],
)
async def test_a_start_goes_on_beside_what_is_uncertain_and_lacked_its_feed(
    tmp_path: Path, feed: str, type_: FeedType, after: SourceState
) -> None:
    """Events stay held, for a person says first what became of them; profiles go on, and may be sent again."""
    with _open(tmp_path) as daemon:
        _plan(daemon, feed, type_, to=PartState.UNCERTAIN)
    with _open(tmp_path, ANOTHER_FEED) as daemon:
        assert [source.id for source in await daemon.recover()] == ["s1"]
        assert daemon._ledger.sources.get("s1").lacks_configuration
    for _ in range(2):
        with _open(tmp_path) as daemon:
            await daemon.recover()
            assert daemon._ledger.sources.get("s1").state is after
            (part,) = daemon._ledger.parts.list_of("s1")
            assert part.state is PartState.UNCERTAIN


async def test_what_a_manifest_may_have_left_of_is_looked_up_before_it_is_held(tmp_path: Path) -> None:
    """A start without its feed leaves it to the run, which asks the receiver."""
    with _open(tmp_path) as daemon:
        _plan(daemon, "purchases", FeedType.EVENT, to=PartState.PUBLISHING)
    with _open(tmp_path, ANOTHER_FEED) as daemon:
        assert await daemon.recover() == []
        assert daemon._ledger.sources.get("s1").state is SourceState.READY


async def test_what_is_left_behind_lies_where_it_went_before(tmp_path: Path) -> None:
    """A feed that comes back with another destination: data at the first one is removed there."""
    with _open(tmp_path) as daemon:
        _plan(daemon, "purchases", FeedType.EVENT, to=PartState.UPLOADED)
    with _open(tmp_path, ANOTHER_FEED) as daemon:
        await daemon.recover()
    values = yaml.safe_load((tmp_path / "config.yml").read_text(encoding="utf-8"))
    second = {**values["destinations"]["production"], "username": "elsewhere"}
    feeds = {**FEEDS, "purchases": {**FEEDS["purchases"], "destination": "second"}}
    feeds["customers"] = {**FEEDS["customers"], "destination": "production"}
    with _open(tmp_path, feeds, {"destinations": {"second": second}}) as daemon:
        await daemon.recover()
        source = daemon._ledger.sources.get("s1")
        assert (source.state, source.destination) == (SourceState.CLAIMED, "second")
        assert [left.data_name for left in daemon._ledger.leftovers.list_of("production")] == ["d.csv"]
        assert daemon._ledger.leftovers.list_of("second") == []


async def test_who_gives_up_what_a_start_or_a_run_looks_at_is_not_in_its_way(tmp_path: Path) -> None:
    """Neither a file to be read again nor one to go on again ends it."""
    with _open(tmp_path, overrides={"destinations": {"production": {"retention_days": 30}}}) as daemon:
        ledger, standing = daemon._ledger, daemon._stations.preparation.standing
        seen = _plan(daemon, "purchases", FeedType.EVENT, to=PartState.PLANNED, plan_key="of other settings")
        ledger.discards.discard("s1", by="anna")
        now = ledger.sources.get("s1")
        assert standing.align_all([seen, replace(seen, lacks_configuration=True)], threading.Event()) == []
        assert standing.renew([seen], seen.changed_at + JUDGED_FOR) == []
        assert ledger.sources.get("s1") == now


async def test_a_start_that_is_stopped_leaves_the_others_to_the_next(tmp_path: Path) -> None:
    """Nothing is changed by it once lock and ledger may be somebody else's."""
    with _open(tmp_path) as daemon:
        source = _plan(daemon, "purchases", FeedType.EVENT, to=PartState.PLANNED, plan_key="of other settings")
        stop = threading.Event()
        stop.set()
        assert daemon._stations.preparation.standing.align_all([source], stop) == []
        assert daemon._ledger.sources.get("s1") == source


async def test_a_run_that_has_nothing_to_do_is_none(tmp_path: Path) -> None:
    """An empty tick leaves no line in the history, however often it comes."""
    with _open(tmp_path) as daemon:
        verdict = await daemon._runner.run("schedule", [], clearing=["production"])
        assert (verdict.delivered, verdict.failures) == (0, ())
        assert daemon._ledger.runs.list_last(9) == []
