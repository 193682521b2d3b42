"""The things that are read and set behind asyncssh's interface are still where they were."""

from __future__ import annotations

import re
from pathlib import Path

from sftp_orchestrator.deliver import internals
from tests.support.openssh import OpenSSH, run_openssh
from tests.support.remotes import connected


async def test_extensions_are_those_the_server_offers(openssh: OpenSSH) -> None:
    """OpenSSH 9 offers all that asyncssh looks for, save its own."""
    async with connected(openssh.get_destination()) as remote:
        assert {"limits", "statvfs", "fsync"} <= set(internals.list_extensions(remote.client))
        assert "ranges" not in internals.list_extensions(remote.client)


async def test_a_session_ends(openssh: OpenSSH) -> None:
    """A session that was ended is seen to have ended."""
    async with connected(openssh.get_destination()) as remote:
        assert not internals.has_ended(remote.client)
        remote.client.exit()
        await remote.client.wait_closed()
        assert internals.has_ended(remote.client)
        assert not remote.is_usable


async def test_a_login_begins_with_the_key(tmp_path: Path) -> None:
    """The server is asked for our key at once, and never for the list of its methods."""
    with run_openssh(tmp_path / "openssh", lines=["LogLevel DEBUG3"]) as server:
        async with connected(server.get_destination()):
            pass
        asked = re.findall(r"userauth-request for user .* method ([a-z]+)", (server.folder / "sshd.log").read_text())
    assert set(asked) == {"publickey"}
