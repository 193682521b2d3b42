"""Where the running daemon's page is, for whoever asks it on its own machine."""

from __future__ import annotations

import pytest

from sftp_orchestrator.asking import get_url


@pytest.mark.parametrize(
    ("listen", "port", "url"),
    [
        ("127.0.0.1:8765", None, "http://127.0.0.1:8765/"),
        ("localhost:0", 41234, "http://localhost:41234/"),
        ("0.0.0.0:8765", 8765, "http://127.0.0.1:8765/"),
        ("[::]:8765", None, "http://[::1]:8765/"),
    ],
)
def test_the_address_is_one_that_a_browser_takes(listen: str, port: int | None, url: str) -> None:
    """With the port that was given where any was asked for; what listens everywhere is found here."""
    assert get_url(listen, port) == url
