"""The command as a process: called and waited for, or as the daemon, whose log is read as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.configuration import Written, merge, write_configuration

DEADLINE_SECONDS = 60
"""For anything that is waited for; generous, for a machine that is shared."""
COMMAND = (sys.executable, "-m", "sftp_orchestrator")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    errors: str

    @property
    def json(self) -> dict[str, Any]:
        """What it printed with ``--json``."""
        found: dict[str, Any] = json.loads(self.out)
        return found


async def call(config: Path, *arguments: str, environment: Mapping[str, str] | None = None, umask: int = -1) -> Answer:
    """Run a command to its end, with more in its ``environment``; a ``umask`` of -1 is ours."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "--config",
        str(config),
        *arguments,
        stdout=pipe,
        stderr=pipe,
        env={**os.environ, **(environment or {})},
        umask=umask,
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return Answer(code=process.returncode, out=out.decode(), errors=errors.decode())


async def get_status(config: Path) -> dict[str, Any]:
    """Return each source that is not done, by its file's name."""
    answer = await call(config, "status", "--json")
    assert answer.code == 0, answer.errors
    return {source["file"]: source for source in answer.json["sources"]}


@dataclass(kw_only=True)
class Service:
    """A running daemon."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _has_ended: bool = False

    async def wait_for(self, event: str, *, count: int = 1, **fields: Any) -> dict[str, Any]:
        """Return the ``count``-th log line of ``event`` with these fields, as soon as it is there."""

        def find() -> list[dict[str, Any]]:
            return [line for line in self.lines if line["event"] == event and fields.items() <= line.items()]

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_SECONDS), self._news:
                await self._news.wait_for(lambda: len(find()) >= count or self._has_ended)
        assert len(find()) >= count, f"no {event} {fields} ({count}) in the log: {self.lines}"
        return find()[count - 1]

    async def wait_until(self, is_meant: Callable[[dict[str, Any]], bool], *, after: int = 0) -> dict[str, Any]:
        """Return the first log line ``after`` so many that ``is_meant``, as soon as it is there."""

        def find() -> list[dict[str, Any]]:
            return [line for line in self.lines[after:] if is_meant(line)]

        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            await self._news.wait_for(lambda: bool(find()) or self._has_ended)
        assert find(), self.lines[after:]
        return find()[0]

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code, negative for the signal that ended the process."""
        self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> int:
        """Return the exit code once the process has ended."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.process.wait()

    async def read(self) -> None:
        """Keep every line of the log until the process closes it."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._news:
                self.lines.append(_parse(line))
                self._news.notify_all()
        async with self._news:
            self._has_ended = True
            self._news.notify_all()


def _parse(line: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": "", "text": line.decode()}
    return found


@contextlib.asynccontextmanager
async def run_service(
    config: Path, *, environment: Mapping[str, str] | None = None, umask: int = -1
) -> AsyncIterator[Service]:
    """Run the daemon for the time of the context; what still runs at its end is killed."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "--config",
        str(config),
        "run",
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        umask=umask,
        limit=2**20,
    )
    service = Service(process=process)
    reading = asyncio.create_task(service.read())
    try:
        yield service
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reading


def configure(folder: Path, sandbox: Sandbox, overrides: Mapping[str, Any] | None = None) -> Written:
    """Write the small configuration with a running sandbox as its destination, without encryption."""
    access = sandbox.access
    destination = {
        "host": access.host,
        "port": access.port,
        "username": access.username,
        "private_key": {"file": str(access.private_key)},
        "known_hosts": str(access.known_hosts),
    }
    return write_configuration(folder, merge({"destinations": {"production": destination}}, overrides or {}))
