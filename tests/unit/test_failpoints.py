"""Failpoints: the table is what the code reaches and the page lists, and what is asked for is read strictly."""

from __future__ import annotations

import ast
import errno
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from sftp_orchestrator import failpoints
from sftp_orchestrator.cli import execute
from sftp_orchestrator.errors import ConfigurationError, ExitCode, LocalFault, Unreachable

ROOT = Path(__file__).parents[2]
NAMES = [step.name for step in failpoints.STEPS]


Arm = Callable[[str], None]


@pytest.fixture(autouse=True, name="arm")
def make_arm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arm]:
    """Switch a failpoint on for the time of a test; none is on before, and what a command logs to ends with it."""
    monkeypatch.setattr(failpoints, "_armed", None)
    yield lambda asked: monkeypatch.setattr(failpoints, "_armed", failpoints.parse(asked))
    structlog.reset_defaults()


def _list_reached() -> Iterator[str]:
    """Yield a pattern for each name that the code gives to ``failpoints.around``; what is put in stands for a word."""
    for path in sorted((ROOT / "sftp_orchestrator").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "around":
                (argument,) = node.args
                if isinstance(argument, ast.JoinedStr):
                    yield "".join(
                        re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z]+"
                        for part in argument.values
                    )
                else:
                    assert isinstance(argument, ast.Constant), ast.dump(node)
                    yield re.escape(str(argument.value))


def test_every_step_is_reached_and_no_other() -> None:
    """Each name in the table is one that the code reaches, and each name in the code is in the table."""
    patterns = list(_list_reached())
    assert [name for name in NAMES if not any(re.fullmatch(pattern, name) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, name) for name in NAMES)] == []


def _list_transactions() -> Iterator[tuple[str, bool]]:
    """Yield where the ledger begins to write, and whether that is a step with a name."""
    for path in sorted((ROOT / "sftp_orchestrator" / "ledger").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.With):
                continue
            begun = [ast.unparse(item.context_expr) for item in node.items]
            if any("database.write()" in expression for expression in begun):
                yield f"{path.name}:{node.lineno}", any("failpoints.around(" in expression for expression in begun)


def test_every_transaction_that_writes_is_a_step() -> None:
    """Whatever changes the ledger can be killed just before and just after it."""
    transactions = list(_list_transactions())
    assert len(transactions) > 20
    assert [place for place, is_step in transactions if not is_step] == []


def test_the_table_has_each_step_once_and_in_order() -> None:
    """Whoever looks for a step finds it: sorted, and none twice."""
    assert sorted(set(NAMES)) == NAMES


def test_the_page_lists_every_step() -> None:
    """failpoints.md has exactly the table of the code."""
    page = (ROOT / "docs" / "reference" / "failpoints.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z._]+)` \| ([a-z]+) \| (.+) \|$", page.partition("## Steps")[2], flags=re.MULTILINE)
    assert rows == [(step.name, step.fault.name.lower(), step.what) for step in failpoints.STEPS]


@pytest.mark.parametrize(
    "asked",
    [
        "claim.rename",
        "claim.rename:kill",
        "claim.rename.before",
        "claim.rename.before:kill@0",
        "claim.rename.before:kill@",
        "claim.rename.before:crash",
        "claim.nosuch.before:kill",
        " claim.rename.before:kill",
        "claim.rename.before:kill,claim.rename.after:kill",
    ],
)
def test_what_is_no_failpoint_is_refused_in_one_line(
    asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that does not exist ends any command with code 2 and one line: nothing was armed."""
    monkeypatch.setenv(failpoints.VARIABLE, asked)
    assert execute(["config", "sample"]) is ExitCode.USAGE
    answer = capsys.readouterr()
    assert (answer.out, answer.err.count("\n")) == ("", 1)
    assert f"there is no failpoint '{asked}'" in answer.err
    assert "docs/reference/failpoints.md" in answer.err


def test_an_armed_failpoint_is_shouted() -> None:
    """Nobody has one switched on without a line of the highest level in the log."""
    with capture_logs() as lines:
        failpoints.arm({failpoints.VARIABLE: "claim.rename.after:error@3"})
    (line,) = lines
    assert line == {
        "event": "failpoint_armed",
        "log_level": "critical",
        "name": "claim.rename.after",
        "action": "error",
        "reach": 3,
    }


def test_nothing_is_armed_by_nothing() -> None:
    """Without the variable, and with an empty one, no place does anything."""
    for environment in ({}, {failpoints.VARIABLE: ""}):
        failpoints.arm(environment)
        for name in NAMES:
            with failpoints.around(name):
                pass


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("archive.rename.before:error", OSError(errno.ENOSPC, "")),
        ("files.fsync.before:error", OSError(errno.EIO, "")),
        ("remote.open.before:error", ConnectionResetError(errno.ECONNRESET, "")),
        ("publish.manifest.before:error", Unreachable("", "", "")),
        ("ledger.history.before:error", LocalFault("", "", "")),
    ],
)
def test_a_step_fails_with_what_its_place_really_raises(asked: str, error: Exception, arm: Arm) -> None:
    """``error`` raises the kind that the place meets by itself, and names the place."""
    arm(asked)
    name = asked.partition(":")[0]
    with pytest.raises(type(error), match=re.escape(name)) as raised, failpoints.around(name.removesuffix(".before")):
        pytest.fail("it was done")
    assert getattr(raised.value, "errno", None) == getattr(error, "errno", None)


def test_a_place_counts_its_own_reaches_only(arm: Arm) -> None:
    """``@2`` is the second time at this place, whatever else is reached, and it happens once."""
    arm("claim.rename.after:error@2")
    done: list[int] = []
    for number in range(4):
        try:
            with failpoints.around("claim.rename"), failpoints.around("files.fsync"):
                done.append(number)
        except OSError:
            done.append(-1)
    assert done == [0, 1, -1, 2, 3]


def test_a_step_that_failed_by_itself_does_not_reach_the_place_after_it(arm: Arm) -> None:
    """``after`` means done: a failure goes on as it is."""
    arm("claim.rename.after:error")
    with pytest.raises(PermissionError), failpoints.around("claim.rename"):
        raise PermissionError


def test_kill_is_sigkill() -> None:
    """The process ends at the place, by SIGKILL, and nothing of it is written after it."""
    code = (
        "import os\nfrom sftp_orchestrator import failpoints\nfailpoints.arm(os.environ)\n"
        "with failpoints.around('files.write'): print('written', flush=True)\nprint('after', flush=True)\n"
    )
    environment = {failpoints.VARIABLE: "files.write.after:kill", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (-signal.SIGKILL, "written"), ended


def test_stop_is_sigterm_and_the_step_goes_on() -> None:
    """The process is told to stop at the place, as systemd tells it, and finishes the step."""
    code = (
        "import os, signal\nfrom sftp_orchestrator import failpoints\nfailpoints.arm(os.environ)\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('told', flush=True))\n"
        "with failpoints.around('files.write'): print('written', flush=True)\n"
    )
    environment = {failpoints.VARIABLE: "files.write.before:stop", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-2:] == ["told", "written"]


def test_parsing_is_strict_about_what_a_fault_is() -> None:
    """Every step can be told to fail, before and after."""
    for name in NAMES:
        for side in ("before", "after"):
            found = failpoints.parse(f"{name}.{side}:error@7")
            assert (found.name, found.action, found.reach) == (f"{name}.{side}", failpoints.Action.ERROR, 7)
    with pytest.raises(ConfigurationError):
        failpoints.parse("")
