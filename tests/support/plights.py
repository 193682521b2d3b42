"""Sources in the ledger that stand still, as few moves as it takes: for tests of what is shown and decided."""

from __future__ import annotations

from pathlib import Path

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PlannedPart, Source
from sftp_orchestrator.workspace import Workspace


def claim(ledger: Ledger, source_id: str, *, name: str = "purchases.csv", type_: FeedType = FeedType.EVENT) -> Source:
    """Add a source that was just claimed; it has no file."""
    intent = Claim(
        source_id=source_id,
        feed="purchases" if type_ is FeedType.EVENT else "customers",
        type=type_,
        destination="production",
        relative_path=name.encode(),
        device=1,
        inode=2,
        size=100,
        mtime_ns=4,
    )
    ledger.sources.begin_claims([intent])
    return ledger.sources.finish_claims([intent])[0]


def hold(ledger: Ledger, workspace: Path, source_id: str, reason: str = "its settings changed") -> Source:
    """Add a held source, none of whose parts is planned, with its file."""
    claim(ledger, source_id)
    path = Workspace(root=workspace).get_source(source_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("event_name,time_stamp,user_id\n")
    ledger.sources.hold(source_id, reason)
    return ledger.sources.get(source_id)


def doubt(ledger: Ledger, source_id: str, *, parts: int) -> Source:
    """Add a held source all of whose parts are uncertain."""
    claim(ledger, source_id)
    found = InspectedFile(size=100, mtime_ns=4, sha256="0" * 64, records=90, header_bytes=b"h\n", earliest_ts=5)
    ledger.sources.finish_inspection(source_id, found)
    planned = [
        PlannedPart(
            start=number,
            end=number + 1,
            records=1,
            data_name=f"{source_id}_{number}.csv",
            manifest_name=f"{source_id}_{number}.manifest",
            manifest=b"{}",
        )
        for number in range(parts)
    ]
    ledger.sources.finish_planning(source_id, planned, plan_key="k")
    for part in ledger.parts.list_of(source_id):
        ledger.parts.finish_upload(ledger.parts.finish_preparation(part, size=50))
        ledger.parts.begin_publishing(part)
        ledger.parts.doubt(part, "neither data nor manifest is there")
    ledger.sources.hold(source_id, "whether the receiver took it is not known")
    return ledger.sources.get(source_id)
