"""The tutorial, typed as it stands: what it shows is what its commands print."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import find_free_port

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
FIRST = "## 2."
"""Where what is typed begins; before it stands the installation."""
SANDBOX_PORT, PAGE_PORT = "2222", "8765"
"""What the tutorial uses; somebody may listen there while this test runs."""
COLUMNS = 96
LEFT_OUT = "…"
DEADLINE_SECONDS = 100
MARK = "@@ step"


@dataclass(frozen=True, kw_only=True)
class Step:
    """What is typed, and what the tutorial shows below it; nothing where it shows nothing."""

    typed: str
    shown: str


def _read_steps(ports: Mapping[str, str]) -> list[Step]:
    """Return the steps with other ``ports``, which are free."""
    text = TUTORIAL.read_text(encoding="utf-8")
    text = re.sub("|".join(ports), lambda found: ports[found[0]], text[text.index(FIRST) :])
    found = re.findall(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", text, flags=re.MULTILINE | re.DOTALL)
    return [Step(typed=typed, shown=shown) for typed, shown in found]


def _make_script(steps: list[Step], page_port: str) -> str:
    """Return what is typed, each step after a line that marks it.

    Once the configuration is made, a file counts as complete at once, and the page gets a port that is free.
    """
    more = f'intake: {{settle_seconds: 0}}\\nweb: {{listen: "127.0.0.1:{page_port}"}}'
    lines = ["set -e"]
    for number, step in enumerate(steps):
        lines += [f"echo '{MARK} {number}'", step.typed]
        if "export SFTP_ORCHESTRATOR_CONFIG=" in step.typed:
            lines.append(f"sed -i 's/^feeds:/{more}\\n\\nfeeds:/' try/config.yml")
    return "\n".join(lines)


def _run(script: str, folder: Path) -> str:
    """Return what a terminal of ``COLUMNS`` shows of the script's stdout, without colours; its log goes elsewhere."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm",
        "NO_COLOR": "1",
        "TZ": "UTC",
    }
    shown: list[bytes] = []
    with (folder.parent / "errors").open("wb") as errors:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=errors,
            start_new_session=True,
        )
    os.close(theirs)
    reader = threading.Thread(target=_collect, args=(ours, shown))
    reader.start()
    try:
        code = shell.wait(timeout=DEADLINE_SECONDS)
    finally:
        _end_all(shell.pid)
        reader.join(timeout=DEADLINE_SECONDS)
        os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(shown).decode()).replace("\r", "")
    assert code == 0, text + (folder.parent / "errors").read_text(encoding="utf-8")
    return text


def _collect(terminal: int, shown: list[bytes]) -> None:
    try:
        while piece := os.read(terminal, 65536):
            shown.append(piece)
    except OSError:  # what a terminal says whose other side is closed
        return


def _end_all(session: int) -> None:
    """End what the script began and did not end."""
    try:
        os.killpg(session, signal.SIGTERM)
    except ProcessLookupError:
        return


def _make_pattern(line: str) -> str:
    """Return the pattern of a line; what is left out at its end may as well have been too long for the terminal."""
    line, ends_so = line.removesuffix(f" {LEFT_OUT}"), line.endswith(f" {LEFT_OUT}")
    return ".*".join(re.escape(piece) for piece in line.split(LEFT_OUT)) + ("(?: .*)?" if ends_so else "")


def _find_unlike(shown: str, printed: str) -> str | None:
    """Return the first line that is shown and was not printed after those before it; None where all were."""
    rest = iter(line.rstrip() for line in printed.splitlines())
    skips = False
    for line in shown.splitlines():
        if line == LEFT_OUT:
            skips = True
            continue
        pattern = _make_pattern(line.rstrip())
        found = next((other for other in rest if re.fullmatch(pattern, other) or not skips), None)
        if found is None or not re.fullmatch(pattern, found):
            return f"{line!r}, printed: {found!r}"
        skips = False
    return None if skips else next((f"nothing, printed: {line!r}" for line in rest if line), None)


def test_the_tutorial_prints_what_it_shows(tmp_path: Path) -> None:
    """Each step that is typed in an empty folder ends well, and prints what stands below it."""
    ports = {port: str(find_free_port()) for port in (SANDBOX_PORT, PAGE_PORT)}
    steps = _read_steps(ports)
    folder = tmp_path / "empty"
    folder.mkdir()
    printed = re.split(rf"{MARK} \d+\n", _run(_make_script(steps, ports[PAGE_PORT]), folder))[1:]
    assert len(printed) == len(steps) > 10
    for step, found in zip(steps, printed, strict=True):
        assert not step.shown or _find_unlike(step.shown, found) is None, (step.typed, found)


def test_the_tutorial_installs_as_the_readme_does() -> None:
    """The packages and the calls of pip are those of the README, but for the folder."""
    tutorial, readme = (page.read_text(encoding="utf-8") for page in (TUTORIAL, ROOT / "README.md"))
    calls = r"apt-get install .+|bin/pip install [^#\n]+[^# \n]"
    assert re.findall(calls, tutorial.partition(FIRST)[0]) == re.findall(calls, readme)
