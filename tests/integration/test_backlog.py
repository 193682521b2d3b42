"""Thousands of profile sources, and events behind them, wait: no look and no run costs more than their number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import structlog.testing

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.overview import get_overview
from sftp_orchestrator.progress import Board
from tests.support.backlogs import counting_statements, fill_ledger
from tests.support.configuration import write_configuration

FEW, MANY = 10, 200
MOST_CHARACTERS = 500
"""Of a reason: it is shown in one place, and stands in every event's row."""


def _make(folder: Path, count: int, **states: SourceState) -> Configuration:
    folder.mkdir()
    configuration = write_configuration(folder).configuration
    fill_ledger(configuration, count, **states)
    return configuration


def test_a_look_at_many_asks_the_ledger_no_more_often_than_at_few(tmp_path: Path) -> None:
    """Status, page and metrics read what waits in a fixed number of questions, and a reason names only the first."""
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
