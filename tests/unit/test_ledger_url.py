"""The ledger's URL is checked with the configuration, and its password is printed nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from sftp_orchestrator.cli import execute
from sftp_orchestrator.config import ledger_url
from sftp_orchestrator.errors import ExitCode
from tests.support.configuration import get_values, merge, write_configuration, write_values

SECRET = "s3cretpw"
NOBODY = "127.0.0.1:1"
"""Where no database answers."""


@pytest.fixture(autouse=True)
def _fresh_log() -> Iterator[None]:
    """A log that leaves nothing to later tests."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite", "sqlite"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("postgresql://user:hunter2@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:hun/t@r2@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("postgresql://user:hun?ter2@host/db?x=1", "postgresql://user:***@host/db?x=1"),
        ("postgresql://host/db?password=hunter2&x=1", "postgresql://host/db?password=***&x=1"),
        ("postgresql://host/db?x=1&sslpassword=hunter2", "postgresql://host/db?x=1&sslpassword=***"),
        ("postgresql://host/db?pass%77ord=hunter2", "postgresql://host/db?pass%77ord=***"),
    ],
)
def test_a_password_is_hidden_wherever_it_stands(url: str, shown: str) -> None:
    """Before the host or in the query, with odd characters or without."""
    assert ledger_url.hide_password(url) == shown


def test_a_password_is_hidden_in_what_a_database_says() -> None:
    """Whatever a library puts into the text of an error."""
    said = "connection to db as orch with h%nter2 and top failed"
    url = "postgresql://orch:h%25nter2@db/x?sslpassword=top"
    assert ledger_url.hide_password_in(said, url) == "connection to db as orch with *** and *** failed"
    assert ledger_url.hide_password_in(said, "sqlite") == said


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://orch:{SECRET}@{NOBODY}/x",
        f"postgresql+psycopg://{NOBODY}/x?user=orch&password={SECRET}",
        f"postgresql://orch@{NOBODY}/x?sslpassword={SECRET}",
        f"postgresql://orch:{SECRET}@{NOBODY}/x?no_such_option=1",
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        "status",
        "run",
        "run --once",
        "history",
        "retry x",
        "config show",
        "config show --json",
        "check",
        "--debug status",
    ],
)
def test_no_command_prints_the_password(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], url: str, command: str
) -> None:
    """Neither what is answered, nor errors, the log or a traceback have it."""
    written = write_configuration(tmp_path, {"ledger": {"url": url}})
    code = execute(["--config", str(written.path), *command.split()])
    out, errors = capfd.readouterr()
    asks_no_ledger = command.startswith("config")
    assert code == (ExitCode.DONE if asks_no_ledger else ExitCode.NOT_ALL_DELIVERED), errors
    assert SECRET not in out + errors
    assert ("Traceback" in errors) is ("--debug" in command)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://orch:{SECRET}@db.example.com:port/x",
        f"postgresql://orch:{SECRET}@db.example.com:70000/x",
        f"postgresql://orch:{SECRET}@[::1/x",
        f"postgresql://orch:@{SECRET}/@127.0.0.1:1/x",
        f"postgresql://orch:a@{SECRET}@127.0.0.1:1/x",
        f"mysql://orch:{SECRET}@127.0.0.1/x",
    ],
)
def test_what_is_no_url_is_told_with_its_line(tmp_path: Path, capfd: pytest.CaptureFixture[str], url: str) -> None:
    """A slip in it is an error of the configuration, on one line, that repeats nothing of it."""
    path = write_values(tmp_path, merge(get_values(), {"ledger": {"url": url}}))
    code = execute(["--config", str(path), "status"])
    _, errors = capfd.readouterr()
    assert code == ExitCode.USAGE
    (line,) = [line for line in errors.splitlines() if "ledger.url" in line]
    assert "config.yml:" in line
    assert "postgresql://" in line
    assert SECRET not in errors
