"""What became of a manifest is judged from what lies at the receiver, and never guessed."""

from __future__ import annotations

from typing import Any

import pytest

from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver.door import require_fit
from sftp_orchestrator.deliver.publish import Finding, judge
from sftp_orchestrator.destination import manifest
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import DecisionNeeded
from sftp_orchestrator.ledger.records import Part
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
    assert "retry source1" in str(caught.value)
