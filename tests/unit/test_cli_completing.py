"""The TAB key: what each shell is offered, as it asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import Written, write_configuration

SHELLS = ("bash", "zsh", "fish")
SIGN = "_SFTP_ORCHESTRATOR_COMPLETE"


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A workspace with a quarantined source whose file has a name that a shell would take apart."""
    written = write_configuration(tmp_path)
    configuration = written.configuration
    Workspace(root=configuration.workspace).prepare()
    claim = Claim(
        source_id="thzt3k292j",
        feed="customers",
        type=FeedType.PROFILE,
        destination="production",
        relative_path=b'a "b" $(c):d.csv',
        device=1,
        inode=1,
        size=1,
        mtime_ns=1,
    )
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        ledger.sources.begin_claims([claim])
        ledger.sources.finish_claims([claim])
        ledger.sources.quarantine("thzt3k292j", "bad")
    return written


def _call(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("sftp-orchestrator"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _complete(shell: str, line: str) -> str:
    """Return what the program answers to a shell in which ``line`` was typed, up to the cursor."""
    asked = {SIGN: f"complete_{shell}"}
    if shell == "bash":
        asked |= {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    else:
        asked |= {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = _call(asked)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_options_are_completed(shell: str) -> None:
    """Also those of a group, and of a command that is imported when it is asked."""
    assert "status" in _complete(shell, "sftp-orchestrator sta")
    assert "accept" in _complete(shell, "sftp-orchestrator schema ac")
    assert "--watch" in _complete(shell, "sftp-orchestrator status --w")


@pytest.mark.parametrize("shell", SHELLS)
def test_ids_and_names_are_completed(shell: str, written: Written) -> None:
    """Of the configuration that the line names, before the command or after it."""
    before = f"sftp-orchestrator --config {written.path}"
    assert "thzt3k292j" in _complete(shell, f"{before} retry t")
    assert "thzt3k292j" in _complete(shell, f"sftp-orchestrator history --config {written.path} t")
    assert "thzt3k292j" not in _complete(shell, f"{before} retry x")
    assert "thzt3k292j" in _complete(shell, f"{before} retry 6s7cgrweww t")
    assert "purchases" in _complete(shell, f"{before} run-now --feed pur")
    assert "production" in _complete(shell, f"{before} schema show --destination p")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_configuration_that_is_wrong_offers_nothing_and_says_nothing(shell: str, tmp_path: Path) -> None:
    """An error would be written into the line that is typed."""
    (tmp_path / "config.yml").write_text("staging: [", encoding="utf-8")
    assert "thz" not in _complete(shell, f"sftp-orchestrator --config {tmp_path / 'config.yml'} retry thz")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_is_printed(shell: str) -> None:
    """It names the program, and the variable by which the shell asks it."""
    done = _call({SIGN: f"source_{shell}"})
    assert SIGN in done.stdout
    assert "sftp-orchestrator" in done.stdout


def test_bash_itself_completes(written: Written) -> None:
    """The script loads in the real shell, and its function fills in what that shell takes from it."""
    script = _call({SIGN: "source_bash"}).stdout
    asked = f"""{script}
        COMP_WORDS=(sftp-orchestrator --config {written.path} retry thz) COMP_CWORD=4
        _sftp_orchestrator_completion sftp-orchestrator
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}
    )
    assert (done.stdout, done.stderr) == ("thzt3k292j\n", "")
