"""The same content twice: what was sent before goes again by a person's word alone."""

from __future__ import annotations

from sftp_orchestrator.errors import DecisionNeeded
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState


def explain(same: Source) -> str:
    """Return what the file is a copy of, for people. Pure."""
    word = "discarded, with parts delivered," if same.state is SourceState.DISCARDED else same.state
    return f"its content is that of {same.name}, source {same.id}, {word} since {same.changed_at:%Y-%m-%d %H:%M} UTC"


def find(ledger: Ledger, source: Source, sha256: str) -> Source | None:
    """Return the first other source with this content that was sent, or is on its way, for the same feed."""
    return ledger.sources.find_same(source.feed, source.destination, sha256, besides=source.id)


def find_of_held(ledger: Ledger, source: Source) -> Source | None:
    """Return what a held source is a copy of; None where it is held for another reason, or that one is gone."""
    is_copy = source.state is SourceState.HELD and source.sha256 is not None and source.records is None
    return find(ledger, source, source.sha256) if is_copy and source.sha256 is not None else None


def require_new(ledger: Ledger, source: Source, sha256: str, *, said: str = "") -> None:
    """Raise where the same content was sent before and nobody released it; ``said`` goes before what it is a copy of.

    Raises:
        DecisionNeeded: the source that it is a copy of is named.
    """
    same = None if source.released else find(ledger, source, sha256)
    if same is None:
        return
    ledger.sources.note_content(source.id, sha256)
    raise DecisionNeeded("send", source.name, said + explain(same))
