"""What ``check --connect`` learns of a receiver."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftp_orchestrator import errors
from sftp_orchestrator.deliver.probe import probe
from tests.support.openssh import OpenSSH
from tests.support.paramiko_server import DropBox, ReadOnlyFiles, run_paramiko
from tests.support.remotes import connected


async def test_openssh_tells_everything(openssh: OpenSSH) -> None:
    """A server that offers much is described, and nothing remains of the probe."""
    async with connected(openssh.get_destination()) as remote:
        facts = await probe(remote)
    assert facts.server_version.startswith("SSH-2.0-OpenSSH")
    assert facts.cipher == "aes128-gcm@openssh.com"
    assert {"limits", "statvfs", "posix-rename"} <= set(facts.extensions)
    assert facts.write_bytes == 255 * 1024
    assert facts.free_bytes is not None
    assert facts.free_bytes > 0
    assert (facts.may_list, facts.shows_uploads, facts.may_remove) == (True, True, True)
    assert list(openssh.root.iterdir()) == []


async def test_a_drop_box_tells_what_it_hides(tmp_path: Path) -> None:
    """A server that hides what it takes is described, too; the probe that stays tells what it is."""
    with run_paramiko(tmp_path / "receiver", files=DropBox) as server:
        async with connected(server.get_destination()) as remote:
            facts = await probe(remote)
        (left,) = server.root.iterdir()
    assert (facts.may_list, facts.shows_uploads, facts.may_remove) == (False, False, False)
    assert (facts.extensions, facts.free_bytes, facts.write_bytes) == ((), None, 32 * 1024)
    assert left.name.startswith("sftp-orchestrator-probe-")
    assert left.suffix not in {".csv", ".asc", ".manifest"}
    assert b"may be removed" in left.read_bytes()


async def test_a_folder_that_takes_nothing_is_refused(tmp_path: Path) -> None:
    """Where nothing may be written, the probe fails as an upload would."""
    with run_paramiko(tmp_path / "receiver", files=ReadOnlyFiles) as server:
        async with connected(server.get_destination()) as remote:
            with pytest.raises(errors.ReceiverRefused):
                await probe(remote)
