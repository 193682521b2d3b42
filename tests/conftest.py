"""Fixtures and hooks that every test may use; each lives with the helpers it belongs to."""

import signal

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
    """Let Ctrl-C end what the tests start: whoever is started by a shell's ``&`` ignores it, and so do its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
