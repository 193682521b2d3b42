"""The command as a process that begins with everything imported: forked from a server, it is there in no time.

It is a process of its own all the same, with its own loop, threads, files and locks, and dies of SIGKILL as any does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sftp_orchestrator import cli, failpoints

DEADLINE_SECONDS = 60
"""For a command to end; generous, for a machine that is shared."""
_COMMANDS = "decide", "run", "schema", "status"
_READ_LATE = *(f"{cli.__name__}.{command}" for command in _COMMANDS), "alembic.command", "sqlalchemy.dialects.sqlite"
"""What a command imports when it is called for, which takes longer than all else that most of them do."""
_SERVER = multiprocessing.get_context("forkserver")
# Where it cannot be imported, as from another folder, each process imports it by itself: slower, and the same.
_SERVER.set_forkserver_preload([__name__, *_READ_LATE])


_ASKING = threading.Lock()
"""Held while the server is asked how children ended, as ``start`` does for all of them: each status can be read once,
and who reads it second is told 255."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How a command ended."""

    code: int
    """negative for the signal that ended it"""
    text: str
    """what it printed and logged, one after the other"""


class Recorder:
    """Stands where an armed failpoint does, and writes down every place that is reached."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def meet(self, name: str) -> None:
        """Note that a place was reached."""
        with self._path.open("a", encoding="utf-8") as out:
            out.write(f"{name}\n")


@dataclass(frozen=True, kw_only=True)
class Meddling:
    """Somebody else on this machine, who does something at the very moment that a command comes to ``place``, once."""

    place: str
    act: Callable[[], None]
    """a function of a module, or a part of one: it is called in the process of the command"""
    is_repeatable: bool = False
    """it does nothing where it was done: so it is tried again where the command was killed, perhaps before the place"""


class _Meddler:
    """Stands where an armed failpoint does, meddles, and hands on to what stood there."""

    def __init__(self, meddling: Meddling, behind: failpoints.Failpoint | None) -> None:
        self._meddling: Meddling | None = meddling
        self._next = behind

    def meet(self, name: str) -> None:
        """Meddle where ``name`` is the place."""
        if self._meddling is not None and name == self._meddling.place:
            act, self._meddling = self._meddling.act, None
            act()
        if self._next is not None:
            self._next.meet(name)


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What happens in a command beside its work."""

    failpoint: str = ""
    """switched on in it"""
    record: Path | None = None
    """written with every place that it reaches"""
    meddling: Meddling | None = None


def start(config: Path, *arguments: str, output: Path, extras: Extras = Extras()) -> Forked:
    """Start a command; what it prints and logs is added to ``output``. Blocking, for a moment."""
    command = ["sftp-orchestrator", "--config", str(config), *arguments]
    process = _SERVER.Process(target=_run, args=(command, output, extras))
    with _ASKING:
        process.start()
    return Forked(process, output)


async def call(config: Path, *arguments: str, output: Path, extras: Extras = Extras()) -> Answer:
    """Run a command to its end; the arguments are those of ``start``."""
    begun = await asyncio.to_thread(_get_size, output)
    forked = start(config, *arguments, output=output, extras=extras)
    code = await forked.wait()
    return Answer(code=code, text=await asyncio.to_thread(_read_from, output, begun))


def _get_size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _read_from(path: Path, start: int) -> str:
    with path.open("rb") as said:
        said.seek(start)
        return said.read().decode()


class Forked:
    """A command that runs."""

    def __init__(self, process: ForkServerProcess, output: Path) -> None:
        self._process = process
        self._output = output

    async def wait(self) -> int:
        """Return the exit code, negative for the signal that ended it."""
        try:
            await asyncio.to_thread(connection.wait, [self._process.sentinel], DEADLINE_SECONDS)
            code = self._get_code()
            assert code is not None, f"it does not end: {self._output.read_text()[-2000:]}"
            return code
        finally:
            if self._get_code() is None:
                self.kill()
                self._process.join()
            self._process.close()

    def _get_code(self) -> int | None:
        with _ASKING:
            return self._process.exitcode

    def kill(self) -> None:
        """Send SIGKILL, to this process alone."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)


def _let_meddle(meddling: Meddling) -> None:
    """Put somebody before what the command switches on at its start."""
    arm = failpoints.arm

    def arm_behind(environment: Mapping[str, str]) -> None:
        arm(environment)
        failpoints._armed = _Meddler(meddling, failpoints._armed)  # type: ignore[assignment] # it is met as one is

    failpoints.arm = arm_behind


def _run(command: Sequence[str], output: Path, extras: Extras) -> None:
    """Be the command, in the process that was forked for it."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)
    os.environ[failpoints.VARIABLE] = extras.failpoint
    if extras.record is not None:
        failpoints._armed = Recorder(extras.record)  # type: ignore[assignment] # it is met as a failpoint is
    if extras.meddling is not None:
        _let_meddle(extras.meddling)
    sys.argv = list(command)
    cli.main()
