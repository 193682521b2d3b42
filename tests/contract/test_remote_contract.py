"""What every receiver must do for us, whatever software it runs: the same cases against each of them."""

from __future__ import annotations

import asyncio

import pytest

from sftp_orchestrator import errors
from sftp_orchestrator.deliver.sftp import MOST_WRITE_BYTES
from sftp_orchestrator.deliver.writing import SAFE_WRITE_BYTES
from tests.support.receivers import Receiver
from tests.support.remotes import Bytes, Kind, Note, Running, connected
from tests.support.tables import Table

LARGE = b"".join(number.to_bytes(4) for number in range(5 * 1024 * 256)) + b"the end"
"""Some twenty writes of the largest size, more than a hundred of the safe one, a short one at the end; no two alike."""


@pytest.mark.parametrize("data", [b"", b"a,b\r\n1,2\r\n", LARGE], ids=["empty", "small", "large"])
async def test_put_writes_every_byte(receiver: Receiver, kind: Kind, note: Note, data: bytes) -> None:
    """What arrives is what was sent, and its size is what the receiver shows, if it shows one."""
    async with connected(receiver.get_destination()) as remote:
        await remote.put("a.csv", Bytes(data))
        if kind.looks:
            assert await remote.get_size("a.csv") == (len(data) if kind.shows else None)
    note("shows sizes", "yes" if kind.shows else "no" if kind.looks else "no: permission denied")
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


async def test_what_it_allows_is_known(receiver: Receiver, note: Note) -> None:
    """The size of one write is at least what every server must take, and space that is told is more than none."""
    async with connected(receiver.get_destination()) as remote:
        write_bytes, free_bytes = remote.write_bytes, await remote.get_free_bytes()
    assert SAFE_WRITE_BYTES <= write_bytes <= MOST_WRITE_BYTES
    assert free_bytes is None or free_bytes > 0
    note("one write", f"{write_bytes // 1024} KiB")
    note("free space", "not told" if free_bytes is None else "told")


async def test_puts_side_by_side(receiver: Receiver) -> None:
    """Several files may go over one connection at the same time."""
    async with connected(receiver.get_destination()) as remote, asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(remote.put(f"{number}.csv", Bytes(LARGE[number:])))
    for number in range(3):
        assert (receiver.root / f"{number}.csv").read_bytes() == LARGE[number:]


async def test_names_are_joined_to_the_remote_folder(receiver: Receiver, kind: Kind) -> None:
    """Every operation works within remote_dir."""
    folder = receiver.root / "in" / "box"
    folder.mkdir(parents=True)
    async with connected(receiver.get_destination(remote_dir="in/box")) as remote:
        await remote.put("a.csv", Bytes(b"x"))
        assert (folder / "a.csv").read_bytes() == b"x"
        if kind.shows:
            assert await remote.get_size("a.csv") == 1
        if kind.renames:
            await remote.rename("a.csv", "b.csv")
            assert [path.name for path in folder.iterdir()] == ["b.csv"]
        if kind.removes:
            assert await remote.remove("b.csv" if kind.renames else "a.csv")
            assert list(folder.iterdir()) == []


async def test_a_missing_file_has_no_size(receiver: Receiver, kind: Kind) -> None:
    """A missing file is an answer, not an error; where nobody may look, this is a refusal."""
    async with connected(receiver.get_destination()) as remote:
        if kind.looks:
            assert await remote.get_size("nothing.csv") is None
        else:
            with pytest.raises(errors.ReceiverRefused, match="permission denied"):
                await remote.get_size("nothing.csv")
        assert remote.is_usable


async def test_remove_says_whether_it_was_there(receiver: Receiver, kind: Kind, note: Note) -> None:
    """A remove may be repeated; one that is refused leaves the file and the connection as they were."""
    (receiver.root / "a.csv").write_bytes(b"x")
    async with connected(receiver.get_destination()) as remote:
        if kind.looks:
            assert await remote.remove("a.csv") == kind.removes
            assert not await remote.remove("a.csv")
        else:
            with pytest.raises(errors.ReceiverRefused, match="permission denied"):
                await remote.remove("a.csv")
        assert remote.is_usable
    assert (receiver.root / "a.csv").exists() != kind.removes
    note("removes", "yes" if kind.removes else "no" if kind.looks else "no: permission denied")


async def test_rename_moves_the_file(receiver: Receiver, kind: Kind, note: Note) -> None:
    """A rename leaves the content under the new name only; where there is none, that is a permanent refusal."""
    (receiver.root / "a.tmp").write_bytes(b"x")
    cause = "yes"
    async with connected(receiver.get_destination()) as remote:
        if kind.renames:
            await remote.rename("a.tmp", "a.csv")
        else:
            with pytest.raises(errors.ReceiverRefused) as refused:
                await remote.rename("a.tmp", "a.csv")
            cause = refused.value.cause.partition(" (")[0]
        assert remote.is_usable
    note("renames", cause)
    assert [path.name for path in receiver.root.iterdir()] == ["a.csv" if kind.renames else "a.tmp"]


async def test_rename_never_overwrites(receiver: Receiver, kind: Kind, note: Note) -> None:
    """An existing target is a permanent refusal, and both files stay as they are, unless the receiver knows better."""
    (receiver.root / "a.tmp").write_bytes(b"new")
    (receiver.root / "a.csv").write_bytes(b"old")
    async with connected(receiver.get_destination()) as remote:
        if kind.overwrites:
            await remote.rename("a.tmp", "a.csv")
            assert (receiver.root / "a.csv").read_bytes() == b"new"
            note("onto an existing name", "overwrites")
            return
        with pytest.raises(errors.ReceiverRefused):
            await remote.rename("a.tmp", "a.csv")
        assert remote.is_usable
    assert (receiver.root / "a.csv").read_bytes() == b"old"
    assert (receiver.root / "a.tmp").read_bytes() == b"new"
    note("onto an existing name", "refused")


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


async def test_a_refused_write_is_permanent(read_only: Running, receivers_table: Table) -> None:
    """Permission denied is permanent and names the user; a mere failure is told in the receiver's own words."""
    async with connected(read_only.receiver.get_destination()) as remote:
        with pytest.raises(errors.Failure, match=r"permission denied.*check that user|Read only file system") as caught:
            await remote.put("a.csv", Bytes(b"x"))
        assert isinstance(caught.value, errors.ReceiverRefused) == read_only.kind.says_denied
        seen = "permission denied" if read_only.kind.says_denied else "failure"
        receivers_table.note(read_only.kind.title, "a refused write", seen)
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
