"""A line with a long way: passes bytes on late, and as many at once as come.

It runs as a process of its own, so that what it takes of the machine is nobody's who is measured:
``python -m benchmarks.line PORT TARGET_PORT ROUND_TRIP_SECONDS``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.measuring import Facts
from tests.support.listening import run_listener

LISTENS = b"the line listens"
MOST_HELD_BYTES = 256 * 1024 * 1024
"""On the way in one direction of one connection: a second of 2 Gbit/s, of which no client has a tenth under way."""
_CHUNK_BYTES = 1024 * 1024
_ZEROS = bytes(_CHUNK_BYTES)


@contextlib.contextmanager
def run_line(target_port: int, *, round_trip_seconds: float, folder: Path) -> Iterator[int]:
    """Give the port of a line to ``target_port`` on this machine, for the time of the context."""

    def get_command(port: int) -> list[str]:
        return [sys.executable, "-m", "benchmarks.line", str(port), str(target_port), str(round_trip_seconds)]

    with run_listener(get_command, says=LISTENS, log=folder / "line.log") as listener:
        yield listener.port


@contextlib.contextmanager
def run_sink() -> Iterator[int]:
    """Give a port where every byte is taken and, at the end of each connection, one is given back."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection: socket.socket) -> None:
            buffer = bytearray(_CHUNK_BYTES)
            with connection:
                while connection.recv_into(buffer):
                    pass
                connection.sendall(b".")

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        # Only a shutdown wakes whoever waits in accept().
        server.shutdown(socket.SHUT_RDWR)


def send_zeros(port: int, size: int, connections: int) -> Facts:
    """Send ``size`` bytes through ``port`` over so many connections at once: what the line itself lets through."""

    def send(count: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while count:
                connection.sendall(_ZEROS[:count])
                count -= min(count, _CHUNK_BYTES)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    with ThreadPoolExecutor(connections) as threads:
        shares = [size // connections + (number < size % connections) for number in range(connections)]
        list(threads.map(send, shares))
    return {}


class _Direction(asyncio.Protocol):
    """One end of a connection: what arrives here leaves at ``other`` half a round trip later."""

    def __init__(self, way_seconds: float) -> None:
        self._way_seconds = way_seconds
        self._loop = asyncio.get_running_loop()
        self._held: deque[tuple[float, bytes | None]] = deque()
        self._held_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._opened_at = 0.0
        self.other: _Direction | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self.transport = transport
        # Loopback connects in no time; TCP would take a round trip before the first byte is sent.
        self._opened_at = self._loop.time() + 2 * self._way_seconds

    def data_received(self, data: bytes) -> None:
        self._hold(data)
        self._held_bytes += len(data)
        if self._held_bytes > MOST_HELD_BYTES and self.transport is not None:
            self._is_paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self._hold(None)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        del error
        if self.other is not None and self.other.transport is not None:
            self._loop.call_later(self._way_seconds, self.other.transport.close)

    def wake(self) -> None:
        """Pass on what is due, as soon as there is somebody to pass it to."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        target = self.other.transport if self.other is not None else None
        if target is None:
            return
        while self._held and self._held[0][0] <= self._loop.time():
            _, data = self._held.popleft()
            if data is not None:
                self._held_bytes -= len(data)
                target.write(data)
            elif not target.is_closing():
                target.write_eof()
        if self._is_paused and self._held_bytes < MOST_HELD_BYTES // 2 and self.transport is not None:
            self._is_paused = False
            self.transport.resume_reading()
        if self._held:
            self._timer = self._loop.call_at(self._held[0][0], self.wake)

    def _hold(self, data: bytes | None) -> None:
        due = max(self._loop.time(), self._opened_at) + self._way_seconds
        self._held.append((due, data))
        if self._timer is None:
            self._timer = self._loop.call_at(due, self.wake)


class _Near(_Direction):
    """The client's end."""

    def __init__(self, way_seconds: float, target_port: int) -> None:
        super().__init__(way_seconds)
        self._target_port = target_port
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        def make() -> _Direction:
            far = _Direction(self._way_seconds)
            far.other, self.other = self, far
            return far

        await self._loop.create_connection(make, "127.0.0.1", self._target_port)
        self.wake()


async def _serve(port: int, target_port: int, round_trip_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Near(round_trip_seconds / 2, target_port), "127.0.0.1", port)
    sys.stderr.write(f"{LISTENS.decode()}\n")
    sys.stderr.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
