"""What `make` says on a first call: a line for each step that takes long, and not what pip says."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_installation_is_told_in_one_line_with_its_time() -> None:
    """Everything is quiet but errors, and no command is repeated on the screen."""
    recipe = subprocess.run(
        ["make", "--always-make", "--dry-run", "--no-print-directory", ".venv/.built"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()
    installed = [number for number, line in enumerate(recipe) if " pip " in line and " install " in line]
    told = [line for line in recipe if line.startswith("echo ")]
    assert len(installed) == len(told) == 2
    assert all(" --quiet " in recipe[number] for number in installed)
    assert all("minute" in line for line in told)
    commands = [
        line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "$(PIP) install" in line
    ]
    assert all(line.startswith("\t@") for line in commands)
