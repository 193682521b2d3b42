"""Starts a server as a process of its own on 127.0.0.1, and knows when it listens."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import find_free_port

START_SECONDS = 20
STARTS = 5
"""Between choosing a free port and listening on it somebody else may take it."""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A process that listens."""

    pid: int
    port: int


class _PortTaken(Exception):  # noqa: N818 - it is no error, the next port will do
    pass


def find_program(name: str) -> str:
    """Return the absolute path of a system program; raises ``FileNotFoundError``: a test that needs it fails."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        msg = f"these tests need {name}: make test installs it"
        raise FileNotFoundError(msg)
    return found


@contextlib.contextmanager
def run_listener(
    get_command: Callable[[int], Sequence[str]], *, says: bytes, log: Path, says_early: bool = False
) -> Iterator[Listener]:
    """Run what ``get_command`` gives for a free port until the context ends.

    It listens once a line on its stderr holds ``says``, or, where it ``says_early``, soon after; its words go into
    ``log``.
    """
    process, port = _start(get_command, says, log)
    try:
        if says_early:
            _await_connection(port)
        yield Listener(pid=process.pid, port=port)
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def _start(get_command: Callable[[int], Sequence[str]], says: bytes, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(STARTS):
        port = find_free_port()
        with contextlib.suppress(_PortTaken):
            return _start_once(get_command(port), says, log), port
    msg = f"no port was free: {log.read_text()}"
    raise RuntimeError(msg)


def _await_connection(port: int) -> None:
    """Return once a connection is taken, and hang up."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), START_SECONDS).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)  # Nothing tells when it is so far.
        else:
            return


def _start_once(command: Sequence[str], says: bytes, log: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    listens = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        with process.stderr, log.open("ab", buffering=0) as stream:
            for line in process.stderr:
                stream.write(line)
                if says in line:
                    listens.set()
        listens.set()

    threading.Thread(target=read, daemon=True).start()
    if not listens.wait(START_SECONDS) or process.poll() is not None:
        process.kill()
        process.wait()
        raise _PortTaken
    return process
