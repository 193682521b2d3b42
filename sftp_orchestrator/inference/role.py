"""The part that a column plays, and columns found by their names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sftp_orchestrator.inference import headers
from sftp_orchestrator.inference.evidence import ColumnEvidence, Evidence
from sftp_orchestrator.inference.traits import Trait

MOSTLY = 0.5
"""A column plays a part where at least this share of its cells can."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """One column and the property that it gives."""

    header: str
    property_name: str
    doubts: tuple[str, ...] = ()
    explained: frozenset[str] = frozenset()
    """rules that need not be told of again"""


def find(evidence: Evidence, names: Sequence[str], traits: int = Trait.FILLED) -> ColumnEvidence | None:
    """Return the surest column of these names most of whose cells have one of ``traits``."""
    fitting = [
        column for column in evidence.columns if column.filled and column.count(traits) >= MOSTLY * column.filled
    ]
    return find_first(fitting, names)


def find_first(columns: Iterable[ColumnEvidence], names: Sequence[str]) -> ColumnEvidence | None:
    """Return the column whose name comes first in ``names``."""
    by_name: dict[str, ColumnEvidence] = {}
    for column in columns:
        by_name.setdefault(headers.fold(column.header), column)
    return next((by_name[name] for name in names if name in by_name), None)
