"""Records of the ledger with every field set, for tests of what decides by them."""

from __future__ import annotations

import datetime
from typing import Any

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Claim, Part, Pause, PendingProfiles, Source
from sftp_orchestrator.ledger.states import PartState, SourceState

_AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def make_claim(**changes: Any) -> Claim:
    """Return the claim of a file of profiles, with ``changes``."""
    fields: dict[str, Any] = {
        "source_id": "s1",
        "feed": "customers",
        "type": FeedType.PROFILE,
        "destination": "production",
        "relative_path": b"customers.csv",
        "device": 1,
        "inode": 1,
        "size": 1,
        "mtime_ns": 1,
    }
    return Claim(**{**fields, **changes})


def make_source(**changes: Any) -> Source:
    """Return an event source that was just claimed, with ``changes``."""
    number = changes.get("number", 1)
    fields: dict[str, Any] = {
        "number": number,
        "id": f"source{number}",
        "feed": "purchases",
        "type": FeedType.EVENT,
        "destination": "production",
        "relative_path": f"purchases-{number}.csv".encode(),
        "state": SourceState.CLAIMED,
        "claimed_at": _AT,
        "changed_at": _AT,
        "size": 100,
        "mtime_ns": 1,
        "sha256": None,
        "records": None,
        "refused_rows": 0,
        "duplicate_rows": 0,
        "is_rewritten": False,
        "header_bytes": None,
        "plan_key": None,
        "earliest_ts": None,
        "sendings": 0,
        "reason": None,
        "attempts": 0,
        "failures": 0,
        "retry_at": None,
        "wanted_at": None,
        "released": False,
    }
    return Source(**{**fields, **changes})


def make_pending(**changes: Any) -> PendingProfiles:
    """Return what the gate knows of a profile source that was just claimed, with ``changes``."""
    number = changes.get("number", 1)
    fields: dict[str, Any] = {
        "number": number,
        "id": f"profiles{number}",
        "relative_path": f"customers-{number}.csv".encode(),
        "state": SourceState.CLAIMED,
        "released": False,
    }
    return PendingProfiles(**{**fields, **changes})


def make_part(**changes: Any) -> Part:
    """Return a part that was just planned, with ``changes``."""
    number = changes.get("number", 1)
    fields: dict[str, Any] = {
        "source_id": "source1",
        "number": number,
        "of": 1,
        "state": PartState.PLANNED,
        "start": 0,
        "end": 10,
        "records": 1,
        "data_name": f"data_{number}.csv",
        "manifest_name": f"data_{number}.manifest",
        "manifest": b"{}",
        "size": 10,
        "delivered_at": None,
    }
    return Part(**{**fields, **changes})


def make_pause(**changes: Any) -> Pause:
    """Return the pause of a destination that failed twice, with ``changes``."""
    fields: dict[str, Any] = {
        "destination": "production",
        "failures": 2,
        "refusals": 0,
        "since": _AT,
        "until": _AT + datetime.timedelta(minutes=1),
        "reason": "connect to production: connection lost",
        "signature": "",
        "kind": PauseKind.AWAY,
    }
    return Pause(**{**fields, **changes})
