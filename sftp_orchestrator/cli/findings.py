"""How broken rules are shown: each with its count and its first places."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console

from sftp_orchestrator import units
from sftp_orchestrator.cli import layout
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.prepare.report import Tally
from sftp_orchestrator.rehearsal import Plan

PLACES = 3
"""How many places of a rule are shown; the report and ``--json`` have more."""


def print_misfit(console: Console, found: Plan) -> None:
    """Print why a file would not be taken as one of the feed that was named, where it would not."""
    if found.misfit is not None:
        layout.say(console, f"  In staging it would not be taken so: {found.misfit}")


def print_tallies(console: Console, tallies: Sequence[Tally]) -> None:
    """Print every rule that is broken, errors first."""
    for found in sorted(tallies, key=lambda tally: tally.severity is not Severity.ERROR):
        times = "once" if found.rows == 1 else f"{units.format_count(found.rows)} times"
        layout.say(console, f"  {found.severity}  {found.rule}, {times}")
        for finding in found.first[:PLACES]:
            layout.say(console, f"    {finding}" + (f" (got {_show(finding.value)})" if finding.value else ""))
        if found.rows > PLACES:
            layout.say(console, f"    and {units.format_count(found.rows - PLACES)} more")


def print_summary(console: Console, found: Plan) -> None:
    """Print what would become of a file that is not delivered, why, and what to do about it."""
    layout.say(console, f"  {found.summary}")
    if found.remedy is not None:
        layout.say(console, f"  To do: {found.remedy}")


def _show(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def describe_rows(found: Plan) -> str:
    """Return how many rows there are, and how many of them are not sent. Pure."""
    if found.rows is None:
        return "its rows were not counted"
    said = f"{units.format_count(found.rows)} row{'' if found.rows == 1 else 's'}"
    said += f", {units.format_count(found.refused_rows) if found.refused_rows else 'none'} refused"
    return (
        f"{said}, {units.format_count(found.duplicate_rows)} left out as duplicates" if found.duplicate_rows else said
    )
