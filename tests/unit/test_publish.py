"""What became of a manifest is judged from what lies at the receiver, and never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver.connections import ConnectionPool
from sftp_orchestrator.deliver.door import require_fit
from sftp_orchestrator.deliver.publish import Finding, Publisher, judge
from sftp_orchestrator.deliver.retry import Retrying
from sftp_orchestrator.destination import manifest
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import DecisionNeeded
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, InspectedFile, Part, PlannedPart
from sftp_orchestrator.ledger.states import PartState
from tests.support.configuration import KEY_ID
from tests.support.receivers import make_destination
from tests.support.records import make_part

PART = make_part(state=PartState.PUBLISHING, manifest=b"0123456789", size=1000)


@pytest.mark.parametrize(
    ("manifest_size", "data_size", "finding"),
    [
        (10, 1000, Finding.DELIVERED),
        (10, None, Finding.DELIVERED),
        (None, 1000, Finding.NOT_PUBLISHED),
        (None, None, Finding.UNKNOWN),
        (0, 1000, Finding.UNKNOWN),
        (9, 1000, Finding.UNKNOWN),
        (None, 999, Finding.UNKNOWN),
    ],
)
def test_only_the_clear_cases_are_decided(manifest_size: int | None, data_size: int | None, finding: Finding) -> None:
    """In full = delivered; data without manifest = not published; everything else is unknown."""
    assert judge(PART, manifest_size=manifest_size, data_size=data_size)[0] is finding


def _make_destination(**overrides: Any) -> Destination:
    return make_destination(overrides, port=22, username="1", private_key={"file": "/k"}, host_key="ssh-ed25519 AAAA")


def _make_sendable(**changes: Any) -> Part:
    found = manifest.Manifest(fileName="a_1of1.csv", type=FeedType.EVENT, columns={}, clientEmail="a@example.com")
    return make_part(**{"data_name": "a_1of1.csv", "manifest": manifest.render(found), "size": 99, **changes})


PLAIN = _make_destination(limits={"plain_bytes": 100})
ENCRYPTED = _make_destination(encryption={"public_key": {"file": "/p"}, "key_id": KEY_ID})


@pytest.mark.parametrize(
    ("changes", "destination"),
    [
        pytest.param({"size": 100}, PLAIN, id="not below the limit"),
        pytest.param({"size": None}, PLAIN, id="of a size that nobody knows"),
        pytest.param({"data_name": "b_1of1.csv"}, PLAIN, id="the manifest of another file"),
        pytest.param({"manifest": b"{}"}, PLAIN, id="an empty manifest"),
        pytest.param({"manifest": b"\xff"}, PLAIN, id="no text"),
        pytest.param({}, ENCRYPTED, id="plain where encryption was set meanwhile"),
    ],
)
def test_what_does_not_fit_does_not_leave(changes: dict[str, Any], destination: Destination) -> None:
    """The last door: size, manifest and encryption are looked at once more against the configuration as it is now."""
    require_fit(_make_sendable(), PLAIN)
    with pytest.raises(DecisionNeeded) as caught:
        require_fit(_make_sendable(**changes), destination)
    assert caught.value.hint == "retried it is made anew, unless manifests of it have left"


@pytest.mark.parametrize("refused", [1, 2, 3])
async def test_behind_a_part_that_may_not_leave_none_of_its_source_does(tmp_path: Path, refused: int) -> None:
    """And what precedes it may, though all intents are noted at once and the first try is undone."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        parts = [*_take_to_uploaded(ledger, "s1", 3), *_take_to_uploaded(ledger, "s2", 1)]

        def require(part: Part) -> None:
            if (part.source_id, part.number) == ("s1", refused):
                raise DecisionNeeded("publish", part.data_name, "no")

        publisher = Publisher(
            PLAIN,
            ConnectionPool(PLAIN, "production", 1),
            ledger,
            Retrying(attempts=1),
            asyncio.Event(),
            write=_fail_to_write,
        )
        outcomes = await publisher._begin_several(parts, require)
        states = {(part.source_id, part.number): part.state for part in ledger.parts.list_in(PartState.PUBLISHING)}
    assert [outcome is None for outcome in outcomes] == [number < refused for number in (1, 2, 3)] + [True]
    assert list(states) == [*(("s1", number) for number in range(1, refused)), ("s2", 1)]


async def _fail_to_write(_write: Callable[[], None]) -> None:
    raise AssertionError("nothing is sent")


def _take_to_uploaded(ledger: Ledger, source_id: str, count: int) -> list[Part]:
    claim = Claim(
        source_id=source_id,
        feed="purchases",
        type=FeedType.EVENT,
        destination="production",
        relative_path=b"a.csv",
        device=1,
        inode=2,
        size=9,
        mtime_ns=1,
    )
    ledger.sources.begin_claims([claim])
    ledger.sources.finish_claims([claim])
    ledger.sources.finish_inspection(
        source_id,
        InspectedFile(size=9, mtime_ns=1, sha256=source_id, records=count, header_bytes=b"a\n", earliest_ts=1),
    )
    planned = []
    for number in range(1, count + 1):
        part = _make_sendable(data_name=f"{source_id}_{number}.csv")
        content = manifest.Manifest(
            fileName=part.data_name, type=FeedType.EVENT, columns={}, clientEmail="a@example.com"
        )
        names = {"data_name": part.data_name, "manifest_name": f"{source_id}_{number}.manifest"}
        planned.append(PlannedPart(start=0, end=1, records=1, manifest=manifest.render(content), **names))
    ledger.sources.finish_planning(source_id, planned, plan_key="k")
    for part in ledger.parts.list_of(source_id):
        ledger.parts.finish_upload(ledger.parts.finish_preparation(part, size=99))
    return ledger.parts.list_of(source_id)
