"""One delivery that is cut off and started again until everything is done, with a receiver that remembers all of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sftp_orchestrator.config.ledger_url import SQLITE
from sftp_orchestrator.sandbox.activity import Entry, Event
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Settings, Traits
from tests.support import drops, forked, receipts
from tests.support.configuration import merge, write_configuration, write_values
from tests.support.drops import Drop

MOST_PASSES = 6
"""Starts that may be needed after a crash; two are usual, a person's word asks for one more."""
READY = ".ready"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is dropped, how it is sent, and to what kind of receiver."""

    rows: int = 24
    destination: Mapping[str, Any] = field(default_factory=dict)
    """settings besides where it is"""
    encrypts: bool = False
    removes_taken: bool = False
    """the receiver takes files away at once"""
    is_far: bool = False
    """staging lies on another file system, and markers say what is complete"""
    ledger_url: str = SQLITE
    """… whose database is empty"""


class Memory:
    """A sandbox's listener: keeps what was taken, as it was then, and knows whether anything is still being written."""

    def __init__(self, inbox: Path, kept: Path) -> None:
        self._inbox = inbox
        self._kept = kept
        self._open: list[str] = []
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()
        self._news = asyncio.Event()
        self.taken: set[str] = set()
        """names of data that was taken"""
        self.sequence = 0

    def __call__(self, entry: Entry) -> None:
        """Take in what the receiver noted."""
        self.sequence = entry.sequence
        if entry.event is Event.OPENED:
            self._open.append(str(entry.details["name"]))
        elif entry.event is Event.CLOSED:
            self._open.remove(str(entry.details["name"]))
        elif entry.event is Event.RENAMED and entry.details["old"] in self._open:
            self._open[self._open.index(str(entry.details["old"]))] = str(entry.details["name"])
        elif entry.event is Event.TAKEN:
            data = str(entry.details["data"])
            self.taken.add(data)
            os.link(self._inbox / data, self._kept / f"{entry.details['arrival']}_{data}")
        self._is_quiet.clear() if self._open else self._is_quiet.set()
        self._news.set()

    async def wait_until(self, sequence: int) -> None:
        """Return once the receiver has noted so much."""
        while self.sequence < sequence:
            self._news.clear()
            await self._news.wait()

    async def wait_until_closed(self) -> None:
        """Return once nobody has a file open: the receiver has noticed that its sender is gone."""
        async with asyncio.timeout(forked.DEADLINE_SECONDS):
            await self._is_quiet.wait()


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A running sandbox and what it remembers."""

    sandbox: Sandbox
    memory: Memory
    kept: Path

    async def settle(self) -> None:
        """Return once it has noticed the end of every session and decided about every manifest."""
        await self.memory.wait_until_closed()
        await self.sandbox.wait_until_idle()


@contextlib.asynccontextmanager
async def run_receiver(root: Path, *, removes_taken: bool = False) -> AsyncIterator[Receiver]:
    """Run a receiver below ``root`` for the time of the context."""
    kept = root / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    memory = Memory(root / "inbox", kept)
    settings = Settings(root=root, openpgp_algorithm=CURVE_25519, traits=Traits(removes_taken=removes_taken))
    async with Sandbox(settings, listener=memory) as sandbox:
        yield Receiver(sandbox=sandbox, memory=memory, kept=kept)


@dataclass(kw_only=True)
class Case:
    """One workspace that delivers to a receiver, crash after crash."""

    folder: Path
    staging: Path
    load: Load
    receiver: Receiver
    drops: list[Drop] = field(default_factory=list)
    awaited: set[str] = field(default_factory=set)
    """files that waited for a person's word about a part"""
    resolved: int = 0
    """parts that a person decided about"""
    after: int = 0
    """the receiver's log up to here is of others"""
    others: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """who else is at work beside the commands"""
    meddling: forked.Meddling | None = None
    """who comes in between in the next command"""

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "config.yml"

    @property
    def workspace(self) -> Path:
        """The workspace."""
        return self.folder / "workspace"

    @property
    def output(self) -> Path:
        """What every command printed and logged."""
        return self.folder / "output.log"

    def configure(self, overrides: Mapping[str, Any] | None = None) -> None:
        """Write the configuration; may be repeated, with other settings."""
        access = self.receiver.sandbox.access
        destination = {
            "port": access.port,
            "username": access.username,
            "private_key": {"file": str(access.private_key)},
            "known_hosts": str(access.known_hosts),
            **self.load.destination,
        }
        if self.load.encrypts:
            encryption = {"public_key": {"file": str(access.openpgp_public_key)}, "key_id": access.key_id}
            destination["encryption"] = encryption
        intake = {"ready_marker": f"{{name}}{READY}"} if self.load.is_far else {}
        values = {"staging": str(self.staging), "intake": intake, "destinations": {"production": destination}}
        values["ledger"] = {"url": self.load.ledger_url}
        write_configuration(self.folder, merge(values, overrides or {}), feeds=drops.FEEDS)

    def rename_destination(self, name: str) -> None:
        """Have everything go to the same receiver under another name of its destination."""
        values = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        values["destinations"] = {name: values["destinations"].pop("production")}
        write_values(self.folder, values)

    def remove_feed(self, name: str) -> None:
        """Have the configuration know nothing of a feed."""
        values = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        del values["feeds"][name]
        write_values(self.folder, values)

    @property
    def ledger_url(self) -> str:
        """The ``ledger.url`` of the configuration."""
        return self.load.ledger_url

    def drop(self, batch: Sequence[Drop]) -> None:
        """Drop files, with their markers where markers are wanted."""
        drops.put(batch, self.staging)
        if self.load.is_far:
            for drop in batch:
                (self.staging / f"{drop.name}{READY}").touch()
        self.drops += batch

    async def call(self, *arguments: str, failpoint: str = "", record: Path | None = None) -> forked.Answer:
        """Run a command to its end, with whoever is to meddle with the next one."""
        meddling, self.meddling = self.meddling, None
        extras = forked.Extras(failpoint=failpoint, record=record, meddling=meddling)
        answer = await forked.call(self.config, *arguments, output=self.output, extras=extras)
        if meddling is not None and meddling.is_repeatable and answer.code == -signal.SIGKILL:
            self.meddling = meddling
        return answer

    async def kill(self, *arguments: str, at: str, reach: int = 1) -> bool:
        """Run a command that is killed when it reaches a place; return whether it did so often, else it has ended."""
        answer = await self.call(*arguments, failpoint=f"{at}:kill@{reach}")
        await self.receiver.settle()
        assert answer.code in {0, 1, -signal.SIGKILL}, answer
        return answer.code == -signal.SIGKILL

    async def get_source(self, name: str) -> dict[str, Any]:
        """Return the source of a file, which is not done."""
        (found,) = [source for source in await self.list_sources() if source["file"] == name]
        return found

    async def list_sources(self) -> list[dict[str, Any]]:
        """Return every source that is not done."""
        output = self.folder / "status.json"
        output.unlink(missing_ok=True)
        answer = await forked.call(self.config, "status", "--json", output=output)
        assert answer.code == 0, answer
        found: list[dict[str, Any]] = json.loads(answer.text)["sources"]
        return found

    async def finish(self) -> None:
        """Start again until everything is done, saying of each uncertain part what is true at the receiver."""
        left: list[dict[str, Any]] = []
        for _ in range(MOST_PASSES):
            answer = await self.call("run", "--once")
            assert answer.code in {0, 1}, answer.text
            await self.receiver.settle()
            left = [source for source in await self.list_sources() if not self._is_at_its_end(source)]
            if not left:
                return
            await self.resolve(left)
        raise AssertionError(f"it does not come to an end: {left}")

    async def resolve(self, sources: Sequence[Mapping[str, Any]]) -> None:
        """Say of each uncertain part of held ``sources`` what became of it, as a person does who asked the receiver."""
        for source in sources:
            for part in source["parts"]:
                if source["state"] == "held" and part["state"] == "uncertain":
                    is_taken = part["data_name"] in self.receiver.memory.taken
                    word = "--delivered" if is_taken else "--resend"
                    answer = await self.call("resolve", f"{source['id']}/{part['number']}", word)
                    assert answer.code == 0, answer.text
                    self.resolved += 1
                    self.awaited.add(source["file"])

    def check(self) -> receipts.History:
        """Return what was found at the receiver and on this machine."""
        history = receipts.check_receiver(
            self.drops,
            root=self.receiver.sandbox.paths.root,
            kept=self.receiver.kept,
            after=self.after,
            may_repeat_profiles=self.load.removes_taken,
            awaited=self.awaited,
        )
        history.violations += receipts.list_leftovers(self.drops, staging=self.staging, workspace=self.workspace)
        return history

    def _is_at_its_end(self, source: Mapping[str, Any]) -> bool:
        refused = {drop.name for drop in self.drops if drop.is_refused}
        return source["state"] == "quarantined" and source["file"] in refused


@contextlib.contextmanager
def open_case(folder: Path, load: Load, receiver: Receiver) -> Iterator[Case]:
    """Give a configured case in a new folder, to which nothing is dropped yet; staging goes with the context."""
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        staging = folder / "staging"
        if load.is_far:
            far = tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sftp-orchestrator-")
            staging = Path(stack.enter_context(far))
            assert staging.stat().st_dev != folder.stat().st_dev
        case = Case(folder=folder, staging=staging, load=load, receiver=receiver, after=receiver.memory.sequence)
        case.configure()
        yield case
