"""What became of a manifest is judged from what lies at the receiver, and never guessed."""

from __future__ import annotations

import pytest

from sftp_orchestrator.deliver.publish import Finding, judge
from sftp_orchestrator.ledger.states import PartState
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
