"""What every receiver must do for us, whatever software it runs: the same cases against each of them."""

from __future__ import annotations

import asyncio

import pytest

from sftp_orchestrator import errors
from tests.support.receivers import Receiver
from tests.support.remotes import Bytes, connected

LARGE = b"".join(number.to_bytes(4) for number in range(5 * 1024 * 256)) + b"the end"
"""Some twenty writes of the largest size, more than a hundred of the safe one, a short one at the end; no two alike."""


@pytest.mark.parametrize("data", [b"", b"a,b\r\n1,2\r\n", LARGE], ids=["empty", "small", "large"])
async def test_put_writes_every_byte(receiver: Receiver, data: bytes) -> None:
    """What arrives is what was sent, and its size is what the receiver shows."""
    async with connected(receiver.get_destination()) as remote:
        await remote.put("a.csv", Bytes(data))
        assert await remote.get_size("a.csv") == len(data)
    assert (receiver.root / "a.csv").read_bytes() == data


async def test_put_truncates_what_was_there(receiver: Receiver) -> None:
    """A put may be repeated: nothing of a longer file before it remains."""
    (receiver.root / "a.csv").write_bytes(LARGE)
    async with connected(receiver.get_destination()) as remote:
        await remote.put("a.csv", Bytes(b"short"))
    assert (receiver.root / "a.csv").read_bytes() == b"short"


async def test_progress_adds_up(receiver: Receiver) -> None:
    """Progress counts each acknowledged byte once."""
    counts: list[int] = []
    async with connected(receiver.get_destination()) as remote:
        await remote.put("a.csv", Bytes(LARGE), counts.append)
    assert sum(counts) == len(LARGE)
    assert len(counts) > 10


async def test_puts_side_by_side(receiver: Receiver) -> None:
    """Several files may go over one connection at the same time."""
    async with connected(receiver.get_destination()) as remote, asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(remote.put(f"{number}.csv", Bytes(LARGE[number:])))
    for number in range(3):
        assert (receiver.root / f"{number}.csv").read_bytes() == LARGE[number:]


async def test_names_are_joined_to_the_remote_folder(receiver: Receiver) -> None:
    """Every operation works within remote_dir."""
    (receiver.root / "in" / "box").mkdir(parents=True)
    async with connected(receiver.get_destination(remote_dir="in/box")) as remote:
        await remote.put("a.csv", Bytes(b"x"))
        await remote.rename("a.csv", "b.csv")
        assert await remote.get_size("b.csv") == 1
        assert (receiver.root / "in" / "box" / "b.csv").read_bytes() == b"x"
        assert await remote.remove("b.csv")
    assert list((receiver.root / "in" / "box").iterdir()) == []


async def test_a_missing_file_has_no_size(receiver: Receiver) -> None:
    """A missing file is an answer, not an error."""
    async with connected(receiver.get_destination()) as remote:
        assert await remote.get_size("nothing.csv") is None


async def test_remove_says_whether_it_was_there(receiver: Receiver) -> None:
    """A remove may be repeated."""
    (receiver.root / "a.csv").write_bytes(b"x")
    async with connected(receiver.get_destination()) as remote:
        assert await remote.remove("a.csv")
        assert not await remote.remove("a.csv")
    assert not (receiver.root / "a.csv").exists()


async def test_rename_moves_the_file(receiver: Receiver) -> None:
    """A rename leaves the content under the new name only."""
    (receiver.root / "a.tmp").write_bytes(b"x")
    async with connected(receiver.get_destination()) as remote:
        await remote.rename("a.tmp", "a.csv")
    assert (receiver.root / "a.csv").read_bytes() == b"x"
    assert not (receiver.root / "a.tmp").exists()


async def test_rename_never_overwrites(receiver: Receiver) -> None:
    """An existing target is a permanent refusal, and both files stay as they are."""
    (receiver.root / "a.tmp").write_bytes(b"new")
    (receiver.root / "a.csv").write_bytes(b"old")
    async with connected(receiver.get_destination()) as remote:
        with pytest.raises(errors.ReceiverRefused):
            await remote.rename("a.tmp", "a.csv")
        assert remote.is_usable
    assert (receiver.root / "a.csv").read_bytes() == b"old"
    assert (receiver.root / "a.tmp").read_bytes() == b"new"


async def test_rename_of_nothing_is_refused(receiver: Receiver) -> None:
    """Renaming a file that is not there is a permanent refusal."""
    async with connected(receiver.get_destination()) as remote:
        with pytest.raises(errors.ReceiverRefused):
            await remote.rename("a.tmp", "a.csv")


async def test_a_missing_remote_folder_is_refused_with_a_hint(receiver: Receiver) -> None:
    """A missing remote_dir is the configuration's fault or the receiver's: permanent, and the message names the key."""
    async with connected(receiver.get_destination(remote_dir="nowhere")) as remote:
        with pytest.raises(errors.ReceiverRefused, match=r"a\.csv.*'nowhere'.*destinations\.production\.remote_dir"):
            await remote.put("a.csv", Bytes(b"x"))
        assert remote.is_usable


async def test_a_refused_write_is_permanent(read_only_receiver: Receiver) -> None:
    """Permission denied is permanent, names the user, and leaves the connection usable."""
    async with connected(read_only_receiver.get_destination()) as remote:
        with pytest.raises(errors.ReceiverRefused, match=r"permission denied.*check that user"):
            await remote.put("a.csv", Bytes(b"x"))
        assert await remote.get_size("a.csv") is None
        assert remote.is_usable


@pytest.mark.parametrize("claimed", [len(LARGE) - 1, len(LARGE) + 1])
async def test_a_changed_length_is_noticed(receiver: Receiver, claimed: int) -> None:
    """A source that is shorter or longer than planned is never taken as delivered; both lengths are named."""
    content = Bytes(LARGE, size=claimed)
    async with connected(receiver.get_destination()) as remote:
        with pytest.raises(errors.Transient, match=rf"{len(LARGE)} bytes, {claimed} were expected"):
            await remote.put("a.csv", content)
        assert remote.is_usable
        await remote.put("a.csv", Bytes(b"x"))
    assert all(stream.closed for stream in content.streams)


async def test_close_may_be_repeated(receiver: Receiver) -> None:
    """Closing twice is harmless, and a closed connection is not usable."""
    async with connected(receiver.get_destination()) as remote:
        await remote.close()
        assert not remote.is_usable
        await remote.close()
