"""What a person says of uncertain parts: the receiver took them, or they are to be sent again."""

from __future__ import annotations

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Part
from sftp_orchestrator.ledger.states import PartState
from sftp_orchestrator.prepare.parts import planning


def resolve_delivered(_configuration: Configuration, ledger: Ledger, subject: str, *, by: str) -> list[Part]:
    """Count the uncertain parts of ``ID`` or ``ID/PART`` as delivered; return them. Raises ConfigurationError."""
    parts = _list_uncertain(ledger, subject)
    ledger.parts.resolve_delivered(parts, by=by)
    return parts


def resolve_resend(configuration: Configuration, ledger: Ledger, subject: str, *, by: str) -> list[Part]:
    """Have the uncertain parts of ``ID`` or ``ID/PART`` sent again under new names; return them as they are then."""
    return [
        planning.resend(configuration, ledger, ledger.sources.get(part.source_id), part, by=by)
        for part in _list_uncertain(ledger, subject)
    ]


def _list_uncertain(ledger: Ledger, subject: str) -> list[Part]:
    source_id, _, number = subject.partition("/")
    ledger.sources.get(source_id)
    uncertain = [
        part
        for part in ledger.parts.list_of(source_id)
        if part.state is PartState.UNCERTAIN and number in {"", str(part.number)}
    ]
    if not uncertain:
        raise ConfigurationError(
            "resolve", subject, "nothing of it is uncertain", hint="`sftp-orchestrator status` shows what is"
        )
    return uncertain
