"""How the command line tells of what went wrong: one line and a code; a traceback on demand alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from sftp_orchestrator.cli import execute
from sftp_orchestrator.config import kept
from sftp_orchestrator.config.places import VARIABLE
from tests.support.configuration import Written, write_configuration


@pytest.fixture(autouse=True)
def _fresh_log() -> Iterator[None]:
    """A log that leaves nothing to later tests."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A configuration with an empty workspace."""
    return write_configuration(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["history", "nosuchid00"], 2, "config.yml history` what was delivered"),
        (["retry", "nosuchid00"], 2, "nosuchid00"),
        (["release", "nosuchid00"], 2, "nosuchid00"),
        (["resolve", "nosuchid00", "--delivered"], 2, "nosuchid00"),
        (["resolve", "nosuchid00"], 2, "--delivered or --resend"),
        (["resolve", "nosuchid00", "--delivered", "--resend"], 2, "--delivered or --resend"),
        (["plan", "nosuchfile.csv"], 2, "plan nosuchfile.csv: there is no such file"),
        (["validate", "nosuchfile.csv"], 2, "validate nosuchfile.csv: there is no such file"),
        (["validate", "/"], 2, "validate /: it is a folder; name the files in it"),
        (["plan", "/dev/null"], 2, "plan /dev/null: it is no plain file"),
        (["status", "--jsn"], 2, "--json"),
        (["history", "--limit", "0"], 2, "--limit: must be 1 or more (got 0) (see: sftp-orchestrator history --help)"),
        (["history", "--limit", "many"], 2, "--limit: must be a whole number (got many)"),
        (["sandbox", "--root", "x", "--port", "70000"], 2, "--port: must be 0 to 65535 (got 70000)"),
        (["sandbox", "--root", "x", "--port", "1.5"], 2, "--port: must be a whole number (got 1.5)"),
        (["demo", "--feed-type", "evnt"], 2, "must be one of profile, event (got evnt); did you mean event?"),
        (["demo", "--feed-type", "xyz"], 2, "--feed-type: must be one of profile, event (got xyz) (see"),
        (["retry"], 2, "'ID…' (see: sftp-orchestrator retry --help)"),
    ],
)
def test_an_error_is_one_line_on_stderr(
    written: Written, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, hint: str
) -> None:
    """What, which file or id, and what to do; nothing on stdout, and no traceback."""
    assert execute(["--config", str(written.path), *arguments]) == code
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith("sftp-orchestrator: ")
    assert errors.count("\n") == 1
    assert hint in errors


@pytest.mark.parametrize("arguments", [[], ["config"]], ids=" ".join)
def test_a_command_that_needs_another_shows_its_help(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """Who leaves out what to do sees what there is, once, and nothing after it."""
    assert execute(arguments) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith(f"Usage: {' '.join(['sftp-orchestrator', *arguments])} [OPTIONS] COMMAND")
    assert errors.count("Usage:") == 1
    assert "--help)" not in errors


def test_the_process_shows_a_traceback_under_debug_alone(written: Written) -> None:
    """The same error as a process: one line and 2; under --debug a traceback, and 2 as well."""

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sftp_orchestrator", *options, "history", "nosuchid00"]
        environment = {**os.environ, VARIABLE: str(written.path)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    plain, debug = run(), run("--debug")
    assert (plain.returncode, plain.stdout, "Traceback" in plain.stderr) == (2, "", False)
    assert (debug.returncode, debug.stdout, "Traceback" in debug.stderr) == (2, "", True)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """`… | head` ends the command without a complaint."""
    command = f"{sys.executable} -m sftp_orchestrator config sample | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


@pytest.mark.parametrize("is_before", [False, True])
def test_a_hint_names_the_configuration_that_was_named(
    written: Written, capsys: pytest.CaptureFixture[str], *, is_before: bool
) -> None:
    """What an error says is to be typed works as it stands, wherever ``--config`` stood."""
    named = ["--config", str(written.path)]
    assert execute([*named, "retry", "nosuchid00"] if is_before else ["retry", "nosuchid00", *named]) == 2
    assert f"`sftp-orchestrator --config {written.path} status` lists what waits" in capsys.readouterr().err


def test_a_hint_names_no_configuration_that_the_environment_names(
    written: Written, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed there, it is found again."""
    monkeypatch.setenv(VARIABLE, str(written.path))
    assert execute(["retry", "nosuchid00"]) == 2
    assert "`sftp-orchestrator status` lists what waits" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["none", "strange"])
def test_a_wrong_configuration_is_told_whatever_the_workspace_is(
    written: Written, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether a daemon goes on is told beside it; where that cannot be known, or none does, nothing is."""
    if place == "strange":
        (written.configuration.workspace / "lock").symlink_to("elsewhere")
    path = written.path
    path.write_text(path.read_text(encoding="utf-8") + "nonsense: 1\n", encoding="utf-8")
    assert execute(["--config", str(path), "status"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nonsense" in line


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["history"], ["history", "--json"]])
def test_files_are_shown_though_the_configuration_is_wrong(
    written: Written, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """By the configuration that was gone by last, which is said to people; the code and the errors stay as they are."""
    kept.keep(written.configuration)
    spoil(written.path)
    assert execute(["--config", str(written.path), *arguments]) == 2
    out, errors = capsys.readouterr()
    assert "nonsense" in errors
    assert "delivered" in out
    notice = "wrong: this is told by the one that was gone by last. What is wrong: sftp-orchestrator --config"
    assert (notice in out.replace("\n", " ")) is ("--json" not in arguments)


def test_an_unknown_id_is_told_beside_what_is_wrong_with_the_configuration(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither hides the other."""
    kept.keep(written.configuration)
    spoil(written.path)
    assert execute(["--config", str(written.path), "history", "nosuchid00"]) == 2
    unknown, wrong = capsys.readouterr().err.splitlines()
    assert "nosuchid00" in unknown
    assert "nonsense" in wrong


def spoil(path: Path) -> None:
    """Have the configuration break a rule."""
    path.write_text(path.read_text(encoding="utf-8") + "nonsense: 1\n", encoding="utf-8")
