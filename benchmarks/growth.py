"""What does not grow: the cost of a source by what the ledger knows, a start, a look, and a scan of a full staging."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import yaml

from benchmarks import data, ledgers, measuring
from benchmarks.case import QUICK_DIVISOR, Bench, Case, Stage
from benchmarks.delivery import Place, make_small_files, make_stage, open_place
from benchmarks.measuring import Facts, Measurement, Work
from benchmarks.verdicts import OURS, Budget, Kind
from sftp_orchestrator import daemon, logs, threads
from sftp_orchestrator.config import loading
from sftp_orchestrator.deliver.archive import Archive
from sftp_orchestrator.deliver.run import Runner
from sftp_orchestrator.deliver.stations import Stations
from sftp_orchestrator.errors import ExitCode, LocalFault
from sftp_orchestrator.intake.intake import Intake
from sftp_orchestrator.ledger.database import LEDGER_FILE
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.overview import get_overview
from sftp_orchestrator.prepare.preparation import Preparation
from sftp_orchestrator.progress import Board
from sftp_orchestrator.retention import Retention
from sftp_orchestrator.workspace import Workspace

PARTS = 1_000_000
SOURCES = 200
STAGED = 100_000
EMPTY, STAT_LOOP = "empty ledger", "stat loop"
SCANS = 3
SETTLE_SECONDS = 3600
"""Longer than the measurement: all that is seen waits."""


def start(config: str) -> Facts:
    """Start as the daemon does, up to where it would look at staging."""
    logs.configure(quiet=True)
    configuration = loading.load(Path(config))

    async def begin() -> None:
        with daemon.open_daemon(configuration, Board()) as started:
            await started.recover()

    threads.run(begin())
    return {}


def look(config: str) -> Facts:
    """Ask what ``status`` asks."""
    configuration = loading.load(Path(config))
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        return {"shown": len(get_overview(configuration, ledger).sources)}


def deliver_more(config: str) -> Callable[[], Facts]:
    """Return what takes in, delivers and puts away what lies in staging, in a daemon that has started already."""
    logs.configure(quiet=True)
    configuration = loading.load(Path(config))
    workspace = Workspace(root=configuration.workspace)
    workspace.prepare()
    ledger = Ledger.open(configuration.ledger.url, workspace.root)
    archive = Archive(workspace, ledger, configuration.zone, keep_days=configuration.archive.keep_days)
    board = Board()

    async def deliver() -> Facts:
        stations = Stations(
            ledger=ledger,
            preparation=Preparation.open(configuration, workspace, ledger, board),
            archive=archive,
            board=board,
            hurry=asyncio.Event(),
        )
        await asyncio.to_thread(Intake(configuration, workspace, ledger).scan)
        claimed = await asyncio.to_thread(ledger.sources.list_in, {SourceState.CLAIMED})
        verdict = await Runner(configuration=configuration, stations=stations).run("once", claimed)
        await asyncio.to_thread(Retention(configuration, workspace, ledger).apply, data.NOW)
        await asyncio.to_thread(archive.put_away_all)
        if verdict.exit_code is not ExitCode.DONE:
            raise LocalFault("deliver", "what was dropped", f"the run ended with {verdict.exit_code}")
        return {"sources": verdict.delivered}

    return lambda: threads.run(deliver())


def scan_staging(config: str) -> Callable[[], Facts]:
    """Return what scans staging some times; nothing there is complete."""
    configuration = loading.load(Path(config))
    workspace = Workspace(root=configuration.workspace)
    workspace.prepare()
    intake = Intake(configuration, workspace, Ledger.open(configuration.ledger.url, workspace.root))
    return lambda: {"files": sum(len(intake.scan().waiting) for _ in range(SCANS))}


def stat_all(folder: str) -> Facts:
    """Look at each file of a folder as often, and do nothing with it."""
    count = 0
    for _ in range(SCANS):
        with os.scandir(folder) as entries:
            count += sum(entry.stat(follow_symlinks=False).st_size >= 0 for entry in entries)
    return {"files": count}


@contextmanager
def _set_up_source(bench: Bench) -> Iterator[Stage]:
    with _open_grown(bench) as (place, grown):
        measures: dict[str, Callable[[], Measurement]] = {
            OURS: lambda: place.measure_ours(deliver_more, ledger=grown),
            EMPTY: lambda: place.measure_ours(deliver_more),
        }
        yield make_stage(sum(path.stat().st_size for path in place.sources), measures)


def _set_up_question(work: Work) -> Callable[[Bench], AbstractContextManager[Stage]]:
    """Return what sets up something that is asked of a ledger that has seen much."""

    @contextmanager
    def set_up(bench: Bench) -> Iterator[Stage]:
        with _open_grown(bench) as (place, grown), place.open_ours(ledger=grown) as (config, _):
            size = grown.stat().st_size
            yield make_stage(size, {OURS: lambda: measuring.call(work, config=str(config))})

    return set_up


@contextmanager
def _open_grown(bench: Bench) -> Iterator[tuple[Place, Path]]:
    """Give a place with small files, and a ledger that has seen many parts of the same feed and destination."""
    count = (SOURCES // QUICK_DIVISOR if bench.is_quick else SOURCES) + 1
    with open_place(bench, lambda folder: make_small_files(folder, count)) as place:
        later = place.sources[1:]
        place.sources = place.sources[:1]
        with place.open_ours() as (config, _):
            measuring.call(deliver_more, config=str(config))
            template = loading.load(config).workspace / LEDGER_FILE
            parts = PARTS // QUICK_DIVISOR if bench.is_quick else PARTS
            grown = ledgers.make(bench.work, template, parts=parts, tell=bench.tell)
        place.sources = later
        yield place, grown


@contextmanager
def _set_up_staging(bench: Bench) -> Iterator[Stage]:
    count = STAGED // QUICK_DIVISOR if bench.is_quick else STAGED
    with open_place(bench, lambda _: []) as place, place.open_ours() as (config, _):
        configuration = loading.load(config)
        bench.tell(f"{count:,} files in staging")
        for number in range(count):
            (configuration.staging / f"events_{number:06}.csv").write_bytes(b"a\n")
        settings = yaml.safe_load(config.read_text(encoding="utf-8"))
        settings["intake"]["settle_seconds"] = SETTLE_SECONDS
        config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        measures: dict[str, Callable[[], Measurement]] = {
            OURS: lambda: measuring.call(scan_staging, config=str(config)),
            STAT_LOOP: lambda: measuring.call(stat_all, folder=str(configuration.staging)),
        }
        yield make_stage(2 * count, measures)


_MEMORY = Budget(kind=Kind.PEAK, limit=300)

CASES = (
    Case(
        name="ledger-growth",
        rounds=3,
        budgets=(Budget(kind=Kind.TIMES_FASTER, limit=1 / 1.1, peer=EMPTY), _MEMORY),
        set_up=_set_up_source,
    ),
    Case(
        name="ledger-start",
        rounds=3,
        budgets=(Budget(kind=Kind.SECONDS, limit=2), _MEMORY),
        set_up=_set_up_question(start),
    ),
    Case(name="ledger-status", rounds=3, budgets=(_MEMORY,), is_quick=False, set_up=_set_up_question(look)),
    Case(name="staging-growth", rounds=3, budgets=(_MEMORY,), set_up=_set_up_staging),
)
