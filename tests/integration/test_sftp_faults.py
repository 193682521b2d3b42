"""What breaks in mid-upload, and that it is noticed in time, named rightly, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from sftp_orchestrator import errors
from sftp_orchestrator.deliver import login
from sftp_orchestrator.deliver.sftp import connect
from sftp_orchestrator.deliver.writing import SAFE_WRITE_BYTES
from tests.support.asyncssh_server import FullDisk, run_asyncssh
from tests.support.fault_proxy import FaultProxy, Pace
from tests.support.openssh import OpenSSH, run_openssh
from tests.support.paramiko_server import (
    BrokenDisk,
    HangsUpOnClose,
    NoRename,
    SilentOnClose,
    run_paramiko,
)
from tests.support.relay import Relay, SilentRelay
from tests.support.remotes import Bytes, connected

MEBIBYTE = 1024 * 1024
LARGE = bytes(24 * MEBIBYTE)
"""More than all buffers on the way hold."""
SHORT_SECONDS = 1.5
"""A deadline long enough for a login on a busy machine."""


async def test_only_what_every_receiver_takes_is_asked_for(tmp_path: Path) -> None:
    """An upload opens write-only and truncating, writes at rising offsets, and never sets attributes nor syncs."""
    with run_paramiko(tmp_path / "receiver") as server:
        async with connected(server.get_destination()) as remote:
            await remote.put("a.csv", Bytes(LARGE[:MEBIBYTE]))
        record = server.record
    assert record.open_flags == [os.O_WRONLY | os.O_CREAT | os.O_TRUNC]
    assert record.offsets == sorted(record.offsets)
    assert set(record.requests) == {"open", "write", "close"}
    assert set(record.write_sizes) == {SAFE_WRITE_BYTES}


async def test_writes_are_as_large_as_the_server_allows(openssh: OpenSSH) -> None:
    """OpenSSH says 255 KiB, and that is what one write carries, once a small one was acknowledged quickly."""
    counts: list[int] = []
    async with connected(openssh.get_destination()) as remote:
        await remote.put("a.csv", Bytes(LARGE), counts.append)
    assert counts[0] == SAFE_WRITE_BYTES
    assert counts.count(255 * 1024) > len(LARGE) // (255 * 1024) // 2


async def test_new_session_keys_in_mid_upload(tmp_path: Path) -> None:
    """Keys are agreed upon anew while writes are in flight, as OpenSSH asks for every gigabyte; here every megabyte."""
    data = b"".join(number.to_bytes(4) for number in range(2 * MEBIBYTE))
    with run_openssh(tmp_path / "openssh", lines=["RekeyLimit 1M none"]) as server:
        async with connected(server.get_destination()) as remote:
            await remote.put("a.csv", Bytes(data))
        assert (server.root / "a.csv").read_bytes() == data


async def test_a_cut_line_is_unreachable(openssh: OpenSSH) -> None:
    """A line cut in mid-upload is noticed at once; the connection is of no further use."""
    content = Bytes(LARGE)
    async with (
        Relay(openssh.port, limit_bytes=8 * MEBIBYTE) as relay,
        connected(openssh.get_destination(port=relay.port)) as remote,
    ):
        with pytest.raises(errors.Unreachable, match=r"upload a\.csv at production"):
            await remote.put("a.csv", content)
        assert not remote.is_usable
        with pytest.raises(errors.Unreachable):
            await remote.get_size("a.csv")
    assert all(stream.closed for stream in content.streams)


async def test_silence_is_noticed(openssh: OpenSSH) -> None:
    """A line that stays up and carries nothing is given up after timeout_seconds without an acknowledgement."""
    content = Bytes(LARGE)
    async with SilentRelay(openssh.port, limit_bytes=8 * MEBIBYTE) as relay:
        destination = openssh.get_destination(port=relay.port, timeout_seconds=SHORT_SECONDS)
        async with connected(destination) as remote:
            loop = asyncio.get_running_loop()
            with pytest.raises(errors.Unreachable, match=r"no answer within 1\.5 s"):
                await remote.put("a.csv", content)
            began = loop.time()
            assert not remote.is_usable
        assert loop.time() - began < SHORT_SECONDS, "closing a dead line must not wait for it"
    assert all(stream.closed for stream in content.streams)


async def test_a_slow_line_is_not_silence(openssh: OpenSSH, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 KB/s, told as 80 KB/s by a deadline and keepalives that are as much shorter: small writes are acknowledged."""
    monkeypatch.setattr(login, "KEEPALIVE_SECONDS", 0.4)
    bytes_per_second = 80_000
    silence_seconds = 60 * 1_000 / bytes_per_second
    data = LARGE[: int(bytes_per_second * silence_seconds * 5)]
    slow = asyncio.Event()

    def make_pace() -> Pace:
        async def wait(size: int) -> None:
            if slow.is_set():
                await asyncio.sleep(size / bytes_per_second)

        return wait

    async with (
        FaultProxy(openssh.port, make_pace=make_pace, chunk_bytes=1024) as proxy,
        connected(openssh.get_destination(port=proxy.port)) as remote,
    ):
        remote.receiver = dataclasses.replace(remote.receiver, timeout_seconds=silence_seconds)
        slow.set()
        await remote.put("a.csv", Bytes(data))
    assert (openssh.root / "a.csv").read_bytes() == data


async def test_a_slow_upload_is_not_silence(tmp_path: Path) -> None:
    """The deadline is for one step, not for the upload: a slow local disk may take longer than it."""

    class SlowStream(Bytes):
        """Each read of the stream lasts a while."""

        def open(self) -> BinaryIO:
            stream = super().open()
            read = stream.read
            lasting = asyncio.run_coroutine_threadsafe

            def read_slowly(size: int = -1, /) -> bytes:
                lasting(asyncio.sleep(0.4), loop).result()
                return read(size)

            stream.read = read_slowly  # type: ignore[method-assign] # a stream whose reads last is what is wanted
            return stream

    loop = asyncio.get_running_loop()
    with run_paramiko(tmp_path / "receiver") as server:
        async with connected(server.get_destination(timeout_seconds=SHORT_SECONDS)) as remote:
            await remote.put("a.csv", SlowStream(LARGE[: 4 * MEBIBYTE]))


async def test_a_cancelled_upload_leaves_nothing(openssh: OpenSSH) -> None:
    """Cancelling in mid-upload stops every write, closes the stream, and spoils the connection."""
    content = Bytes(LARGE)
    async with (
        SilentRelay(openssh.port, limit_bytes=8 * MEBIBYTE) as relay,
        connected(openssh.get_destination(port=relay.port)) as remote,
    ):
        upload = asyncio.create_task(remote.put("a.csv", content))
        await relay.struck.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert not remote.is_usable
    assert [stream.closed for stream in content.streams] == [True]


async def test_a_failed_write_is_transient(tmp_path: Path) -> None:
    """A failure that a server reports in mid-upload may go away; the connection stays usable."""
    content = Bytes(LARGE)
    with run_paramiko(tmp_path / "receiver", files=BrokenDisk) as server:
        async with connected(server.get_destination()) as remote:
            with pytest.raises(errors.Transient) as caught:
                await remote.put("a.csv", content)
            assert not isinstance(caught.value, errors.Unreachable)
            await remote.put("b.csv", Bytes(b"x"))
        assert server.record.requests.count("close") == 2, "the handle of the failed upload is closed, too"
    assert all(stream.closed for stream in content.streams)


@pytest.mark.parametrize("session", [SilentOnClose, HangsUpOnClose])
async def test_an_upload_counts_only_when_its_close_is_answered(
    tmp_path: Path, session: type[SilentOnClose | HangsUpOnClose]
) -> None:
    """A receiver may take the file on its close: without an answer to it nobody knows."""
    with run_paramiko(tmp_path / "receiver", session=session) as server:
        async with connected(server.get_destination(timeout_seconds=SHORT_SECONDS)) as remote:
            with pytest.raises(errors.Unreachable):
                await remote.put("a.csv", Bytes(b"x"))
            assert not remote.is_usable


async def test_a_server_that_does_not_rename(tmp_path: Path) -> None:
    """An unsupported rename is permanent, and the hint names the setting."""
    with run_paramiko(tmp_path / "receiver", files=NoRename) as server:
        async with connected(server.get_destination()) as remote:
            with pytest.raises(errors.ReceiverRefused, match=r"destinations\.production\.rename"):
                await remote.rename("a.tmp", "a.csv")


async def test_content_that_cannot_be_read_is_our_fault(openssh: OpenSSH, tmp_path: Path) -> None:
    """A local file that is gone is no fault of the receiver, and the connection stays usable."""

    class Gone:
        size = 1

        def open(self) -> BinaryIO:
            return (tmp_path / "gone").open("rb")

    async with connected(openssh.get_destination()) as remote:
        with pytest.raises(errors.LocalFault, match="No such file"):
            await remote.put("a.csv", Gone())
        assert remote.is_usable


async def test_a_full_receiver_is_permanent(tmp_path: Path) -> None:
    """Version 3 says no more than "failure" when space is out: the free space is asked for, and a person is told."""
    async with run_asyncssh(tmp_path, FullDisk) as server:
        remote = await connect(server.get_destination(), "production")
        with pytest.raises(errors.ReceiverRefused, match=r"no space left on the receiver \(0 bytes free, 3 needed\)"):
            await remote.put("a.csv", Bytes(b"abc"))
        assert remote.is_usable
        await remote.close()
