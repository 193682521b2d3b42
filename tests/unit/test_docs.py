"""The documentation and the code say the same: what one of them has and the other has not, fails here."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from typer.core import TyperGroup, TyperOption

from sftp_orchestrator.cli import execute
from sftp_orchestrator.cli.app import app
from sftp_orchestrator.cli.help import list_endings
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.desk import Desk
from sftp_orchestrator.destination.rules import RULES
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.intake.intake import Intake
from sftp_orchestrator.intake.lock import WorkspaceLock
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import PART_MOVES, SOURCE_MOVES, PartState, SourceState
from sftp_orchestrator.measuring import Stage
from sftp_orchestrator.prepare.preparation import Preparation
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.web.app import make_app
from sftp_orchestrator.web.pulse import Pulse
from sftp_orchestrator.workspace import Workspace
from tests.support import intakes
from tests.support.configuration import Written, write_configuration
from tests.support.records import make_pause

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sftp_orchestrator"
DOCS = ROOT / "docs"
WRITTEN = tuple(page for page in sorted(DOCS.rglob("*.md")) if not page.is_symlink())
"""The pages in ``docs``; ``index.md``, by which the site begins, is only another name of ``README.md``."""
PAGES = (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *WRITTEN)
GENERAL = "Before the command"
"""The heading in commands.md under which the options that stand before every command are."""
SOURCES = ("sources", "with_refused_rows")
"""The lists of ``status --json`` that have sources in them."""
LOG_METHODS = frozenset({"debug", "info", "warning", "error", "critical", "exception"})


# Reading Markdown.


def _read(path: str) -> str:
    return (DOCS / path).read_text(encoding="utf-8")


def _get_sections(text: str) -> dict[str, str]:
    """Return what stands under each heading of the second level, by its text without backticks."""
    pieces = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)[1:]
    headings = [heading.replace("`", "").strip() for heading in pieces[::2]]
    assert len(set(headings)) == len(headings)
    return dict(zip(headings, pieces[1::2], strict=True))


def _list_rows(text: str) -> list[tuple[str, ...]]:
    """Return the cells of every row of every table in ``text``, without the rows that head a table."""
    lines = text.splitlines()
    rows = [index for index, line in enumerate(lines) if line.lstrip().startswith("|")]
    ruled = {index for index in rows if set(lines[index].strip()) <= set("|-: ")}
    heads = {index - 1 for index in ruled}
    return [
        tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", lines[index].strip())[1:-1])
        for index in rows
        if index not in ruled | heads
    ]


def _list_names(text: str) -> list[str]:
    """Return what stands in backticks at the start of each row's first cell."""
    return [found[1] for row in _list_rows(text) if (found := re.match(r"`([^`]+)`", row[0]))]


def _get_anchors(text: str) -> set[str]:
    """Return the anchors of the headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# Reading code.


def _list_trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def _list_calls() -> Iterator[ast.Call]:
    for _, tree in _list_trees():
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _get_text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _list_rules() -> set[str]:
    """Return the ids of all rules: the first argument of ``refuse`` and ``Broken``, and ``rule=`` of a finding."""
    found: set[str | None] = set()
    for call in _list_calls():
        if isinstance(call.func, ast.Name) and call.func.id in {"refuse", "Broken"}:
            found.add(_get_text(next(iter(call.args), None)))
        found |= {_get_text(keyword.value) for keyword in call.keywords if keyword.arg == "rule"}
    return {rule for rule in found if rule is not None}


def _list_events() -> set[tuple[str, str]]:
    """Return every event that is logged by its name, with its level."""
    found = set()
    for call in _list_calls():
        method = call.func
        if not isinstance(method, ast.Attribute) or method.attr not in LOG_METHODS:
            continue
        if isinstance(method.value, ast.Name) and method.value.id.casefold().strip("_") == "log":
            event = _get_text(next(iter(call.args), None))
            found |= {(event, method.attr)} if event is not None else set()
    return found


def _list_known_names() -> set[str]:
    """Return the names of modules, packages, classes, functions, states and commands."""
    known = {state.value for state in (*SourceState, *PartState)} | set(_list_commands())
    for path, tree in _list_trees():
        known |= {path.stem, path.parent.name}
        known |= {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
    return known


# The command line.


def _list_commands() -> dict[str, set[str]]:
    """Return the long options of every command that does something, by its full name."""
    return {name: _list_options(command) for name, command in _walk(typer.main.get_command(app), ())}


def _list_endings() -> dict[str, list[tuple[str, str]]]:
    """Return the exit codes of every command that does something, and when it ends so, by its full name."""
    return {name: list_endings(command) for name, command in _walk(typer.main.get_command(app), ())}


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own click
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from _walk(below, (*path, name))
    else:
        yield " ".join(path), command


def _list_options(command: Any) -> set[str]:  # noqa: ANN401 - typer's own click
    options = [parameter for parameter in command.params if isinstance(parameter, TyperOption)]
    return {name for option in options for name in option.opts if name.startswith("--")}


def _list_documented_options(section: str) -> set[str]:
    return {name.split()[0] for name in _list_names(section) if name.startswith("--")}


def test_every_command_is_documented_and_no_other() -> None:
    """commands.md has a section for each command of the command line, and for nothing else."""
    sections = _get_sections(_read("reference/commands.md"))
    assert set(sections) - {"Exit codes", GENERAL} == set(_list_commands())


@pytest.mark.parametrize("command", sorted(_list_commands()))
def test_every_option_is_documented_and_no_other(command: str) -> None:
    """A command's section lists exactly its options."""
    section = _get_sections(_read("reference/commands.md"))[command]
    assert _list_documented_options(section) == _list_commands()[command]


def test_options_before_the_command_are_documented() -> None:
    """The options that stand before every command are listed, and no other."""
    section = _get_sections(_read("reference/commands.md"))[GENERAL]
    assert _list_documented_options(section) == _list_options(typer.main.get_command(app))


def test_exit_codes_are_those_of_the_code() -> None:
    """commands.md lists every exit code with its name, and no other."""
    rows = _list_rows(_get_sections(_read("reference/commands.md"))["Exit codes"])
    assert [(code, name) for code, name, _ in rows] == [(f"`{code.value}`", f"`{code.name}`") for code in ExitCode]


@pytest.mark.parametrize("command", sorted(_list_commands()))
def test_how_a_command_ends_is_documented_as_its_help_says(command: str) -> None:
    """A command's section has exactly the exit codes that its ``--help`` has, in the same words."""
    rows = _list_rows(_get_sections(_read("reference/commands.md"))[command])
    told = [(row[0].strip("`"), row[1]) for row in rows if re.fullmatch(r"`\d+`", row[0])]
    assert told == _list_endings()[command]


def test_exit_codes_of_a_pass_are_all_told() -> None:
    """The guide for cron tells what each exit code means there."""
    section = _get_sections(_read("how-to/run-from-cron-or-airflow.md"))["Exit codes"]
    assert _list_names(section) == [str(code.value) for code in ExitCode]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_examples_exist(page: Path) -> None:
    """What a page shows to be typed begins with a command that exists."""
    text = page.read_text(encoding="utf-8")
    code = "\n".join(
        [*re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL), *re.findall(r"`[^`\n]+`", text)]
    )
    first = {name.split()[0] for name in _list_commands()}
    typed = re.findall(r"sftp-orchestrator(?: --config \S+)? ([a-z]+)\b(?!=)", code)
    assert {word for word in typed if word not in first} <= {"sftp"}


# States.


@pytest.mark.parametrize(("heading", "states"), [("States of a source", SourceState), ("States of a part", PartState)])
def test_every_state_is_documented_and_no_other(heading: str, states: type[SourceState | PartState]) -> None:
    """states.md lists exactly the states of the ledger, in their order."""
    section = _get_sections(_read("reference/states.md"))[heading]
    assert _list_names(section) == [state.value for state in states]


@pytest.mark.parametrize(("heading", "moves"), [("Moves of a source", SOURCE_MOVES), ("Moves of a part", PART_MOVES)])
def test_every_move_is_documented_with_its_why_and_no_other(
    heading: str, moves: Sequence[tuple[SourceState | PartState, SourceState | PartState, str]]
) -> None:
    """The tables and diagrams of states.md have exactly the legal moves, each with the code's own reason."""
    section = _get_sections(_read("reference/states.md"))[heading]
    legal = [(before.value, after.value, why) for before, after, why in moves]
    table = [(before.strip("`"), after.strip("`"), why) for before, after, why in _list_rows(section)]
    drawn = re.findall(r"^ *(\w+) --> (\w+)$", section, flags=re.MULTILINE)
    assert sorted(table) == sorted(legal)
    assert sorted(drawn) == sorted((before, after) for before, after, _ in legal)


def test_every_name_of_a_claimed_file_is_told() -> None:
    """The promise tells what each name means that a file has in the workspace when it is claimed, and no other."""
    workspace = Workspace(root=Path("/w"))
    paths = (workspace.get_copying, workspace.get_copied, workspace.get_removing, workspace.get_source)
    told = set(re.findall(r"\bsource\.[a-z]+\b", _get_sections(_read("explanation/promise.md"))["Taking a file"]))
    assert told == {get_path("id").name for get_path in paths}


# Rules and events.


def test_every_rule_is_documented_and_no_other() -> None:
    """rules.md has exactly the rules, with severity, explanation, remedy and the receiver's words as in the code."""
    page = _read("reference/rules.md").partition("## `report.json`")[0].replace("\\|", "¦")
    told = [tuple(cell.replace("¦", "|") for cell in row) for row in _list_rows(page)]
    assert told == [
        (f"`{rule.id}`", rule.severity.value, rule.explanation, rule.remedy, rule.vendor or "")
        for rule in RULES.values()
    ]


def test_every_rule_that_is_refused_by_exists() -> None:
    """The ids that the code refuses by are those of rules; and every rule has code that finds it."""
    assert _list_rules() <= set(RULES)
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "sftp_orchestrator" / "prepare").rglob("*.py")
    )
    assert [rule for rule in RULES if f'"{rule}"' not in sources] == []


def test_every_log_event_is_documented_with_its_level_and_no_other() -> None:
    """events.md lists every event that the code logs, with its level."""
    rows = _list_rows(_read("reference/events.md"))
    assert sorted((name.strip("`"), level) for name, level, *_ in rows) == sorted(_list_events())


# What is printed and served.


@dataclass(frozen=True, kw_only=True)
class Place:
    """A workspace with a source in every list of the overview, and the configuration that goes with it."""

    written: Written

    @property
    def configuration(self) -> Configuration:
        """The configuration, loaded."""
        return self.written.configuration

    def open_ledger(self) -> Ledger:
        """Open the ledger; the caller closes it."""
        return Ledger.open(self.configuration.ledger.url, self.configuration.workspace)

    def make_app(self, ledger: Ledger) -> Starlette:
        """Return the page's application, with some work under way."""
        board = Board()
        board.begin("purchases.csv 1/1", Phase.UPLOAD, 10)
        board.measures.note_key("production", None)
        return make_app(Desk(self.configuration, ledger), board, Pulse())


@pytest.fixture
def _fresh_log() -> Iterator[None]:
    """A log that writes to no stream of an earlier test, and leaves none to a later one."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def place(tmp_path: Path, _fresh_log: None) -> Iterator[Place]:
    """One file delivered but for a row, one planned, one discarded, one arriving, one left alone, a run, a pause.

    A daemon is at work, and was asked for a run.
    """
    changes = {
        "feeds": {"purchases": {"max_bad_rows": 0.5, "expected": {"by": "03:00"}}},
        "destinations": {"production": {"bandwidth": "1 GB/s"}},
    }
    place = Place(written=write_configuration(tmp_path, changes))
    staging = place.configuration.staging
    workspace = Workspace(root=place.configuration.workspace)
    workspace.prepare()
    rows = "event_name,time_stamp,user_id,note\nSold,1700000000,u1,x\nSold,soon,u1,x\n"
    with place.open_ledger() as ledger:
        intake = Intake(place.configuration, workspace, ledger)
        preparation = Preparation.open(place.configuration, workspace, ledger, Board())
        for name in ("purchases_1.csv", "purchases_2.csv", "purchases_4.csv"):
            (staging / name).write_text(rows.replace("u1", name[:11]), encoding="utf-8")
        claimed = [source for _ in range(2) for source in intakes.scan(intake)]
        first, _, last = asyncio.run(preparation.prepare_sources(claimed))
        assert isinstance(first, Source)
        assert isinstance(last, Source)
        _deliver(ledger, first)
        ledger.sources.hold(last.id, "its settings changed")
        ledger.discards.discard(last.id, by="anna")
        ledger.runs.finish(ledger.runs.start("once"), verdict="done", delivered=1, not_delivered=1)
        ledger.pauses.note(make_pause())
        ledger.requests.ask("production", None, by="anna")
    (staging / "purchases_3.csv").write_text(rows, encoding="utf-8")
    (staging / "other.csv").write_text(rows, encoding="utf-8")
    with WorkspaceLock(workspace.lock):
        yield place


def _deliver(ledger: Ledger, source: Source) -> None:
    """Take a planned source to its end in the ledger, as a delivery does."""
    for part in ledger.parts.list_of(source.id):
        ledger.parts.finish_preparation(part, size=part.end)
        ledger.parts.finish_upload(part)
        ledger.parts.begin_publishing(part)
        ledger.parts.finish_publishing(part)
    ledger.sources.finish_deliveries([source.id])
    ledger.sources.finish_archives([source.id])


def _list_fields(value: object, path: str = "") -> set[str]:
    """Return the path of every field in ``value``; every list in it must have something to show."""
    if isinstance(value, Mapping):
        found = set()
        for key, below in value.items():
            here = f"{path}.{key}" if path else str(key)
            found |= {here} | _list_fields(below, here)
        return found
    if isinstance(value, list):
        return {field for below in value for field in _list_fields(below, f"{path}[]")}
    return set()


def _list_documented_fields(heading: str, *, sources: Sequence[str] = ()) -> set[str]:
    """Return the fields under a heading of json.md, with those of a source below each of the lists ``sources``."""
    sections = _get_sections(_read("reference/json.md"))
    fields = _list_names(sections[heading])
    assert len(set(fields)) == len(fields)
    of_sources = _list_names(sections["A source"])
    return {*fields, *(f"{name}[].{field}" for name in sources for field in of_sources)}


def _join_counts(fields: set[str]) -> set[str]:
    """Return ``fields`` with one field in place of the count of each state, all of which must be there."""
    counts = {f"counts.{state.value}" for state in SourceState}
    assert counts <= fields
    return fields - counts | {"counts.<state>"}


def _call(place: Place, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401 - JSON
    capsys.readouterr()
    code = execute(["--config", str(place.written.path), *arguments])
    printed = capsys.readouterr()
    assert code in {ExitCode.DONE, ExitCode.NOT_ALL_DELIVERED}, printed.err
    return json.loads(printed.out)


def _get(application: Starlette, path: str) -> tuple[int, bytes]:
    """Return status and body of what the application answers to a GET."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI's messages
        sent.append(dict(message))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(_serve(application, scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def _serve(
    application: Starlette, scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]
) -> None:
    await application(scope, receive, send)


def test_every_field_of_status_is_documented_and_no_other(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """json.md lists exactly the fields that ``status --json`` prints."""
    fields = _join_counts(_list_fields(_call(place, capsys, "status", "--json")))
    assert fields == _list_documented_fields("status --json", sources=SOURCES)


def test_every_field_of_history_is_documented_and_no_other(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """json.md lists exactly the fields that ``history --json`` prints."""
    fields = _list_fields(_call(place, capsys, "history", "--json"))
    assert fields == _list_documented_fields("history --json", sources=["delivered", "discarded"])


def test_every_field_of_plan_is_documented_and_no_other(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """json.md lists exactly the fields that ``plan --json`` prints, of files that would go and that would not."""
    good, bad = place.configuration.staging / "purchases_3.csv", tmp_path / "purchases_bad.csv"
    bad.write_text("event_name,time_stamp,user_id\nSold\n", encoding="utf-8")
    fields = _list_fields(_call(place, capsys, "plan", "--json", str(good), str(bad)))
    assert fields == _list_documented_fields("plan --json")


def test_every_field_of_the_register_is_documented_and_no_other(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """json.md lists exactly the fields that ``schema show --json`` prints."""
    fields = _list_fields(_call(place, capsys, "schema", "show", "--json"))
    assert fields == _list_documented_fields("schema show --json")


def test_every_field_of_the_page_is_documented_and_no_other(place: Place) -> None:
    """``/status.json`` has the fields of ``status --json`` and those that json.md lists for it."""
    with place.open_ledger() as ledger:
        status, body = _get(place.make_app(ledger), "/status.json")
    documented = _list_documented_fields("status --json", sources=SOURCES) | _list_documented_fields("/status.json")
    assert status == 200
    assert _join_counts(_list_fields(json.loads(body))) == documented


def test_every_metric_is_documented_and_no_other(place: Place) -> None:
    """metrics.md lists exactly the metrics that ``/metrics`` serves, with their types."""
    with place.open_ledger() as ledger:
        status, body = _get(place.make_app(ledger), "/metrics")
    families = text_string_to_metric_families(body.decode())
    served = [(f"{one.name}_total" if one.type == "counter" else one.name, one.type) for one in families]
    rows = _list_rows(_get_sections(_read("reference/metrics.md"))["Metrics"])
    assert status == 200
    assert sorted((name.strip("`"), kind) for name, kind, _ in rows) == sorted(served)


def test_every_stage_is_documented_and_no_other() -> None:
    """metrics.md lists exactly the stages whose seconds are counted, in their order."""
    assert _list_names(_get_sections(_read("reference/metrics.md"))["Stages"]) == [stage.value for stage in Stage]


def test_every_station_is_documented() -> None:
    """metrics.md names whatever ``/healthz`` may name as stuck."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("*.py")))
    named = re.findall(r"""(?:pulse\.beat\(|_station = )f?"([^"]+)\"""", text)
    stations = {re.sub(r"\{[^}]+\}", "<name>", name) for name in named}
    assert len(stations) == 3
    said = _read("reference/metrics.md").partition("## Metrics")[0]
    assert [name for name in sorted(stations) if f"`{name}`" not in said] == []


def test_every_path_of_the_page_is_documented_and_no_other(place: Place) -> None:
    """metrics.md lists exactly the paths that are served."""
    with place.open_ledger() as ledger:
        served = {str(getattr(route, "path", "")) for route in place.make_app(ledger).routes}
    listed = _list_names(_read("reference/metrics.md").partition("## Metrics")[0])
    assert set(listed) == served


# Setting up.


def test_the_guides_install_the_same_packages() -> None:
    """README and the guide for systemd ask for the same system packages, whatever is added to one of them."""
    pages = (ROOT / "README.md", DOCS / "how-to" / "install-systemd.md")
    asked = [re.findall(r"apt-get install ([a-z0-9 -]+)", page.read_text(encoding="utf-8")) for page in pages]
    assert asked[0] == asked[1] == ["git gcc python3-dev python3-venv gnupg openssh-client"]


# Names and links.


def test_names_in_the_architecture_exist() -> None:
    """Every path, module and symbol that ARCHITECTURE.md names is in the code."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    known = _list_known_names()
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    words = {word.strip("(),;") for phrase in inline for word in re.split(r"[\s→]+", phrase)} - {""}
    assert len(words) > 20
    assert {word for word in words if not _exists(word, known)} == set()


def _exists(word: str, known: set[str]) -> bool:
    if "/" in word or (ROOT / word).exists():
        return (ROOT / word).exists() or (PACKAGE / word).exists()
    return all(part in known for part in word.removeprefix("--").split("."))


def test_states_in_the_architecture_are_all() -> None:
    """The diagram in ARCHITECTURE.md has every state, and no other."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for kind, states in (("source", SourceState), ("part", PartState)):
        line = re.search(rf"^{kind}: +(.+)$", text, flags=re.MULTILINE)
        assert line is not None
        assert set(re.findall(r"\w+", line[1])) - {"aside"} == {state.value for state in states}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link leads to a file that is there, and to a heading that is there."""
    text = page.read_text(encoding="utf-8")
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        known = _get_anchors(target.read_text(encoding="utf-8")) if anchor and target.is_file() else {anchor}
        if not target.exists() or anchor not in known:
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links every page of the documentation."""
    linked = re.findall(r"\]\(([^)\s]+)\)", _read("README.md"))
    pages = [str(page.relative_to(DOCS)) for page in WRITTEN if page != DOCS / "README.md"]
    assert set(linked) == set(pages)
