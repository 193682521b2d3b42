"""What it means that a claimed file is not as it was: its producer still writes, or its end is gone."""

from __future__ import annotations

from pathlib import Path

from sftp_orchestrator.errors import DecisionNeeded, SourceChanged
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState


def weigh_change(source: Source, error: SourceChanged, size: int, path: Path) -> SourceChanged | DecisionNeeded:
    """Return ``error`` where the file at ``path``, now of ``size`` bytes, is read again, or why it is held. Pure.

    Producers add to files. One that became shorter lost its end, as in a power cut, and is not sent as if it were
    whole, unless a person released it after it was held for that.
    """
    is_accepted = source.state is SourceState.CLAIMED and source.released and source.is_wanted
    if size >= source.size or is_accepted:
        return error
    return DecisionNeeded(
        "read",
        source.name,
        f"its end is gone: it has {size:,} bytes, and had {source.size:,} when it was claimed or last read",
        hint=f"put the whole file back at {path} and retry it; or release it, which sends what is left of it",
    )
