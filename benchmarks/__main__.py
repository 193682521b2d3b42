"""``python -m benchmarks``: measures the cases, shows tables, ends with 1 where a budget is missed or a case fails."""

from __future__ import annotations

import datetime
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import reporting, running
from benchmarks.case import Bench
from benchmarks.cases import CASES
from benchmarks.running import Failed
from benchmarks.verdicts import Result, judge

TABLE_COLUMNS = 100


def main(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CASE]...", help="Which cases; all of them by default.")
    ] = None,
    *,
    work: Annotated[Path | None, typer.Option(help="Where files are kept for the next time.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="How often each is measured.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Files an eighth of the size, and only what matters every day.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where to keep the results.")] = None,
) -> None:
    """Measure our own speed and memory, against the peers and against what is promised."""
    chosen = names or [case.name for case in CASES.values() if case.is_quick or not quick]
    unknown = [name for name in chosen if name not in CASES]
    if unknown:
        raise typer.BadParameter(f"no case is called {unknown[0]}; there are {', '.join(CASES)}")
    # A pipe has no width: the table has, so that nothing in it is cut off.
    console = Console(width=None if sys.stdout.isatty() else TABLE_COLUMNS)
    told = Console(stderr=True)
    at = datetime.datetime.now(datetime.UTC)
    with _open_work(work) as folder:
        bench = Bench(work=folder, is_quick=quick, tell=lambda text: told.print(f"[dim]{text} …[/]"))
        outcomes = running.run_all([CASES[name] for name in chosen], bench, rounds=rounds)
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    verdicts = [judge(result, budget) for result in results for budget in CASES[result.case].budgets]
    console.print(reporting.make_results_table(results))
    console.print(reporting.make_verdicts_table(verdicts))
    if failed:
        console.print(reporting.make_failures_table(failed))
    if json_file is not None:
        document = reporting.make_document(results, verdicts, failed, at=at, is_quick=quick)
        json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(0 if not failed and all(verdict.is_met for verdict in verdicts) else 1)


@contextmanager
def _open_work(folder: Path | None) -> Iterator[Path]:
    """Give the folder for files; without one, a temporary folder that is removed at the end."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="sftp-orchestrator-bench-") as name:
        yield Path(name)


if __name__ == "__main__":
    typer.run(main)
