"""A command at a terminal: what it writes is read as it comes, and what is typed goes to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import COMMAND, DEADLINE_SECONDS

AGAIN_SECONDS = 2
"""How long somebody waits before he presses Ctrl-C once more."""
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(kw_only=True)
class Terminal:
    """A running command, and everything that it wrote so far."""

    process: subprocess.Popen[bytes]
    descriptor: int
    raw: str = ""

    @property
    def text(self) -> str:
        """What was written, without what moves the cursor or colours."""
        return _ESCAPE.sub("", self.raw).replace("\r", "")

    def expect(self, said: str) -> None:
        """Wait until ``said`` was written after all that was expected before."""
        start = self._seen
        ends = time.monotonic() + DEADLINE_SECONDS
        while said not in self.text[start:]:
            assert self._read(ends), f"{said!r} was not written: {self.text!r}"
        self._seen = self.text.index(said, start) + len(said)

    def answer(self, question: str, typed: str) -> None:
        """Wait for ``question``, and type an answer."""
        self.expect(question)
        self.type(f"{typed}\n")

    def type(self, keys: str) -> None:
        """Press ``keys``."""
        os.write(self.descriptor, keys.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C until the command ends, as a person does.

        The first one may come after a question was written and before it is waited for: Python's readline raises that
        one with the next key.
        """
        ends = time.monotonic() + DEADLINE_SECONDS
        while self.process.poll() is None and time.monotonic() < ends:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(AGAIN_SECONDS)

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        ends = time.monotonic() + DEADLINE_SECONDS
        while self._read(ends):
            pass
        return self.process.wait(DEADLINE_SECONDS)

    _seen: int = 0

    def _read(self, ends: float) -> bool:
        """Read what is there, or comes before ``ends``; return whether it may go on."""
        ready, _, _ = select.select([self.descriptor], [], [], max(ends - time.monotonic(), 0))
        if not ready:
            return False
        try:
            piece = os.read(self.descriptor, 65536)
        except OSError:
            # How Linux says that nobody writes any more: the process has ended.
            return False
        self.raw += piece.decode("utf-8", "replace")
        return bool(piece)


@contextlib.contextmanager
def run_at_terminal(
    *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None, columns: int = 80
) -> Iterator[Terminal]:
    """Run a command whose three streams are a terminal; what still runs at the end of the context is killed."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=its,
        stdout=its,
        stderr=its,
        cwd=folder,
        env={**os.environ, "TERM": "xterm", **(environment or {})},
    )
    os.close(its)
    try:
        yield Terminal(process=process, descriptor=ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
