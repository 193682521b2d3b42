"""The task for Airflow in the guide, with Airflow's own names played: which exit codes it has tried again."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.errors import ExitCode

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "run-from-cron-or-airflow.md"


class AirflowException(Exception):  # noqa: N818 - Airflow's name
    """A task failed, and is tried again."""


class AirflowFailException(AirflowException):
    """A task failed, and is not."""


def _pass_through(**_options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return lambda function: function


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the guide's code defines; ``run`` of the call it makes is played by each test."""
    exceptions, sdk = types.ModuleType("airflow.exceptions"), types.ModuleType("airflow.sdk")
    vars(exceptions).update(AirflowException=AirflowException, AirflowFailException=AirflowFailException)
    vars(sdk).update(dag=_pass_through, task=_pass_through)
    for name, module in {
        "airflow": types.ModuleType("airflow"),
        "airflow.exceptions": exceptions,
        "airflow.sdk": sdk,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    _play(monkeypatch, ExitCode.DONE)
    (code,) = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    defined: dict[str, Any] = {}
    exec(compile(code, str(GUIDE), "exec"), defined)  # noqa: S102 - the guide is ours
    return defined


def _play(monkeypatch: pytest.MonkeyPatch, code: ExitCode) -> None:
    """Let every call of a program end with ``code``; it must be a pass."""

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        assert command[-2:] == ["run", "--once"]
        return subprocess.CompletedProcess(command, code, stdout="1 delivered\n")

    monkeypatch.setattr(subprocess, "run", run)


def test_a_pass_that_is_done_ends_the_task_well(page: dict[str, Any]) -> None:
    """What it said is what the task returns."""
    assert page["deliver"]() == "1 delivered\n"


@pytest.mark.parametrize("code", [code for code in ExitCode if code], ids=lambda code: code.name)
def test_only_what_a_repetition_mends_is_tried_again(
    page: dict[str, Any], monkeypatch: pytest.MonkeyPatch, code: ExitCode
) -> None:
    """3 and 130 are tried again; 1 and 2 are a person's."""
    _play(monkeypatch, code)
    with pytest.raises(AirflowException) as raised:
        page["deliver"]()
    is_tried_again = code in {ExitCode.RECEIVER, ExitCode.INTERRUPTED}
    assert isinstance(raised.value, AirflowFailException) is not is_tried_again
