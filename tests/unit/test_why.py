"""Why a source stands aside, as what can be done about it asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.why import Why, find_of_quarantined
from sftp_orchestrator.workspace import Workspace
from tests.support.records import make_source


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"rules": {"file.nothing_new": 1}, "refused_rows": None, "hint": "x"}, Why(is_nothing_new=True)),
        ({"rules": {"ts.form": 9}, "refused_rows": 9, "hint": "set a key"}, Why(remedy="set a key")),
        ({"rules": {"quote.stray": 1}, "refused_rows": None, "hint": "quote it"}, Why(correction="quote it")),
        ({"rules": {"row.ragged": 1}, "refused_rows": None, "hint": None}, Why()),
        ([], Why()),
        (None, Why()),
    ],
    ids=["nothing new", "too many bad rows", "a rule with a hint", "another rule", "no report of ours", "none at all"],
)
def test_a_report_says_what_can_be_done(tmp_path: Path, report: object, why: Why) -> None:
    """What lies beside a quarantined file is read again; where that cannot be, nothing special is known, and told."""
    workspace, source = Workspace(root=tmp_path), make_source(state=SourceState.QUARANTINED)
    folder = workspace.get_quarantine(source.id)
    folder.mkdir(parents=True)
    if report is None:
        (folder / "report.json").mkdir()
    else:
        (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert find_of_quarantined(source, workspace) == why
