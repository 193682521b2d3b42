"""Shows results to people as tables, and keeps them as JSON with what the machine is."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from benchmarks.running import Failed
from benchmarks.verdicts import MB, Result, Spread, Verdict, spread

_LIBRARIES = ("duckdb",)
SMALL = 10
"""Below this a second digit tells something."""


def describe_machine() -> dict[str, str | int]:
    """Return what results depend on."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return {
        "processor": model[1] if model else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def make_results_table(results: Sequence[Result]) -> Table:
    """Return a table with a row for each contender. Pure."""
    table = Table(title="Medians of all rounds (lowest to highest)", title_justify="left", box=box.SIMPLE)
    for name in ("case", "by"):
        table.add_column(name, no_wrap=True)
    for name in ("seconds", "MB", "MB/s", "MB/CPU s", "peak MB", "load"):
        table.add_column(name, justify="right")
    for result in results:
        for row in list_rows(result):
            table.add_row(*row)
        table.add_section()
    return table


def list_rows(result: Result) -> list[tuple[str, ...]]:
    """Return the cells of a case's rows, one row for each contender. Pure."""
    return [
        (
            result.case,
            contender,
            f"{spread([found.seconds for found in measured]).median:,.2f}",
            f"{result.bytes / MB:,.0f}",
            _show(spread(result.get_speeds(contender)), 0),
            f"{spread(result.get_speeds_per_cpu(contender)).median:,.0f}",
            f"{max(found.peak_bytes for found in measured) / MB:,.0f}",
            f"{spread([found.load for found in measured]).median:,.1f}",
        )
        for contender, measured in result.measured.items()
    ]


def make_verdicts_table(verdicts: Sequence[Verdict]) -> Table:
    """Return a table with a row for each budget. Pure."""
    table = Table(title="Budgets", title_justify="left", box=box.SIMPLE)
    for name in ("case", "budget", "measured", "verdict"):
        table.add_column(name, justify="right" if name == "measured" else "left")
    for verdict in verdicts:
        said = "[green]met[/]" if verdict.is_met else "[bold red]missed[/]"
        table.add_row(
            verdict.case,
            verdict.budget.describe(),
            _show(verdict.measured, 2 if verdict.measured.median < SMALL else 1),
            said,
        )
    return table


def make_failures_table(failed: Sequence[Failed]) -> Table:
    """Return a table with a row for each case that was not measured to its end. Pure."""
    table = Table(title="Failed", title_justify="left", box=box.SIMPLE)
    for name in ("case", "reason"):
        table.add_column(name)
    for failure in failed:
        table.add_row(failure.case, Text(failure.reason, style="bold red"))
    return table


def make_document(
    results: Sequence[Result],
    verdicts: Sequence[Verdict],
    failed: Sequence[Failed],
    *,
    at: datetime.datetime,
    is_quick: bool,
) -> dict[str, object]:
    """Return results and verdicts as JSON takes them."""
    return {
        "at": at.isoformat(timespec="seconds"),
        "quick": is_quick,
        "machine": describe_machine(),
        "results": [dataclasses.asdict(result) for result in results],
        "failed": [dataclasses.asdict(failure) for failure in failed],
        "verdicts": [{**dataclasses.asdict(verdict), "promise": verdict.budget.describe()} for verdict in verdicts],
    }


def _show(found: Spread, digits: int) -> str:
    """Return a median, and the range where there is one."""
    median, lowest, highest = (f"{value:,.{digits}f}" for value in (found.median, found.lowest, found.highest))
    return median if lowest == highest else f"{median} ({lowest}-{highest})"
