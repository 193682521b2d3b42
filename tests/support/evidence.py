"""Evidence made by hand, as the counting of a file would give it."""

from __future__ import annotations

from collections.abc import Mapping

from sftp_orchestrator.inference.evidence import ColumnEvidence, Evidence
from sftp_orchestrator.inference.traits import Trait, get_format_bit

TEXT = Trait.FILLED
WHOLE = Trait.FILLED | Trait.INTEGER
BIT = WHOLE | Trait.BOOLEAN
LONG = Trait.FILLED | Trait.LONG
DECIMAL = Trait.FILLED | Trait.FLOAT
WORD = Trait.FILLED | Trait.BOOLEAN
SECONDS = WHOLE | Trait.SECONDS
MILLISECONDS = LONG | Trait.MILLISECONDS
MICROSECONDS = LONG | Trait.MICROSECONDS
EMPTY = 0


def date(*formats: str) -> int:
    """Return the traits of a cell that is a date of all these formats; of none where it only looks like one."""
    return sum(map(get_format_bit, formats)) + (Trait.FILLED | Trait.DATE_LIKE)


def make_column(header: str, traits: Mapping[int, int] | int = TEXT, *, distinct: int | None = None) -> ColumnEvidence:
    """Return a column: how many cells have which traits, or a hundred that have these; all different unless told."""
    counts = {traits: 100} if isinstance(traits, int) else dict(traits)
    return ColumnEvidence(header=header, traits=counts, distinct=sum(counts.values()) if distinct is None else distinct)


def make_evidence(*columns: ColumnEvidence) -> Evidence:
    """Return columns as the evidence of a file."""
    return Evidence(columns=columns)
