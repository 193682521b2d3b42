"""Runs the demo: sandbox and daemon in one process, files dropped in the wrong order, and the outcome compared."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path

import yaml

from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.demo.files import DemoFile, Drop
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Part, Source
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY, SourceState
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.sandbox.activity import Entry, Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import Limits, Settings

SETTLE_SECONDS = 1.0
POLL_SECONDS = 0.1
SMALLEST_LIMIT_BYTES = 100_000
LARGEST_LIMIT_BYTES = 1_000_000_000
_FEEDS = {FeedType.PROFILE: "customers", FeedType.EVENT: "purchases"}
_END = frozenset(SourceState) - SOURCE_ON_ITS_WAY - {SourceState.DELIVERED}
_SENT = "what was sent"
"""How the display calls what the receiver has to read."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One file: what was dropped, what we did, what the receiver took."""

    file: DemoFile
    source: Source
    places: tuple[int, ...]
    """which of the files that the receiver took were its parts, counted from 1"""
    parts: int
    rows_taken: int
    rows_failed: int

    @property
    def is_right(self) -> bool:
        """Rows in = rows out and rows refused; or a file that breaks rules by design, and never left."""
        if self.is_kept_back:
            return self.file.is_malformed
        accounted = self.rows_taken + self.source.refused_rows == self.rows_in and not self.rows_failed
        return self.source.state is SourceState.ARCHIVED and accounted and not self.file.is_malformed

    @property
    def rows_in(self) -> int | None:
        """How many rows it had: as counted beforehand, else as we read them; None where neither could."""
        if self.file.rows is not None or self.source.records is None:
            return self.file.rows
        return self.source.records + self.source.refused_rows

    @property
    def is_kept_back(self) -> bool:
        """Whether nothing of it left."""
        return self.source.state is SourceState.QUARANTINED and not self.parts


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the receiver saw, in its order."""

    seen: tuple[Seen, ...]
    taken: tuple[Entry, ...]
    refused: int
    violations: int

    @property
    def is_right(self) -> bool:
        """Every row accounted for, nothing refused, profiles before events, events oldest first."""
        taken = [seen for seen in self.seen if seen.places]
        types = [seen.file.type for seen in taken]
        times = [seen.source.earliest_ts or 0 for seen in taken if seen.file.type is FeedType.EVENT]
        in_order = types == sorted(types, key=lambda kind: kind is not FeedType.PROFILE) and times == sorted(times)
        return in_order and not self.refused and not self.violations and all(seen.is_right for seen in self.seen)


async def perform(root: Path, drop: Drop, board: Board) -> Outcome:
    """Deliver ``drop`` to a sandbox below ``root``, with everything the demo makes there; return what came of it.

    Raises:
        LocalFault: gpg is missing, or the daemon could not deliver.
    """
    limit = max(SMALLEST_LIMIT_BYTES, min(LARGEST_LIMIT_BYTES, drop.size // 6))
    imports = _Imports(board)
    settings = Settings(root=root / "receiver", limits=Limits(encrypted_bytes=limit))
    async with Sandbox(settings, listener=imports) as sandbox:
        configuration = _write_configuration(root, drop, sandbox, limit)
        with open_daemon(configuration, board) as daemon:
            async with _running(daemon.run()) as running:
                for file in drop.files:
                    await asyncio.to_thread(_put, file.path, configuration.staging)
                with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
                    sources = await _wait_for_end(ledger, len(drop.files), running)
                    parts = {source.id: ledger.parts.list_of(source.id) for source in sources}
                imports.show(sum(_get_size(source, part) for source in sources for part in parts[source.id]))
                await sandbox.wait_until_idle()
        return _compare(drop, sources, parts, read_activity(sandbox.paths.activity))


class _Imports:
    """A sandbox's listener: counts, in bytes, what the receiver has read of what it was sent, and shows it."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._read_bytes = 0

    def __call__(self, entry: Entry) -> None:
        """Take in what the receiver noted."""
        if entry.event is Event.TAKEN:
            self._read_bytes += entry.details["bytes"]
            self._board.advance(_SENT, entry.details["bytes"])

    def show(self, total_bytes: int) -> None:
        """Show it from here on: nothing else is under way any more."""
        self._board.begin(_SENT, Phase.IMPORT, total_bytes)
        self._board.advance(_SENT, self._read_bytes)


def _get_size(source: Source, part: Part) -> int:
    """Return the bytes of a part before it is encrypted."""
    return len(source.header_bytes or b"") + part.end - part.start


def _write_configuration(root: Path, drop: Drop, sandbox: Sandbox, limit: int) -> Configuration:
    access = sandbox.access
    staging = root / "staging"
    staging.mkdir(exist_ok=True)
    values = {
        "staging": "staging",
        "workspace": "workspace",
        "intake": {"settle_seconds": SETTLE_SECONDS, "rescan_seconds": 2},
        "destinations": {
            "sandbox": {
                "host": access.host,
                "port": access.port,
                "username": access.username,
                "private_key": {"file": str(access.private_key)},
                "known_hosts": str(access.known_hosts),
                "client_email": "data-team@example.com",
                "encryption": {"public_key": {"file": str(access.openpgp_public_key)}, "key_id": access.key_id},
                "limits": {"encrypted_bytes": limit},
            }
        },
        "schedule": {"deliver": "on_arrival"},
        "web": {"listen": None},
        # It needs little, and nobody who tries it out has asked for a threshold.
        "space": {"pause_below_bytes": 0},
        "feeds": {
            _FEEDS[kind]: {
                "type": kind.value,
                "files": sorted({file.path.name for file in drop.files if file.type is kind}),
                "columns": {
                    header: {"ct_name": name, **({"type": "INTEGER"} if name == "ts" else {})}
                    for header, name in columns.items()
                },
            }
            for kind, columns in drop.columns.items()
        },
    }
    path = root / "config.yml"
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return loading.load(path)


@contextlib.asynccontextmanager
async def _running(coroutine: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(coroutine)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _put(file: Path, staging: Path) -> None:
    """Drop a file as a careful producer does: under a name that is ignored, then renamed."""
    unfinished = staging / f".{file.name}"
    shutil.move(file, unfinished)
    unfinished.rename(staging / file.name)


async def _wait_for_end(ledger: Ledger, count: int, running: asyncio.Task[None]) -> list[Source]:
    """Return the sources once all have come to their end; a daemon that ends before that is a failure."""
    while True:
        sources = await asyncio.to_thread(ledger.sources.list_in, frozenset(SourceState))
        if len(sources) == count and all(source.state in _END for source in sources):
            return sources
        done, _ = await asyncio.wait([running], timeout=POLL_SECONDS)
        if done:
            running.result()
            raise LocalFault("run", "the daemon", "it ended before everything was delivered")


def _compare(drop: Drop, sources: list[Source], parts: dict[str, list[Part]], activity: list[Entry]) -> Outcome:
    taken = [entry for entry in activity if entry.event is Event.TAKEN]
    refused = [entry for entry in activity if entry.event in {Event.REFUSED, Event.MANIFEST_IGNORED}]
    by_name = {source.file_name: source for source in sources}
    places: dict[str, tuple[int, ...]] = {}
    rows: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for place, entry in enumerate(taken, start=1):
        source_id = str(entry.details["data"]).split("_")[-2]
        places[source_id] = (*places.get(source_id, ()), place)
        rows[source_id] += entry.details["rows"]
        failed[source_id] += entry.details["failed_rows"]
    seen = [
        Seen(
            file=file,
            source=(source := by_name[file.path.name]),
            places=places.get(source.id, ()),
            parts=len(parts[source.id]),
            rows_taken=rows[source.id],
            rows_failed=failed[source.id],
        )
        for file in drop.files
    ]
    return Outcome(
        seen=tuple(sorted(seen, key=lambda one: one.places or (len(taken) + 1,))),
        taken=tuple(taken),
        refused=len(refused),
        violations=sum(len(entry.details["violations"]) for entry in taken),
    )
