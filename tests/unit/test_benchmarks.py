"""The benchmarks' pure parts: medians, verdicts, rows of the table, and the files that are measured."""

from __future__ import annotations

import csv
import io
import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import __main__ as bench_main
from benchmarks import data, reporting, running
from benchmarks.case import Bench, Case, Contender, Stage
from benchmarks.cases import CASES
from benchmarks.measuring import Measurement, MeasurementFailed
from benchmarks.running import ContendersDisagree
from benchmarks.verdicts import MB, OURS, Budget, Kind, Result, judge, spread
from sftp_orchestrator.destination.clevertap import FeedType

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "performance.md"


def make_measurement(seconds: float, *, peak: float = 100, rows: int = 1) -> Measurement:
    """Return a measurement; ``peak`` is MB."""
    return Measurement(
        seconds=seconds, cpu_seconds=seconds * 2, peak_bytes=int(peak * MB), load=0.5, facts={"rows": rows}
    )


def make_result(ours: list[Measurement], theirs: list[Measurement]) -> Result:
    """Return the result of a case of 100 MB."""
    return Result(case="read", bytes=100 * MB, measured={OURS: ours, "peer": theirs})


def test_spread_is_the_median_with_the_range() -> None:
    """One slow round among several does not move what is shown as the value."""
    found = spread([3.0, 1.0, 50.0])
    assert (found.median, found.lowest, found.highest) == (3.0, 1.0, 50.0)
    assert spread([1.0, 2.0]).median == 1.5


@pytest.mark.parametrize(
    ("budget", "measured", "is_met"),
    [
        (Budget(kind=Kind.SPEED, limit=50), 50.0, True),
        (Budget(kind=Kind.SPEED, limit=51), 50.0, False),
        (Budget(kind=Kind.TIMES_FASTER, limit=3, peer="peer"), 3.0, True),
        (Budget(kind=Kind.TIMES_FASTER, limit=3.5, peer="peer"), 3.0, False),
        (Budget(kind=Kind.SECONDS, limit=2), 2.0, True),
        (Budget(kind=Kind.SECONDS, limit=1.9), 2.0, False),
        (Budget(kind=Kind.CPU_SECONDS, limit=4), 4.0, True),
        (Budget(kind=Kind.CPU_SECONDS, limit=3), 4.0, False),
        (Budget(kind=Kind.PEAK, limit=300), 100.0, True),
        (Budget(kind=Kind.PEAK, limit=299), 100.0, False),
    ],
)
def test_budget_is_held_against_medians_and_the_highest_peak(budget: Budget, measured: float, *, is_met: bool) -> None:
    """Speed and ratio count by their median over the rounds, memory by the worst of them."""
    ours = [make_measurement(2), make_measurement(1, peak=300), make_measurement(4)]
    theirs = [make_measurement(6), make_measurement(2), make_measurement(40)]
    verdict = judge(make_result(ours, theirs), budget)
    assert (verdict.measured.median, verdict.is_met, verdict.case) == (measured, is_met, "read")


def test_ratio_is_taken_round_by_round() -> None:
    """A round in which the machine was busy slows both, and leaves the ratio as it is."""
    ours = [make_measurement(1), make_measurement(10), make_measurement(1)]
    theirs = [make_measurement(4), make_measurement(40), make_measurement(4)]
    assert make_result(ours, theirs).compare("peer") == [4.0, 4.0, 4.0]


def test_table_has_a_row_for_each_contender() -> None:
    """A row tells speed with its range, speed of a CPU, the highest peak and the load; ours stands first."""
    result = make_result([make_measurement(1), make_measurement(2, peak=200)], [make_measurement(4)] * 2)
    assert reporting.list_rows(result) == [
        ("read", OURS, "1.50", "100", "75 (50-100)", "38", "200", "0.5"),
        ("read", "peer", "4.00", "100", "25", "12", "100", "0.5"),
    ]
    assert reporting.make_results_table([result]).row_count == 2


def test_document_is_json_with_the_machine_and_each_verdict() -> None:
    """What is kept tells the machine, every measurement, and which budgets were met."""
    result = make_result([make_measurement(1)], [make_measurement(4)])
    verdict = judge(result, Budget(kind=Kind.TIMES_FASTER, limit=5, peer="peer"))
    document = json.loads(json.dumps(reporting.make_document([result], [verdict], [], at=data.NOW, is_quick=False)))
    assert document["machine"]["cpus"] >= 1
    assert document["results"][0]["measured"]["peer"][0]["seconds"] == 4
    (kept,) = document["verdicts"]
    assert (kept["promise"], kept["is_met"]) == ("at least 5 times as fast as the peer", False)


def _make_case(contenders: tuple[Contender, ...], name: str = "read") -> Case:
    def set_up(_: Bench) -> AbstractContextManager[Stage]:
        return nullcontext(Stage(bytes=1, contenders=contenders))

    return Case(name=name, rounds=2, budgets=(), set_up=set_up)


def test_contenders_take_turns(tmp_path: Path) -> None:
    """Every round has each contender once, ours first."""
    turns = []

    def make(name: str) -> Contender:
        def measure() -> Measurement:
            turns.append(name)
            return make_measurement(1)

        return Contender(name=name, measure=measure)

    bench = Bench(work=tmp_path, is_quick=True, tell=lambda _: None)
    result = running.run(_make_case((make(OURS), make("peer"))), bench)
    assert turns == [OURS, "peer", OURS, "peer"]
    assert {name: len(measured) for name, measured in result.measured.items()} == {OURS: 2, "peer": 2}


def test_contender_that_does_other_work_is_found_out(tmp_path: Path) -> None:
    """Speed counts only where all contenders saw the same rows."""
    lazy = Contender(name="peer", measure=lambda: make_measurement(1, rows=2))
    ours = Contender(name=OURS, measure=lambda: make_measurement(1, rows=3))
    bench = Bench(work=tmp_path, is_quick=True, tell=lambda _: None)
    with pytest.raises(ContendersDisagree, match="peer found 2 rows, not 3"):
        running.run(_make_case((ours, lazy)), bench)


def test_a_case_that_fails_keeps_no_other_from_being_measured(tmp_path: Path) -> None:
    """Its reason is told, in the order of the cases, in a table and in what is kept."""

    def fail() -> Measurement:
        raise MeasurementFailed("it ended with 1 [sic]")

    bench = Bench(work=tmp_path, is_quick=True, tell=lambda _: None)
    broken = _make_case((Contender(name=OURS, measure=fail),))
    whole = _make_case((Contender(name=OURS, measure=lambda: make_measurement(1)),))
    first, second = running.run_all([broken, whole], bench)
    assert first == running.Failed(case="read", reason="it ended with 1 [sic]")
    assert isinstance(second, Result)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(reporting.make_failures_table([first]))
    assert "it ended with 1 [sic]" in console.export_text()
    document = reporting.make_document([second], [], [first], at=data.NOW, is_quick=False)
    assert document["failed"] == [{"case": "read", "reason": "it ended with 1 [sic]"}]


def test_bench_ends_with_1_where_a_case_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else tells a script; the other case's table is there."""

    def fail() -> Measurement:
        raise MeasurementFailed("it ended with 1")

    broken = _make_case((Contender(name=OURS, measure=fail),), "broken")
    whole = _make_case((Contender(name=OURS, measure=lambda: make_measurement(1)),), "whole")
    monkeypatch.setattr(bench_main, "CASES", {"broken": broken, "whole": whole})
    command = typer.Typer()
    command.command()(bench_main.main)
    done = CliRunner().invoke(command, ["--work", str(tmp_path)])
    assert done.exit_code == 1
    assert "it ended with 1" in done.stdout
    assert OURS in done.stdout
    assert CliRunner().invoke(command, ["whole", "--work", str(tmp_path)]).exit_code == 0


@pytest.mark.parametrize("type_", list(FeedType))
def test_file_is_as_its_recipe_says(tmp_path: Path, type_: FeedType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just below its size, the same each time, valid CSV, every row another, with each difficulty in it."""
    monkeypatch.setattr(data, "BLOCK_BYTES", 200_000)
    data.make_block.cache_clear()
    recipe = data.Recipe(type=type_, size=900_000)
    content = data.make(tmp_path, recipe).read_bytes()
    (tmp_path / recipe.name).unlink()
    assert data.make(tmp_path, recipe).read_bytes() == content
    assert 900_000 - 1000 < len(content) <= 900_000
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    assert header[: len(data.FEEDS[type_])] == list(data.FEEDS[type_])
    assert {len(row) for row in rows} == {len(header)}
    assert len({tuple(row) for row in rows}) == len(rows)
    assert any('"' in cell for row in rows for cell in row)
    assert not content.isascii()
    assert type_ is FeedType.PROFILE or any("\n" in cell for row in rows for cell in row)
    data.make_block.cache_clear()


def test_every_case_is_documented_and_no_other() -> None:
    """performance.md tells of each case what it measures."""
    section = PAGE.read_text(encoding="utf-8").partition("## Cases")[2].partition("\n## ")[0]
    told = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert told == list(CASES)
