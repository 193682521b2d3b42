"""Fixtures and hooks that every test may use; each lives with the helpers it belongs to."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = [
    # First: pytest must be told of a module before another one imports it.
    "tests.support.ports",
    "tests.support.tables",
    "tests.support.asynchronous",
    "tests.support.disks",
    "tests.support.intakes",
    "tests.support.ledgers",
    "tests.support.openssh",
    "tests.support.remotes",
]


def pytest_configure() -> None:
    """Let Ctrl-C end what the tests start, and have one time zone everywhere.

    Whoever is started by a shell's ``&`` ignores it, and so do its children.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What people read has the times of their own zone.
    os.environ["TZ"] = "UTC"
    time.tzset()


@pytest.fixture(autouse=True)
def _fresh_log() -> Iterator[None]:
    """Give each test a log of its own: a command called in a test leaves one that writes to its stderr."""
    yield
    structlog.reset_defaults()
