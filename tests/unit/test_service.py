"""One daemon after another: which configuration is gone back to, and that a stop is a stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator import daemon, service
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import ExitCode, LocalFault
from sftp_orchestrator.progress import Board
from tests.support.configuration import write_configuration
from tests.support.ports import find_free_port


class _Daemon:
    """Does what its configuration's ``client_email`` says: a word before the @."""

    def __init__(self, word: str) -> None:
        self._word = word

    async def run(self, note_start: Callable[[], None]) -> None:
        """Start, or not; then wait to be ended."""
        if self._word.startswith("good"):
            note_start()
        try:
            await asyncio.Event().wait()
        finally:
            if self._word == "fails-when-stopped":
                raise LocalFault("stop", self._word, "the disk is full")

    def list_stuck(self) -> list[str]:
        """Nothing ever is."""
        return []


class _Place:
    """A service whose daemons are ours, and what it is told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started: list[str] = []
        self._begun = asyncio.Event()
        self._next: list[Configuration] = []
        self._good = write_configuration(folder).configuration
        monkeypatch.setattr(service, "open_daemon", self._open)

    def make(self, word: str) -> Configuration:
        """Return a configuration for a daemon of this behaviour."""
        (destination,) = self._good.destinations.values()
        changed = destination.model_copy(update={"client_email": f"{word}@example.com"})
        return self._good.model_copy(update={"destinations": {"production": changed}})

    @contextlib.contextmanager
    def _open(self, configuration: Configuration, *_: Any, **__: Any) -> Iterator[_Daemon]:
        word = configuration.destinations["production"].client_email.partition("@")[0]
        self.started.append(word)
        self._begun.set()
        if word == "cannot-open":
            raise LocalFault("open", word, "it is locked")
        yield _Daemon(word)

    async def serve(self, *words: str) -> ExitCode:
        """Serve with the first, and reload once for each further one as soon as those before had their turn."""
        configurations = iter([self.make(word) for word in words])
        serving = asyncio.create_task(
            service.serve(next(configurations), once=False, board=Board(), load=lambda: next(configurations))
        )
        for number in range(1, len(words)):
            await self.wait(number)
            signal.raise_signal(signal.SIGHUP)
        await self.wait(len(words))
        return await serving

    async def wait(self, count: int) -> None:
        """Wait until so many daemons were begun."""
        async with asyncio.timeout(20):
            while len(self.started) < count:
                self._begun.clear()
                await self._begun.wait()


async def test_what_never_started_is_nothing_to_go_back_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two reloads in short order, the second one bad: the daemon that ran before both runs again."""
    place = _Place(tmp_path, monkeypatch)
    serving = asyncio.create_task(place.serve("good", "never-starts", "cannot-open"))
    await place.wait(4)
    assert place.started == ["good", "never-starts", "cannot-open", "good"]
    signal.raise_signal(signal.SIGTERM)
    assert await serving is ExitCode.DONE


async def test_a_stop_while_another_daemon_starts_is_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the one that is starting fails with then, no other is begun."""
    place = _Place(tmp_path, monkeypatch)
    serving = asyncio.create_task(place.serve("good", "fails-when-stopped"))
    await place.wait(2)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(ExceptionGroup) as raised:
        await serving
    assert raised.group_contains(LocalFault, match="the disk is full")
    assert place.started == ["good", "fails-when-stopped"]


async def test_a_start_that_fails_gives_its_address_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the daemon before could not be started again on the same one."""
    port = find_free_port()
    web = {"web": {"listen": f"127.0.0.1:{port}"}}
    configuration = (await asyncio.to_thread(write_configuration, tmp_path, web)).configuration

    async def fail(_: daemon.Daemon) -> None:
        raise LocalFault("recover", "what was left", "the disk is full")

    monkeypatch.setattr(daemon.Daemon, "recover", fail)
    with daemon.open_daemon(configuration, Board()) as failing, pytest.raises(LocalFault, match="the disk is full"):
        await failing.run()
    socket.create_server(("127.0.0.1", port)).close()
