"""How the log looks: JSON that one can look through, and short lines on a terminal."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator

import pytest
import structlog

from sftp_orchestrator import logs


class _Terminal(io.StringIO):
    """A terminal without a screen."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _fresh_log() -> Iterator[None]:
    """A log that leaves nothing to later tests."""
    yield
    structlog.reset_defaults()


def _log(stream: io.TextIOBase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure()
    structlog.get_logger().info("source_claimed", source="abc", feed="f", file="meine käufe.csv", size=1)


def test_names_stand_in_the_log_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """``grep käufe`` finds the line, and it is JSON all the same."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="utf-8", errors="backslashreplace", write_through=True)
    _log(stream, monkeypatch)
    structlog.get_logger().info("half_a_pair", file="a\udcff")
    first, second = written.getvalue().decode("utf-8").splitlines()
    assert "meine käufe.csv" in first
    assert json.loads(first)["file"] == "meine käufe.csv"
    assert json.loads(second)["file"] == "a\udcff"


def test_a_stream_of_another_encoding_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON is UTF-8 or ASCII, whatever the locale makes of stderr."""
    written = io.BytesIO()
    _log(io.TextIOWrapper(written, encoding="iso-8859-1", write_through=True), monkeypatch)
    assert json.loads(written.getvalue().decode("ascii"))["file"] == "meine käufe.csv"


def test_a_terminal_gets_short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of day in UTC, the fields in their own order, no padding: most lines fit into 80 columns."""
    monkeypatch.setenv("NO_COLOR", "1")
    stream = _Terminal()
    _log(stream, monkeypatch)
    line = stream.getvalue().rstrip("\n")
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d \[info\] source_claimed source=abc feed=f file='?meine käufe\.csv'? size=1", line
    )


def test_what_a_reason_says_is_to_be_typed_works_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands get the configuration that was named; what belongs to the input stays as it is."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure()
    logs.spell_out_commands("sftp-orchestrator --config c.yml")
    named = "sftp-orchestrator retry.csv"
    structlog.get_logger().warning("source_held", reason="`sftp-orchestrator retry abc` tries it", file=named)
    line = json.loads(written.getvalue())
    assert line["reason"] == "`sftp-orchestrator --config c.yml retry abc` tries it"
    assert line["file"] == named


def test_a_traceback_tells_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a frame holds may be a secret, or a row of somebody's."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="utf-8", write_through=True))
    logs.configure()

    def fail(secret: str) -> None:
        raise ValueError(len(secret))

    try:
        fail("T0kenThatNobodyMaySee")
    except ValueError:
        structlog.get_logger().exception("source_crashed")
    (line,) = written.getvalue().decode().splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"
    assert "T0ken" not in line
