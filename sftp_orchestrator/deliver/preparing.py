"""Sources are read and planned, several at a time; what goes wrong with one comes out as that source's own failure."""

from __future__ import annotations

from collections.abc import Sequence

from sftp_orchestrator.deliver.faults import SOURCE_FAILURES, blamed_on
from sftp_orchestrator.errors import Failure
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.preparation import Preparation

TO_BE_READ = frozenset({SourceState.CLAIMED, SourceState.INSPECTED})
"""What has no parts yet."""


async def prepare(batch: Sequence[Source], preparation: Preparation) -> list[Source | Failure]:
    """Return each source once its parts are planned, or why it cannot go on now: one of ``SOURCE_FAILURES``.

    Those that are planned already come back as they are.
    """
    asked = [source for source in batch if source.state in TO_BE_READ]
    outcomes: dict[str, Source | Exception] = {}
    if asked:
        try:
            found: Sequence[Source | Exception] = await preparation.prepare_sources(asked)
        except Failure as error:
            found = [error] * len(asked)
        outcomes = {source.id: outcome for source, outcome in zip(asked, found, strict=True)}
    return [_as_own(source, outcomes.get(source.id, source)) for source in batch]


def _as_own(source: Source, outcome: Source | Exception) -> Source | Failure:
    if isinstance(outcome, Source):
        return outcome
    try:
        with blamed_on(source):
            raise outcome
    except SOURCE_FAILURES as error:
        return error
