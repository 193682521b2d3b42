"""``status`` and ``history`` as people and programs read them, from a ledger with a source in each plight."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from sftp_orchestrator.advice import advise
from sftp_orchestrator.cli import execute, options
from sftp_orchestrator.cli.status import list_left_out
from sftp_orchestrator.config.model import BlockedProfiles
from sftp_orchestrator.config.places import VARIABLE
from sftp_orchestrator.deliver.order import Backlog, Gate, decide_gate
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.intake.lock import WorkspaceLock
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, Source
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.overview import LeftOut
from sftp_orchestrator.prepare.why import Why
from sftp_orchestrator.views import SourceView
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import Written, write_configuration
from tests.support.records import make_part, make_pending, make_source

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
WORKSPACE = Workspace(root=Path("/srv/workspace"))
WAITED = "waits for the profiles claimed before it: refused000 (customers.csv, quarantined)"
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
    return ledger.sources.finish_claims([claim])[0]


def _call(written: Written, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = execute(["--config", str(written.path), *arguments])
    out, errors = capsys.readouterr()
    assert (code, errors) == (0, "")
    return out


def test_status_tells_what_waits_why_and_what_to_type(
    written: Written, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source that does not go on has a reason and, where a person can do something, the command with its id."""
    monkeypatch.setenv(VARIABLE, str(written.path))
    with WorkspaceLock(Workspace(root=written.configuration.workspace).lock):
        assert execute(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "refused000  why: line 2: a quoted field that begins here never ends" in lines
    assert f"refused000  next: read {written.configuration.workspace}/quarantine/refused000/report.json" in lines
    assert "refused000  next: sftp-orchestrator retry refused000" in lines
    assert f"waits00000  why: {WAITED}" in lines
    assert "waits00000  next: sftp-orchestrator release refused000" in lines
    assert "waits00000  next: sftp-orchestrator release waits00000" in lines
    assert "away000000  why: connect: no answer" in lines
    assert any(line.startswith("away000000  next: it is tried again by itself at 21") for line in lines)
    assert lines[-1] == "2 waiting, 1 in need of a person. 0 files were delivered so far."
    assert not [line for line in lines if "--config" in line]


def test_status_tells_the_limit_that_holds_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever wonders why it is slow reads that it is meant; a timetable without a limit now is told to programs."""
    day = {"00:00": "5 MB/s"}
    written = write_configuration(tmp_path, {"destinations": {"production": {"bandwidth": day}}})
    Workspace(root=written.configuration.workspace).prepare()
    assert "Sends at most 5.0 MB/s to production now (bandwidth).\n" in _call(written, capsys, "status")
    told = json.loads(_call(written, capsys, "status", "--json"))["bandwidth_limits"]
    assert told == [{"destination": "production", "bytes_per_second": 5_000_000}]
    write_configuration(tmp_path, {"destinations": {"production": {"bandwidth": "off"}}})
    assert "Sends at most" not in _call(written, capsys, "status")
    told = json.loads(_call(written, capsys, "status", "--json"))["bandwidth_limits"]
    assert told == [{"destination": "production", "bytes_per_second": None}]


def test_commands_are_told_as_they_must_be_typed(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """Where an option named the configuration, what is to be typed next carries it, quoted for the shell."""
    config = written.path.with_name("my config.yml")
    config.write_bytes(written.path.read_bytes())
    with WorkspaceLock(Workspace(root=written.configuration.workspace).lock):
        for arguments in (["--config", str(config), "status"], ["status", "--config", str(config)]):
            assert execute(arguments) == 0
            lines = capsys.readouterr().out.splitlines()
            assert f"refused000  next: sftp-orchestrator --config '{config}' retry refused000" in lines


def test_status_says_whether_anybody_is_at_work(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """No daemon, a daemon, or a pass: in the last line, in what is promised, and in the JSON."""
    lock = Workspace(root=written.configuration.workspace).lock
    command = f"sftp-orchestrator --config {written.path}"
    lines = _call(written, capsys, "status").splitlines()
    assert lines[-1] == (
        f"No daemon runs. Start it (systemctl start sftp-orchestrator; by hand: {command} run), or deliver once:"
        f" {command} run --once"
    )
    assert "away000000  next: it is tried again with the next run, but no daemon runs" in lines
    assert json.loads(_call(written, capsys, "status", "--json"))["daemon"]["running"] is False
    with WorkspaceLock(lock):
        assert "daemon" not in _call(written, capsys, "status")
        daemon = json.loads(_call(written, capsys, "status", "--json"))["daemon"]
        assert (daemon["running"], daemon["pid"]) == (True, os.getpid())
    with WorkspaceLock(lock, is_pass=True):
        last = _call(written, capsys, "status").splitlines()[-1]
        assert last.startswith(f"A pass of run --once is at work: process {os.getpid()} ")
        daemon = json.loads(_call(written, capsys, "status", "--json"))["daemon"]
        assert (daemon["running"], daemon["pid"]) == (False, os.getpid())


@pytest.mark.parametrize("word", ["retry", "release"])
def test_a_decision_says_when_it_is_carried_out(
    written: Written, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    """A daemon notices within seconds; a pass has its list already, and without either nothing happens yet."""
    lock = Workspace(root=written.configuration.workspace).lock
    assert _call(written, capsys, word, "refused000").endswith(" with the next run; no daemon runs.\n")
    with WorkspaceLock(lock, is_pass=True):
        assert _call(written, capsys, word, "refused000").endswith(" with the next run; no daemon runs.\n")
    with WorkspaceLock(lock):
        assert _call(written, capsys, word, "refused000").endswith(" within seconds.\n")


def test_several_are_decided_about_each_by_itself(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each, on stdout or stderr, whatever is wrong with another; the code is the worst. Twice is once."""
    arguments = ["--config", str(written.path), "retry", "refused000", "nobody0000", "away000000", "refused000"]
    assert execute(arguments) == 2
    out, errors = capsys.readouterr()
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["refused000", "away000000"]
    assert errors.startswith("sftp-orchestrator: find source nobody0000: ")
    assert errors.count("\n") == 1
    out = _call(written, capsys, "release", "refused000", "waits00000")
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["refused000", "waits00000"]


def test_several_are_given_up_for_one_reason(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has it in its history, one that waits too; one that is given up already is told."""
    arguments = ["--config", str(written.path), "discard", "waits00000", "refused000", "--reason", "copies"]
    assert execute(arguments) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told if " is discarded; " in line] == ["waits00000", "refused000"]
    for source_id in ("waits00000", "refused000"):
        assert "given up by a person: copies" in _call(written, capsys, "history", source_id)
    assert execute(arguments[:-3]) == 2
    assert capsys.readouterr().err.startswith("sftp-orchestrator: discard source waits00000: it is discarded; only")


def test_status_tells_what_waits_for_the_schedule_and_until_when(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next tick by its zone's clock and ours, and what sends it now; behind refused profiles, these come first."""
    # Half a year off, whatever today is: what is near is told without its day.
    month = (datetime.datetime.now(datetime.UTC).month + 5) % 12 + 1
    schedule = {"schedule": {"deliver": f"30 12 15 {month} *"}, "timezone": "Asia/Kolkata"}
    written = write_configuration(tmp_path, schedule)
    workspace = Workspace(root=written.configuration.workspace)
    workspace.prepare()
    with Ledger.open(written.configuration.ledger.url, written.configuration.workspace) as ledger:
        _claim(ledger, "profiles00", FeedType.PROFILE, b"customers.csv")
        _claim(ledger, "events0000", FeedType.EVENT, b"purchases.csv")
    command = f"sftp-orchestrator --config {written.path}"
    with WorkspaceLock(workspace.lock):
        lines = _call(written, capsys, "status").splitlines()
        at = json.loads(_call(written, capsys, "status", "--json"))["next_delivery_at"]
    assert re.fullmatch(rf"\d{{4}}-{month:02}-15T07:00:00\+00:00", at)
    told = f"next at {at[:10]} 12:30 Asia/Kolkata ({at[:10]} 07:00 UTC, in "
    assert any(line.startswith(f"profiles00  why: waits for the schedule, {told}") for line in lines)
    assert f"profiles00  next: {command} retry profiles00" in lines
    assert "events0000  next: to send it now, its profiles first:" in lines
    assert f"events0000  next: {command} retry events0000" in lines
    assert any(line.startswith(f"Schedule: {told}") for line in lines)
    assert "2 waiting. 0 files were delivered so far." in lines
    lines = _call(written, capsys, "status").splitlines()
    assert "profiles00  why: no daemon runs" in lines
    with WorkspaceLock(workspace.lock):
        said = _call(written, capsys, "retry", "profiles00")
    passed = "profiles00 (customers.csv) is claimed and is sent within seconds, ahead of the schedule, "
    assert said.startswith(f"{passed}{told}")
    with Ledger.open(written.configuration.ledger.url, written.configuration.workspace) as ledger:
        ledger.sources.quarantine("profiles00", "bad")
    with WorkspaceLock(workspace.lock):
        lines = _call(written, capsys, "status").splitlines()
    assert f"events0000  next: {command} release profiles00" in lines


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
    assert "retry refused000" in out


def test_json_stands_alone_on_stdout(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """``--json`` is one JSON document, with nothing before or after it."""
    status = json.loads(_call(written, capsys, "status", "--json"))
    assert [source["state"] for source in status["sources"]] == ["claimed", "quarantined", "claimed"]
    history = json.loads(_call(written, capsys, "history", "--json"))
    assert {move["source_id"] for move in history["moves"]} == {"away000000", "refused000", "waits00000"}


def test_history_of_a_source_tells_every_move_and_by_whom(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a move: when, from where to where, by whom, and why."""
    assert _call(written, capsys, "history") == "Nothing was delivered yet.\n"
    head, why, *told, first, second = _call(written, capsys, "history", "refused000").splitlines()
    assert re.fullmatch(r"refused000  quarantined  customers\.csv  \(customers, 1\.0 MB, \d+ s ago\)", head)
    assert why == "refused000  why: line 2: a quoted field that begins here never ends"
    assert f"refused000  next: sftp-orchestrator --config {written.path} retry refused000" in told
    assert all(line.startswith("refused000  next: ") for line in told)
    assert first.split()[2:] == ["UTC", "claimed", "by", "itself"]
    assert second.split()[2:6] == ["UTC", "claimed", "→", "quarantined"]
    assert second.endswith("by itself  line 2: a quoted field that begins here never ends")
    waiting = _call(written, capsys, "history", "waits00000").splitlines()
    assert waiting[1] == f"waits00000  why: {WAITED}", "as status has it"
    _call(written, capsys, "release", "refused000")
    assert f"by {options.get_person()}  released by a person" in _call(written, capsys, "history", "refused000")


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
    assert _advise(view)[1:3] == ("sftp-orchestrator retry source1", "sftp-orchestrator release source1")


def _get_commands(why: Why, state: SourceState = SourceState.HELD) -> list[str]:
    steps = _advise(SourceView(source=make_source(state=state), parts=(), waits_for=None, why=why))
    return [step.removeprefix("sftp-orchestrator ") for step in steps if step.startswith("sftp-orchestrator ")]


def test_what_can_be_done_fits_why_it_stands_still() -> None:
    """A copy is not offered ``retry``, which cannot help; of other types the first choice is to accept them."""
    assert _get_commands(Why(is_copy=True)) == ["discard source1", "release source1"]
    assert _get_commands(Why(changes_types=True)) == [
        "schema accept source1",
        "retry source1",
        "release source1",
        "discard source1",
    ]
    assert _get_commands(Why(is_nothing_new=True), SourceState.QUARANTINED) == ["discard source1"]


def test_a_key_that_lets_the_good_rows_go_is_offered() -> None:
    """Of a file with too many bad rows, beside the correction, with the same command after it."""
    why = Why(remedy="set max_bad_rows of its feed to 0.021")
    view = SourceView(source=make_source(state=SourceState.QUARANTINED), parts=(), waits_for=None, why=why)
    original = f"{WORKSPACE.root}/quarantine/source1/purchases-1.csv"
    assert _advise(view)[1:3] == (
        f"then correct {original}; or set max_bad_rows of its feed to 0.021, and reload the daemon; then:",
        "sftp-orchestrator retry source1",
    )


def test_how_a_file_is_corrected_is_told_before_which() -> None:
    """As ``validate`` and the report tell it: who reads status or an alert has neither at hand."""
    why = Why(correction='write the field in quotes, and a quote within it as ""')
    view = SourceView(source=make_source(state=SourceState.QUARANTINED), parts=(), waits_for=None, why=why)
    steps = _advise(view)
    assert steps[1] == why.correction
    assert steps[2].startswith("then correct ")


def test_the_file_to_correct_is_named() -> None:
    """``failed_rows.csv`` lies in the same folder, and whoever corrects that corrects nothing."""
    view = SourceView(source=make_source(state=SourceState.QUARANTINED), parts=(), waits_for=None)
    assert _advise(view)[1] == f"then correct {WORKSPACE.root}/quarantine/source1/purchases-1.csv, and:"


@pytest.mark.parametrize("state", [SourceState.QUARANTINED, SourceState.HELD])
def test_what_waits_for_a_person_may_be_given_up_last(state: SourceState) -> None:
    """The last thing offered is to discard it: by then everything else was."""
    view = SourceView(source=make_source(state=state), parts=(), waits_for=None)
    assert _advise(view)[-1] == "sftp-orchestrator discard source1"


def test_held_without_its_file_offers_what_can_help() -> None:
    """``release`` brings no file back: the path where it belongs is told, and ``retry``."""
    view = SourceView(
        source=make_source(state=SourceState.HELD), parts=(), waits_for=None, missing=Path("/w/work/source1/source.csv")
    )
    assert _advise(view) == (
        "put the file back as /w/work/source1/source.csv, then:",
        "sftp-orchestrator retry source1",
        "or give it up, and nothing more of it is sent:",
        "sftp-orchestrator discard source1",
    )


def test_what_was_replaced_is_told_and_can_only_be_closed() -> None:
    """Whose place a delivered file took is not to be sent over it; no command is offered that does."""
    profiles = make_source(number=1, type=FeedType.PROFILE, state=SourceState.QUARANTINED)
    view = SourceView(source=profiles, parts=(), waits_for=None, replaced_by=make_source(number=4, changed_at=NOW))
    assert view.notes == (("note", "replaced by source4, delivered 2026-01-02 00:00 UTC: no events wait for it"),)
    assert _advise(view) == (
        "nothing of it is needed any more; close it:",
        "sftp-orchestrator discard source1",
    )


def test_what_was_released_is_marked() -> None:
    """A profile source that stays aside after ``release`` says that nobody waits for it."""
    profiles = make_source(type=FeedType.PROFILE, state=SourceState.QUARANTINED, released=True)
    view = SourceView(source=profiles, parts=(), waits_for=None)
    assert view.notes == (("note", "released: no events wait for it"),)


def test_events_that_wait_for_refused_profiles_name_the_commands_for_these() -> None:
    """Each of the first few is released by its own id, or the events by theirs; of many the number is told."""
    profiles = [make_pending(number=number, state=SourceState.QUARANTINED) for number in range(1, 8)]
    events = make_source(number=9)
    gate = decide_gate(events, Backlog(profiles), BlockedProfiles.HOLD)
    steps = _advise(SourceView(source=events, parts=(), waits_for=gate.explain()), gate)
    assert [step for step in steps if step.startswith("sftp-orchestrator ")] == [
        *(f"sftp-orchestrator release profiles{number}" for number in (1, 2, 3)),
        "sftp-orchestrator release source9",
    ]
    assert "and 4 more" in steps


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


def test_what_is_only_counted_is_told_with_the_command_that_lists_it() -> None:
    """What needs a person last, right above what is listed; nothing where all is."""
    assert list_left_out(LeftOut()) == []
    lines = list_left_out(LeftOut(needing_a_person=1, on_their_way=99_800))
    assert lines == [
        "… and 99,800 more that need nobody: `sftp-orchestrator status --all` lists them all",
        "… and 1 more that need a person: `sftp-orchestrator status --all` lists them all",
    ]
