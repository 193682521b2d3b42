"""What is wrong with an input, as findings with stable ids, and the report that lies beside a quarantined file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sftp_orchestrator.errors import InputRefused

SHOWN = 20
"""How many findings of one rule a report lists; their number is always told."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One place where the input breaks a rule."""

    rule: str
    """stable id, such as ``row.ragged``"""
    message: str
    line: int | None = None
    """physical line in the file, the header being 1; None where it concerns the file"""

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


class Refused(InputRefused):
    """The input breaks rules: the first finding is the message, all of them are in ``findings``."""

    def __init__(self, findings: Sequence[Finding], *, total: int | None = None, hint: str | None = None) -> None:
        self.findings = tuple(findings)
        self.total = total if total is not None else len(self.findings)
        more = f" (and {self.total - 1} more)" if self.total > 1 else ""
        super().__init__("inspect", "the file", f"{self.findings[0]}{more}", hint=hint)


def refuse(rule: str, message: str, *, line: int | None = None, hint: str | None = None) -> Refused:
    """Return the refusal for a single finding."""
    return Refused([Finding(rule=rule, message=message, line=line)], hint=hint)


def render(*, source_id: str, file: str, feed: str, error: InputRefused) -> bytes:
    """Return ``report.json`` for a refused source: what, where, how often, and what to do next. Pure."""
    findings = error.findings if isinstance(error, Refused) else (Finding(rule="input", message=error.cause),)
    counts = Counter(finding.rule for finding in findings)
    if isinstance(error, Refused) and len(counts) == 1:
        counts[findings[0].rule] = error.total
    report = {
        "source": source_id,
        "file": file,
        "feed": feed,
        "verdict": "quarantined",
        "reason": error.cause,
        "hint": error.hint,
        "rules": dict(counts),
        "findings": [asdict(finding) for finding in findings[:SHOWN]],
        "next": f"correct the file and drop it again under staging, or run `sftp-orchestrator retry {source_id}`",
    }
    return json.dumps(report, indent=2, ensure_ascii=False).encode() + b"\n"
