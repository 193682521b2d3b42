"""What ``check --connect`` learns of a receiver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from paramiko.sftp import SFTP_FAILURE

from sftp_orchestrator import errors
from sftp_orchestrator.deliver.probe import probe
from tests.support import paramiko_server
from tests.support.openssh import OpenSSH
from tests.support.paramiko_server import DropBox, Files, ReadOnlyFiles, run_paramiko
from tests.support.remotes import connected

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Full(Files):
    """Fault: a file can be made, and nothing be written to it."""

    class File(paramiko_server.File):
        """Has no room."""

        def write(self, offset: int, data: ReadableBuffer) -> int:  # noqa: ARG002 - paramiko prescribes them
            """Refuse."""
            return SFTP_FAILURE

    file_class = File


class FullDropBox(DropBox):
    """Fault: as above, and what was made can be neither seen nor removed."""

    file_class = Full.File


class HangsUpOnWrite(Files):
    """Fault: a file can be made, and the line is cut when something is written to it."""

    class File(paramiko_server.File):
        """Hangs up."""

        def write(self, offset: int, data: ReadableBuffer) -> int:  # noqa: ARG002 - paramiko prescribes them
            """Cut the line."""
            self.files.hang_up()
            return SFTP_FAILURE

    file_class = File


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
    assert (facts.may_list, facts.shows_uploads, facts.left_behind) == (True, True, None)
    assert list(openssh.root.iterdir()) == []


async def test_a_drop_box_tells_what_it_hides(tmp_path: Path) -> None:
    """A server that hides what it takes is described, too; the probe that stays tells what it is."""
    with run_paramiko(tmp_path / "receiver", files=DropBox) as server:
        async with connected(server.get_destination()) as remote:
            facts = await probe(remote)
        (left,) = server.root.iterdir()
    assert (facts.may_list, facts.shows_uploads, facts.left_behind) == (False, False, left.name)
    assert (facts.extensions, facts.free_bytes, facts.write_bytes) == ((), None, 32 * 1024)
    assert left.name.startswith("sftp-orchestrator-probe-")
    assert left.suffix not in {".csv", ".asc", ".manifest"}
    assert b"may be removed" in left.read_bytes()


async def test_a_folder_that_takes_nothing_is_refused(tmp_path: Path) -> None:
    """Where nothing may be written, the probe fails as an upload would."""
    with run_paramiko(tmp_path / "receiver", files=ReadOnlyFiles) as server:
        async with connected(server.get_destination()) as remote:
            with pytest.raises(errors.ReceiverRefused) as refused:
                await probe(remote)
    assert "probe" not in str(refused.value.hint)
    assert list(server.root.iterdir()) == []


async def test_a_receiver_without_room_is_left_as_it_was(tmp_path: Path) -> None:
    """Where a file can be made and not be filled, the empty one is removed."""
    with run_paramiko(tmp_path / "receiver", files=Full) as server:
        async with connected(server.get_destination()) as remote:
            with pytest.raises(errors.Transient) as failed:
                await probe(remote)
        assert ("probe" in str(failed.value.hint), list(server.root.iterdir())) == (False, [])


@pytest.mark.parametrize("fault", [FullDropBox, HangsUpOnWrite])
async def test_a_probe_that_stays_after_a_failure_is_named(tmp_path: Path, fault: type[Files]) -> None:
    """Where the receiver does not let us remove what was made, or hung up, a person learns its name."""
    with run_paramiko(tmp_path / "receiver", files=fault) as server:
        async with connected(server.get_destination()) as remote:
            with pytest.raises(errors.Transient) as failed:
                await probe(remote)
        (left,) = server.root.iterdir()
    assert f"the probe {left.name} may be left there: remove it" in str(failed.value)
