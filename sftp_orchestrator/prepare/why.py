"""Why a source stands aside, as programs can ask: what can be done about it is another thing for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.earlier import copies, types_kept
from sftp_orchestrator.prepare.refusals import quarantine
from sftp_orchestrator.prepare.report import NOTHING_NEW
from sftp_orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Why:
    """What is known of it; nothing, where the reason that people read says it all."""

    is_copy: bool = False
    """it is held, and its content was sent before"""
    changes_types: bool = False
    """it is held, and would change the type of a property"""
    is_nothing_new: bool = False
    """it is quarantined, and its rows were sent before, in several files"""
    remedy: str | None = None
    """it is quarantined for too many bad rows: what else may be done than to correct these"""
    correction: str | None = None
    """it is quarantined for another reason: how that is corrected"""


def find_reasons(
    configuration: Configuration, ledger: Ledger, workspace: Workspace, sources: Iterable[Source]
) -> dict[str, Why]:
    """Return why sources stand aside, by their ids, as it is now; may be repeated. Raises ``LocalFault``."""
    found, contradicting = {}, types_kept.Comparison(configuration, ledger)
    for source in sources:
        if source.state is SourceState.QUARANTINED:
            found[source.id] = find_of_quarantined(source, workspace)
        elif source.state is SourceState.HELD:
            found[source.id] = Why(
                is_copy=copies.find_of_held(ledger, source) is not None, changes_types=bool(contradicting.find(source))
            )
    return found


def find_of_quarantined(source: Source, workspace: Workspace) -> Why:
    """Return why a quarantined source is so, by the report that lies beside it."""
    report = quarantine.read_report(source, workspace)
    if report is None:
        return Why()
    is_nothing_new = NOTHING_NEW in report.rules
    return Why(
        is_nothing_new=is_nothing_new,
        remedy=report.remedy,
        correction=report.correction if not is_nothing_new else None,
    )
