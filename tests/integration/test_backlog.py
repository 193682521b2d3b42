"""Thousands of profile sources, and events behind them, wait: no look and no run costs more than their number."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog.testing

from sftp_orchestrator.cli.status import list_left_out
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import SCAN_PAUSE_SECONDS, get_scan_pause_seconds, open_daemon
from sftp_orchestrator.dispatch import get_poll_seconds
from sftp_orchestrator.figures import get_figures
from sftp_orchestrator.intake.intake import Intake
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.overview import get_complete_view, get_overview
from sftp_orchestrator.progress import Board
from sftp_orchestrator.web.metrics import render_metrics
from sftp_orchestrator.web.pulse import Pulse
from sftp_orchestrator.workspace import Workspace
from tests.support.backlogs import counting_statements, fill_ledger, noting_rows
from tests.support.configuration import write_configuration

FEW, MANY = 10, 200
MOST_BYTES_A_FILE = 1_200
"""What is kept of a file while staging is looked at: 100,000 of them, and the daemon stays below its 300 MB."""
MOST_CHARACTERS = 500
"""Of a reason: it is shown in one place, and stands in every event's row."""


def _make(folder: Path, count: int, **states: SourceState) -> Configuration:
    folder.mkdir()
    configuration = write_configuration(folder).configuration
    fill_ledger(configuration, count, **states)
    return configuration


def test_a_look_at_many_asks_the_ledger_no_more_often_than_at_few(tmp_path: Path) -> None:
    """Status and page read what waits in a fixed number of questions, and a reason names only the first."""
    asked = []
    for count in (FEW, MANY):
        configuration = _make(tmp_path / str(count), count)
        with (
            Ledger.open(configuration.ledger.url, configuration.workspace) as ledger,
            counting_statements(ledger) as statements,
        ):
            overview = get_overview(configuration, ledger)
        asked.append(len(statements))
        reasons = [view.reason or "" for view in overview.sources[count:]]
        assert all(f"and {count - 5} more" in reason and "p0000000" in reason for reason in reasons)
        assert max(map(len, reasons)) < MOST_CHARACTERS
    assert asked[0] == asked[1]


@pytest.mark.parametrize("profiles", [SourceState.CLAIMED, SourceState.QUARANTINED])
def test_a_look_at_the_first_of_many_reads_no_more_than_at_few(tmp_path: Path, profiles: SourceState) -> None:
    """What is shown is what a look at all shows of them, and the rest is counted."""
    most, given = FEW // 2, []
    for count in (FEW, MANY):
        configuration = _make(tmp_path / str(count), count, profiles=profiles, events=SourceState.PLANNED)
        with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
            whole = {view.source.id: view for view in get_overview(configuration, ledger).sources}
            with noting_rows(ledger) as rows:
                first = get_overview(configuration, ledger, most=most)
            # What events wait for is counted in full, by numbers alone.
            given.append(len(rows) - count)
            assert [view == whole[view.source.id] for view in first.sources] == [True] * len(first.sources)
            assert get_complete_view(f"e{count - 1:07d}", configuration, ledger) == whole[f"e{count - 1:07d}"]
        needing = count if profiles is SourceState.QUARANTINED else 0
        assert first.left_out.needing_a_person == max(0, needing - most)
        assert first.left_out.on_their_way == 2 * count - needing - most
        shown = 2 * most if needing else most
        assert len(first.sources) == shown
        assert list_left_out(first.left_out)
    assert given[1] <= given[0]


@pytest.mark.parametrize("policy", ["hold", "continue"])
def test_what_events_wait_for_is_the_same_in_a_look_at_the_first(tmp_path: Path, policy: str) -> None:
    """Of the profiles before them some were released, and of some a later file took the place."""
    configuration = write_configuration(
        tmp_path, {"destinations": {"production": {"blocked_profiles": policy}}}
    ).configuration
    fill_ledger(configuration, MANY, profiles=SourceState.QUARANTINED, events=SourceState.PLANNED)
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger, ledger._engine.begin() as connection:
        for where, change in (
            # A profile for each third event: delivered in the place of a quarantined one, or on its way.
            ("state = 'planned' AND number % 3 = 0", "type = 'profile', feed = 'customers', state = 'archived'"),
            ("state = 'planned' AND number % 7 = 0", "type = 'profile', feed = 'customers', state = 'ready'"),
            ("state = 'archived'", "relative_path = (SELECT relative_path FROM source WHERE number = 12)"),
            ("state = 'quarantined' AND number % 5 = 1", "released = 1"),
        ):
            connection.execute(sa.text(f"UPDATE source SET {change} WHERE {where}"))  # noqa: S608 - of ours
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        whole = {view.source.id: view for view in get_overview(configuration, ledger).sources}
        first = get_overview(configuration, ledger, most=MANY)
        events = [view for view in first.sources if view.source.id.startswith("e")]
        assert whole["p0000011"].replaced_by is not None
        assert [view == whole[view.source.id] for view in events] == [True] * len(events)
        for source_id in ("p0000003", "p0000011", "p0000012", "e0000001", "e0000100", "e0000199"):
            if source_id in whole:
                assert get_complete_view(source_id, configuration, ledger) == whole[source_id]


def test_metrics_read_no_source_by_itself(tmp_path: Path) -> None:
    """A monitor asks every few seconds: however many wait, the ledger gives it sums, and as many rows as of a few."""
    given = []
    for count in (FEW, MANY):
        configuration = _make(tmp_path / str(count), count, profiles=SourceState.QUARANTINED)
        with (
            Ledger.open(configuration.ledger.url, configuration.workspace) as ledger,
            noting_rows(ledger) as rows,
        ):
            figures = get_figures(configuration, ledger)
            given.append(len(rows))
        assert figures.counts == {"claimed": count, "quarantined": count}
        text = render_metrics(figures, Board(), Pulse()).decode()
        assert f'sftp_orchestrator_sources{{state="quarantined"}} {float(count)}' in text
    assert 0 < given[0] == given[1]


def test_looks_at_many_take_a_tenth_of_the_time_at_most() -> None:
    """Where a look takes seconds the next one comes later, but never much later; a few are looked at every 2 s."""
    waits = {seconds: get_poll_seconds(seconds) for seconds in (0.0, 0.1, 0.5, 2.5, 60.0)}
    assert waits == {0.0: 2.0, 0.1: 2.0, 0.5: 5.0, 2.5: 25.0, 60.0: 30.0}


def test_scans_of_many_files_leave_four_fifths_of_the_time() -> None:
    """However many hints inotify gives: what was not complete a moment ago is rarely so now. Claims are no delay."""
    found = {seconds: get_scan_pause_seconds(seconds, has_claimed=False, rescan_seconds=30) for seconds in (0.01, 2, 9)}
    assert found == {0.01: SCAN_PAUSE_SECONDS, 2: 8, 9: 30}
    assert get_scan_pause_seconds(600, has_claimed=True, rescan_seconds=30) == SCAN_PAUSE_SECONDS


def _drop_and_scan(folder: Path, count: int) -> tuple[float, int]:
    """Return what a scan that claims so many files costs: seconds of a core, and bytes at its peak."""
    folder.mkdir()
    configuration = write_configuration(folder).configuration
    workspace = Workspace(root=configuration.workspace)
    workspace.prepare()
    for number in range(count):
        (configuration.staging / f"purchases_{number:06}.csv").write_bytes(b"user_id\nu\n")
    with Ledger.open("sqlite", workspace.root) as ledger:
        intake = Intake(configuration, workspace, ledger)
        tracemalloc.start()
        began = time.process_time()
        claimed = intake.scan().claimed
        seconds = time.process_time() - began
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert intake.scan().claimed == 0
        total = len(ledger.sources.list_in({SourceState.CLAIMED}))
    assert (claimed, total) == (count, count)
    return seconds, peak


def test_thousands_that_are_dropped_at_once_cost_no_more_each_than_hundreds(tmp_path: Path) -> None:
    """Intake is linear in the number of files, in time and in memory: 100,000 of them are no other case than 1,000."""
    few, many = 150, 1_500
    _drop_and_scan(tmp_path / "first", 10)
    seconds, peak = _drop_and_scan(tmp_path / "few", few)
    more_seconds, more_peak = _drop_and_scan(tmp_path / "many", many)
    assert more_seconds / seconds < 2 * many / few, (seconds, more_seconds)
    assert (more_peak - peak) / (many - few) < MOST_BYTES_A_FILE, (peak, more_peak)


@pytest.mark.parametrize("profiles", [SourceState.HELD, SourceState.QUARANTINED])
async def test_a_run_tells_of_many_that_wait_in_one_line(tmp_path: Path, profiles: SourceState) -> None:
    """However many events wait, the log gets one short line, and the ledger their reasons in one transaction."""
    configuration = _make(tmp_path / "many", MANY, profiles=profiles, events=SourceState.PLANNED)
    with (
        open_daemon(configuration, Board()) as daemon,
        counting_statements(daemon._ledger) as statements,
        structlog.testing.capture_logs() as logs,
    ):
        verdict = await daemon.run_once()
    assert len(verdict.not_delivered) == MANY
    assert max(len(source.reason or "") for source in verdict.not_delivered) < MOST_CHARACTERS
    assert all("and 195 more" in (source.reason or "") for source in verdict.not_delivered)
    (line,) = [line for line in logs if line["event"] == "events_wait"]
    assert (line["destination"], line["sources"], line["source"]) == ("production", MANY, "e0000000")
    assert len(json.dumps(logs)) < 10 * MOST_CHARACTERS
    assert len([statement for statement in statements if statement.startswith("UPDATE source")]) == 1
