"""A line between client and server on which one thing goes wrong, at a moment that is told and never at a time."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
import socket
import struct
from collections.abc import Awaitable, Callable

from tests.support.between import Between

_CHUNK_BYTES = 65536
_KEXINIT, _NEWKEYS = 20, 21
"""Numbers of messages (RFC 4253, section 12)."""


class Strike(enum.Enum):
    """What happens to every line that is there."""

    RESET = enum.auto()
    """both sides get a TCP reset"""
    SILENCE = enum.auto()
    """both sides stay connected, and nothing passes any more"""


class Moment(enum.Enum):
    """What the proxy itself can see: after the keys are agreed upon, everything is encrypted."""

    CONNECT = enum.auto()
    """a connection is made, and nothing was said on it"""
    KEY_EXCHANGE = enum.auto()
    """the client has sent its offer of algorithms"""
    LOGIN = enum.auto()
    """the client sends its first encrypted packet"""


class Handshake:
    """Follows what a client sends in the clear (RFC 4253, sections 4.2 and 6). Pure."""

    def __init__(self) -> None:
        self._rest = b""
        self._has_greeted = False
        self._is_encrypted = False

    def feed(self, data: bytes) -> set[Moment]:
        """Return the moments that ``data``, which comes next, belongs to."""
        if self._is_encrypted:
            return {Moment.LOGIN} if data else set()
        self._rest += data
        if not self._has_greeted:
            _greeting, ended, rest = self._rest.partition(b"\n")
            if not ended:
                return set()
            self._has_greeted, self._rest = True, rest
        return self._read_packets()

    def _read_packets(self) -> set[Moment]:
        found = set()
        while len(self._rest) > 5 and not self._is_encrypted:
            (length,) = struct.unpack_from(">I", self._rest)
            if len(self._rest) < 4 + length:
                break
            number, self._rest = self._rest[5], self._rest[4 + length :]
            found |= {Moment.KEY_EXCHANGE} if number == _KEXINIT else set()
            self._is_encrypted = number == _NEWKEYS
        if self._is_encrypted and self._rest:
            found.add(Moment.LOGIN)
        return found


Pace = Callable[[int], Awaitable[None]]
"""Waits as long as so many bytes take on the way."""


class FaultProxy(Between):
    """Passes everything on to ``target_port``, until it strikes: at ``moment``, or when it is told to. Only once.

    ``make_pace`` gives what is asked for each chunk, of ``chunk_bytes`` at most, in either direction; it is called for
    each direction of each line.
    """

    def __init__(
        self,
        target_port: int,
        strike: Strike = Strike.RESET,
        *,
        moment: Moment | None = None,
        make_pace: Callable[[], Pace] | None = None,
        chunk_bytes: int = _CHUNK_BYTES,
    ) -> None:
        super().__init__()
        self._target_port = target_port
        self._strike = strike
        self._moment = moment
        self._make_pace = make_pace
        self._chunk_bytes = chunk_bytes
        self._loop = asyncio.get_running_loop()
        self._open: list[list[asyncio.StreamWriter]] = []
        """both sides of each line"""
        self._silent: set[asyncio.StreamWriter] = set()
        self.struck_at: float | None = None
        """by the loop's clock"""

    async def strike(self) -> None:
        """Strike now, unless it was done before."""
        if self.struck_at is not None:
            return
        self.struck_at = self._loop.time()
        for writers in self._open:
            self._silent |= set(writers)
            if self._strike is Strike.RESET:
                for writer in writers:
                    _reset(writer)

    def strike_from_thread(self) -> None:
        """Strike from a server's thread; the line is dead when this returns."""
        asyncio.run_coroutine_threadsafe(self.strike(), self._loop).result()

    async def _pass_both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        self._open.append(writers)
        try:
            if self._moment is Moment.CONNECT:
                await self.strike()
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(there_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, there_writer, Handshake()))
                group.create_task(self._pass(there_reader, writer, None))
        except* OSError:
            pass  # a side hung up: so does the other, below
        finally:
            self._open.remove(writers)
            for side in writers:
                side.transport.abort()
            for side in writers:
                with contextlib.suppress(OSError):
                    await side.wait_closed()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handshake: Handshake | None
    ) -> None:
        pace = self._make_pace() if self._make_pace is not None else None
        while chunk := await reader.read(self._chunk_bytes):
            if handshake is not None and self._moment in handshake.feed(chunk):
                await self.strike()
            if pace is not None:
                await pace(len(chunk))
            if writer in self._silent:
                await asyncio.Event().wait()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of a good-bye: whatever waits to be sent is dropped."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def delay(seconds: float, jitter_seconds: float, seed: int) -> Callable[[], Pace]:
    """Return paces of a line with a way of ``seconds`` ± ``jitter_seconds``, by chance from ``seed``."""
    chance = random.Random(seed)  # noqa: S311 - nothing is kept secret by it

    def make() -> Pace:
        async def wait(_size: int) -> None:
            await asyncio.sleep(seconds + chance.uniform(-jitter_seconds, jitter_seconds))

        return wait

    return make
