"""A person's word that a source goes on, whatever it waits for."""

from __future__ import annotations

from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.why import find_of_quarantined
from sftp_orchestrator.workspace import Workspace


def release(ledger: Ledger, workspace: Workspace, source_id: str, *, by: str) -> Source:
    """Let a quarantined, held or waiting source go on by a person's word.

    Raises:
        DecisionNeeded: a part of it is uncertain: ``resolve`` comes first.
        ConfigurationError: it is delivered or discarded, nothing of it is new, or there is none of this id.
    """
    source = ledger.sources.get(source_id)
    if source.state is SourceState.QUARANTINED and find_of_quarantined(source, workspace).is_nothing_new:
        raise ConfigurationError(
            "release",
            f"source {source_id}",
            "its rows were sent before, in other files, and are not sent twice",
            hint=f"`sftp-orchestrator discard {source_id}` closes it; once its file is another one,"
            f" `sftp-orchestrator retry {source_id}`",
        )
    return ledger.sources.release(source_id, by=by)
