"""Runs the page inside the daemon's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from sftp_orchestrator.errors import LocalFault

LEAVE_SECONDS = 1.0
"""How long a stop waits for answers that are under way; a look that hangs holds it up no longer."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the daemon has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_page(app: Starlette, listen: socket.socket) -> None:
    """Serve ``app`` on ``listen`` until cancelled; then nobody is answered any more, and open streams end."""
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False))
    try:
        await server.serve(sockets=[listen])
    finally:
        # First what the loop still looks at: else it would take the next socket of this number for this one.
        for door in server.servers if server.started else []:
            door.close()
        listen.close()
        # Who watches a stream has hung up, as far as it knows, and ends by itself: cancelled, it would be an error.
        for connection in list(server.server_state.connections):
            if connection.transport is not None:
                connection.transport.close()
        if server.server_state.tasks:
            await asyncio.wait(list(server.server_state.tasks), timeout=LEAVE_SECONDS)


def open_socket(listen: str) -> socket.socket:
    """Return a listening socket for ``host:port``.

    Raises:
        LocalFault: the address is taken or not ours.
    """
    host, _, port = listen.rpartition(":")
    try:
        return socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        )
    except OSError as error:
        raise LocalFault(
            "listen on", listen, error.strerror or str(error), hint="set web.listen to another address, or to null"
        ) from error
