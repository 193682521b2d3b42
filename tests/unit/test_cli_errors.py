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
from sftp_orchestrator.config.loading import VARIABLE
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
        (["history", "nosuchid00"], 2, "`sftp-orchestrator history` what was delivered"),
        (["retry", "nosuchid00"], 2, "nosuchid00"),
        (["release", "nosuchid00"], 2, "nosuchid00"),
        (["resolve", "nosuchid00", "--delivered"], 2, "nosuchid00"),
        (["resolve", "nosuchid00"], 2, "--delivered or --resend"),
        (["resolve", "nosuchid00", "--delivered", "--resend"], 2, "--delivered or --resend"),
        (["plan", "nosuchfile.csv"], 2, "there is no such file"),
        (["status", "--jsn"], 2, "--json"),
        (["history", "--limit", "0"], 2, "--limit"),
        (["retry"], 2, "ID"),
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
