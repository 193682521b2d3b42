"""Fixtures and hooks that every test may use; each lives with the helpers it belongs to."""

pytest_plugins = [
    "tests.support.asynchronous",
    "tests.support.intakes",
    "tests.support.ledgers",
    "tests.support.openssh",
    "tests.support.ports",
    "tests.support.remotes",
]
