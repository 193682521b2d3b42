"""How much is under way of one upload, and when its close is sent; the server is a fake that answers when told."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from sftp_orchestrator.deliver import writing
from sftp_orchestrator.deliver.reading import BlockReader
from sftp_orchestrator.deliver.writing import SAFE_WRITE_BYTES, Writing
from tests.support.remotes import Bytes

WRITE_BYTES = 255 * 1024


class FakeFile:
    """Takes writes, and answers them where it may."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.sizes: list[int] = []
        self.under_way = 0
        self.most_bytes = 0
        self.may_answer = asyncio.Event()
        self.is_full = asyncio.Event()
        """set once as many writes as may be are under way"""
        self.error: Exception | None = None

    async def write(self, data: memoryview, _offset: int) -> None:
        """Take a write; it is answered once it may be."""
        self.asked.append("write")
        self.sizes.append(len(data))
        self.under_way += len(data)
        if len(self.asked) == writing.MOST_IN_FLIGHT:
            self.is_full.set()
        self.most_bytes = max(self.most_bytes, self.under_way)
        await self.may_answer.wait()
        self.under_way -= len(data)
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        """Take the close; answered once a write may be."""
        self.asked.append("close")
        await self.may_answer.wait()


async def _send(file: FakeFile, size: int) -> None:
    content = Bytes(bytes(size))
    async with BlockReader(content, "part.csv", block_bytes=4 * WRITE_BYTES) as reader:
        sending = Writing(cast("Any", file), write_bytes=WRITE_BYTES, silence_seconds=20, progress=None)
        await sending.send(reader, file.close)


async def test_close_follows_the_last_write_at_once() -> None:
    """No round trip passes between them: a small file costs one for both."""
    file = FakeFile()
    sending = asyncio.create_task(_send(file, 100))
    while "close" not in file.asked:
        await asyncio.sleep(0)
        assert not sending.done()
    assert file.asked == ["write", "close"]
    file.may_answer.set()
    await sending


async def test_a_failed_write_counts_more_than_the_close() -> None:
    """The close was sent before the answer came, and went well: the file is not whole all the same."""
    file = FakeFile()
    file.error = ConnectionError("no")
    file.may_answer.set()
    with pytest.raises(ConnectionError):
        await _send(file, 100)


async def test_what_is_under_way_is_bounded_whatever_the_size_of_a_write() -> None:
    """Small writes at first fill a window at once, and large ones after them do not take their number over."""
    file = FakeFile()
    sending = asyncio.create_task(_send(file, 40 * writing.IN_FLIGHT_BYTES))
    await asyncio.wait_for(file.is_full.wait(), 20)
    # A block's last write is shorter.
    assert file.under_way > 0.99 * writing.MOST_IN_FLIGHT * SAFE_WRITE_BYTES
    while not sending.done():
        file.may_answer.set()
        await asyncio.sleep(0)
        file.may_answer.clear()
    await sending
    assert max(file.sizes) == WRITE_BYTES
    assert file.most_bytes <= writing.IN_FLIGHT_BYTES
