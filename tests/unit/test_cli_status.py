"""``status`` and ``history`` as people and programs read them, from a ledger with a source in each plight."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from sftp_orchestrator.cli import execute
from sftp_orchestrator.config.model import BlockedProfiles
from sftp_orchestrator.deliver.order import Backlog, Gate, decide_gate
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, Source
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.overview import SourceView, advise
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import Written, write_configuration
from tests.support.records import make_part, make_pending, make_source

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
WORKSPACE = Workspace(root=Path("/srv/workspace"))
LONG = "purchases_2026-01-02T03-04-05_export_from_the_warehouse_of_the_western_region_number_0001.csv"


@pytest.fixture(autouse=True)
def _fresh_log() -> Iterator[None]:
    """A log that leaves nothing to later tests."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A workspace with refused profiles, events that wait for them, and events whose receiver is away."""
    written = write_configuration(tmp_path)
    configuration = written.configuration
    Workspace(root=configuration.workspace).prepare()
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        away = _claim(ledger, "away000000", FeedType.EVENT, b"purchases_K\xf6ln.csv")
        ledger.sources.note_wait(away.id, "connect: no answer", retry_at=NOW + datetime.timedelta(days=36500))
        refused = _claim(ledger, "refused000", FeedType.PROFILE, b"customers.csv")
        ledger.sources.quarantine(refused.id, "line 2: a quoted field that begins here never ends")
        _claim(ledger, "waits00000", FeedType.EVENT, LONG.encode())
    return written


def _claim(ledger: Ledger, source_id: str, kind: FeedType, name: bytes) -> Source:
    claim = Claim(
        source_id=source_id,
        feed="purchases" if kind is FeedType.EVENT else "customers",
        type=kind,
        destination="production",
        relative_path=name,
        device=1,
        inode=1,
        size=1_000_000,
        mtime_ns=1,
    )
    ledger.sources.begin_claims([claim])
    return ledger.sources.finish_claim(claim)


def _call(written: Written, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = execute(["--config", str(written.path), *arguments])
    out, errors = capsys.readouterr()
    assert (code, errors) == (0, "")
    return out


def test_status_tells_what_waits_why_and_what_to_type(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """Each source that does not go on has a reason and, where a person can do something, the command with its id."""
    lines = _call(written, capsys, "status").splitlines()
    assert "refused000  why: line 2: a quoted field that begins here never ends" in lines
    assert f"refused000  next: read {written.configuration.workspace}/quarantine/refused000/report.json" in lines
    assert "refused000  next: sftp-orchestrator retry refused000" in lines
    waited = "waits for the profiles claimed before it: refused000 (customers.csv, quarantined)"
    assert f"waits00000  why: {waited}" in lines
    assert "waits00000  next: sftp-orchestrator release waits00000" in lines
    assert "away000000  why: connect: no answer" in lines
    assert any(line.startswith("away000000  next: it is tried again by itself at 21") for line in lines)
    assert lines[-1] == "2 waiting, 1 in need of a person. 0 files were delivered so far."


def test_piped_status_has_whole_names_and_ids(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """One can grep: a line has state, id and the whole name, also one that is no UTF-8."""
    out = _call(written, capsys, "status")
    assert f"waits00000  waiting      {LONG}  (purchases, 1.0 MB, " in out
    assert r"away000000  claimed      purchases_K\xf6ln.csv  (" in out


def test_status_shows_the_ledger_when_staging_is_gone(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """A staging folder that cannot be looked at is told as such, and hides nothing else."""
    shutil.rmtree(written.configuration.staging)
    out = _call(written, capsys, "status")
    assert f"look at staging {written.configuration.staging}: No such file or directory" in out
    assert "sftp-orchestrator retry refused000" in out


def test_json_stands_alone_on_stdout(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """``--json`` is one JSON document, with nothing before or after it."""
    status = json.loads(_call(written, capsys, "status", "--json"))
    assert [source["state"] for source in status["sources"]] == ["claimed", "quarantined", "claimed"]
    history = json.loads(_call(written, capsys, "history", "--json"))
    assert {move["source_id"] for move in history["moves"]} == {"away000000", "refused000", "waits00000"}


def test_history_of_a_source_tells_every_move_and_by_whom(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a move: when, from where to where, by whom, and why."""
    assert _call(written, capsys, "history") == "Nothing was delivered yet.\n"
    first, second = _call(written, capsys, "history", "refused000").splitlines()
    assert first.split()[2:] == ["claimed", "by", "daemon"]
    assert second.split()[2:5] == ["claimed", "→", "quarantined"]
    assert second.endswith("by daemon  line 2: a quoted field that begins here never ends")


def _advise(view: SourceView, gate: Gate | None = None) -> tuple[str, ...]:
    return advise(view, gate, WORKSPACE, NOW)


def test_uncertain_comes_before_everything_else() -> None:
    """A held source with an uncertain part is resolved, for neither ``retry`` nor ``release`` would do."""
    view = SourceView(
        source=make_source(state=SourceState.HELD), parts=(make_part(state=PartState.UNCERTAIN),), waits_for=None
    )
    assert view.word == "uncertain"
    assert _advise(view)[1:] == (
        "sftp-orchestrator resolve source1 --delivered",
        "sftp-orchestrator resolve source1 --resend",
    )


def test_held_offers_retry_and_release() -> None:
    """A held source goes on by a person's word."""
    view = SourceView(source=make_source(state=SourceState.HELD), parts=(), waits_for=None)
    assert _advise(view)[1:] == ("sftp-orchestrator retry source1", "sftp-orchestrator release source1")


def test_what_goes_on_by_itself_asks_for_nothing() -> None:
    """Neither a source on its way, nor events behind profiles that are on theirs, call a person."""
    profiles = make_source(number=1, type=FeedType.PROFILE, state=SourceState.READY)
    events = make_source(number=2, state=SourceState.READY)
    gate = decide_gate(events, Backlog([make_pending(number=1, state=profiles.state)]), BlockedProfiles.HOLD)
    waiting = SourceView(source=events, parts=(), waits_for=gate.explain())
    assert (waiting.word, waiting.needs_person, _advise(waiting, gate)) == ("waiting", False, ())
    assert _advise(SourceView(source=profiles, parts=(), waits_for=None)) == ()


def test_what_is_due_again_is_said_to_be() -> None:
    """A time that has passed is no promise: the next run tries again."""
    view = SourceView(source=make_source(state=SourceState.READY, retry_at=NOW), parts=(), waits_for=None)
    assert _advise(view) == ("it is tried again by itself, with the next run",)
