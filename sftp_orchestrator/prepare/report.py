"""What is wrong with an input, as findings with stable ids, and the report that lies beside a quarantined file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sftp_orchestrator import units
from sftp_orchestrator.calling import spell_out
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.errors import InputRefused

NOTHING_NEW = "file.nothing_new"
_LONGEST_NAME = 60
FAILED_ROWS = "failed_rows"
"""The key of a report under which the file of refused rows beside it is noted."""
MOST_SHOWN_ROWS = 100_000
"""Refused rows that are written of a file that waits as a whole: they are copies, and nobody reads more."""
SHOWN = 20
"""How many findings of one rule a report lists; their number is always told."""


def show(name: str) -> str:
    """Return a column's name as people can read it: nothing that a terminal obeys, and not too long. Pure."""
    shown = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One place where the input breaks a rule."""

    rule: str
    """stable id, such as ``row.ragged``"""
    message: str
    line: int | None = None
    """physical line in the file, the header being 1; None where it concerns the file"""
    severity: Severity = Severity.ERROR
    value: str | None = None
    """what stands there, shortened; for people who look at the file, never for the log"""
    row: int | None = None
    """of Parquet, which has no lines; the first is 1"""

    def __str__(self) -> str:
        if self.row is not None:
            return f"row {self.row}: {self.message}"
        return self.message if self.line is None else f"line {self.line}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How often a rule was broken, and where first."""

    rule: str
    severity: Severity
    rows: int
    """how many rows, or places in the header"""
    first: tuple[Finding, ...]


class Refused(InputRefused):
    """The input breaks rules: the first error is the message, all that is known is in ``tallies``."""

    def __init__(self, tallies: Sequence[Tally], *, hint: str | None = None) -> None:
        self.tallies = tuple(tallies)
        super().__init__("inspect", "the file", self._summarize(_list_errors(tallies)), hint=hint)

    def _summarize(self, errors: Sequence[Tally]) -> str:
        total = sum(tally.rows for tally in errors)
        more = f" (and {total - 1} more)" if total > 1 else ""
        return f"{errors[0].first[0]}{more}"

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The first places of every rule."""
        return list_findings(self.tallies)

    def retell(self, tallies: Sequence[Tally]) -> None:
        """Have it tell of the same at other places."""
        self.tallies = tuple(tallies)
        self.cause = self._summarize(_list_errors(tallies))


def _list_errors(tallies: Sequence[Tally]) -> list[Tally]:
    return [tally for tally in tallies if tally.severity is Severity.ERROR]


@dataclass(frozen=True, kw_only=True)
class ChangedColumn:
    """A column whose cells are not of the type that its feed says."""

    property_name: str
    type: DataType
    """that its feed says"""
    said: str
    """for people: how many, and what they look like"""


class RowsRefused(Refused):
    """Rows of it break rules, and more than its feed bears: none of them is sent.

    ``hint`` says what to change in the feed, where that can help, as it ends a sentence that begins with "or".
    """

    def __init__(
        self,
        tallies: Sequence[Tally],
        *,
        refused_rows: int,
        records: int,
        policy: str,
        hint: str,
        changed: Sequence[ChangedColumn] = (),
    ) -> None:
        self.refused_rows = refused_rows
        self.records = records
        self.changed = tuple(changed)
        counts = f"{units.format_count(refused_rows)} of {units.format_count(records)} rows"
        share = units.format_percent(refused_rows, records)
        self.why = "; ".join([f"{counts} ({share}) break a rule, {policy}", *(column.said for column in self.changed)])
        """without the place of the first of them"""
        super().__init__(tallies, hint=hint)

    def _summarize(self, errors: Sequence[Tally]) -> str:
        return f"{self.why}; first {errors[0].first[0]}"

    def add(self, said: Sequence[str]) -> None:
        """Add what else is known of it to the reason."""
        self.why = "; ".join([self.why, *said])
        self.cause = "; ".join([self.cause, *said])


class NothingNew(Refused):
    """Every row of it was sent before, but for those that break a rule: nothing is left to send."""

    def __init__(self, tallies: Sequence[Tally], *, repeated_rows: int, records: int, sha256: str) -> None:
        self.sha256 = sha256
        """of the whole file as it came"""
        self.records = records
        self.repeated_rows = repeated_rows
        self._said = f"all {units.format_count(records)} rows of it were sent before"
        if repeated_rows < records:
            self._said = (
                f"no row of it is new: {units.format_count(repeated_rows)} of {units.format_count(records)} were sent"
                f" before, and the others break a rule"
            )
        elif records == 1:
            self._said = "its one row was sent before"
        found = tally([Finding(rule=NOTHING_NEW, message=self._said)])
        super().__init__([*found, *tallies], hint="nothing is left to send; see feeds.*.deduplicate")

    def _summarize(self, errors: Sequence[Tally]) -> str:  # noqa: ARG002 - what else is wrong with it matters no more
        return self._said


def tally(findings: Sequence[Finding], *, total: int | None = None) -> list[Tally]:
    """Return findings counted by rule, in their order; ``total`` is how many there are, where only some are given."""
    rules = list(dict.fromkeys(finding.rule for finding in findings))
    grouped = {rule: tuple(finding for finding in findings if finding.rule == rule) for rule in rules}
    return [
        Tally(
            rule=rule,
            severity=group[0].severity,
            rows=total if total is not None and len(rules) == 1 else len(group),
            first=group[:SHOWN],
        )
        for rule, group in grouped.items()
    ]


def merge(tallies: Sequence[Tally]) -> list[Tally]:
    """Return one tally for each rule, in their order. Pure."""
    merged: dict[str, Tally] = {}
    for found in tallies:
        before = merged.get(found.rule)
        merged[found.rule] = found if before is None else _add(before, found)
    return list(merged.values())


def _add(one: Tally, other: Tally) -> Tally:
    return replace(one, rows=one.rows + other.rows, first=(*one.first, *other.first)[:SHOWN])


def list_findings(tallies: Sequence[Tally]) -> tuple[Finding, ...]:
    """Return the first places of every rule."""
    return tuple(finding for found in tallies for finding in found.first)


def refuse(rule: str, message: str, *, line: int | None = None, hint: str | None = None) -> Refused:
    """Return the refusal for a single finding."""
    return Refused(tally([Finding(rule=rule, message=message, line=line)]), hint=hint)


def get_tallies(error: InputRefused) -> tuple[Tally, ...]:
    """Return what is known of a refusal, whatever refused it."""
    if isinstance(error, Refused):
        return error.tallies
    return tuple(tally([Finding(rule="input", message=error.cause)]))


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a file was when it was written: another size or time tells that a person changed it."""

    size: int
    mtime_ns: int


def render_quarantine(
    *, source_id: str, file: str, feed: str, error: InputRefused, failed_rows: Written | None, command: str
) -> bytes:
    """Return ``report.json`` of a quarantined source: what, where, how often, and what to do next. Pure.

    ``failed_rows`` is the file beside it, where there is one; ``command`` is how a person calls us.
    """
    return _render(
        {
            "source": source_id,
            "file": file,
            "feed": feed,
            "verdict": "quarantined",
            "reason": error.cause,
            "hint": error.hint,
            "refused_rows": error.refused_rows if isinstance(error, RowsRefused) else None,
            FAILED_ROWS: asdict(failed_rows) if failed_rows is not None else None,
        },
        get_tallies(error),
        spell_out(_say_next(source_id, file, error), command),
    )


def _say_next(source_id: str, file: str, error: InputRefused) -> str:
    if isinstance(error, NothingNew):
        return f"nothing of it is new: `sftp-orchestrator discard {source_id}` closes it"
    said = (
        f"correct {file.rpartition('/')[2]} here, keep its name, and run `sftp-orchestrator retry {source_id}`; or"
        " drop a corrected file"
    )
    if isinstance(error, RowsRefused):
        return (
            f"{said}; or {error.hint}. failed_rows.csv has copies of the refused rows,"
            f" {units.format_count(MOST_SHOWN_ROWS)} at most, for reading: dropped too they are sent twice"
        )
    return said


def render_rejection(
    *,
    source_id: str,
    file: str,
    feed: str,
    records: int,
    refused_rows: int,
    duplicate_rows: int,
    tallies: Sequence[Tally],
    failed_rows: Written | None,
) -> bytes:
    """Return ``report.json`` of a source whose good rows are sent and whose bad ones are kept. Pure."""
    came = records + refused_rows + duplicate_rows
    rows = f"of {units.format_count(came)} rows"
    reasons = [f"{units.format_count(refused_rows)} {rows} break a rule"] if refused_rows or not duplicate_rows else []
    reasons += [f"{units.format_count(duplicate_rows)} {rows} were there before"] if duplicate_rows else []
    return _render(
        {
            "source": source_id,
            "file": file,
            "feed": feed,
            "verdict": "rows refused" if refused_rows else "rows left out",
            "reason": "; ".join(reasons),
            "hint": None,
            "refused_rows": refused_rows,
            "duplicate_rows": duplicate_rows,
            "sent_rows": records,
            FAILED_ROWS: asdict(failed_rows) if failed_rows is not None else None,
        },
        tallies,
        "correct failed_rows.csv and drop it under staging, under a name that fits a pattern of the feed; leave its"
        " last column in place, which is not sent, and take rows out that cannot be put right"
        if refused_rows
        else "nothing: the rows that were there before are not sent again, and the original is kept in the archive",
    )


def read_failed_rows(content: bytes) -> Written | None:
    """Return what ``failed_rows.csv`` was beside a report; None where the report does not tell. Pure."""
    try:
        noted = json.loads(content)[FAILED_ROWS]
        return Written(size=noted["size"], mtime_ns=noted["mtime_ns"])
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, kw_only=True)
class KeptReport:
    """What is read again of a report."""

    reason: str
    rules: Mapping[str, int]
    """those that were broken, and in how many rows or places"""
    findings: tuple[Finding, ...]
    """the first places of every rule"""
    remedy: str | None
    """what to change in the feed, where too many rows were refused"""
    correction: str | None
    """how the file is corrected, where something else is wrong with it and that is known"""


def parse(content: bytes) -> KeptReport | None:
    """Return what a report says; None where it is none of ours any more. Pure."""
    try:
        found = json.loads(content)
        is_of_rows = found["refused_rows"] is not None
        return KeptReport(
            reason=str(found.get("reason", "")),
            rules={str(rule): int(count) for rule, count in found["rules"].items()},
            findings=tuple(_read_finding(one) for one in found.get("findings", ())),
            remedy=found["hint"] if is_of_rows else None,
            correction=found["hint"] if not is_of_rows else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read_finding(found: Mapping[str, Any]) -> Finding:
    known = {field.name: found[field.name] for field in fields(Finding) if field.name in found}
    return Finding(**{**known, "severity": Severity(found.get("severity", Severity.ERROR))})


def _render(head: dict[str, object], tallies: Sequence[Tally], next_step: str) -> bytes:
    report = {
        **head,
        "rules": {found.rule: found.rows for found in tallies},
        "findings": [asdict(finding) for finding in list_findings(tallies)],
        "next": next_step,
    }
    return json.dumps(report, indent=2, ensure_ascii=False).encode() + b"\n"
