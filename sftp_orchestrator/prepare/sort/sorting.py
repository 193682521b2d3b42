"""Sorts a file by time in bounded memory, byte for byte: blocks are sorted, become runs, and the runs are merged.

A block that is in order as it stands is a run of the file itself, and adjoining ones are one run: nothing is written of
them before they are merged. So a file that is in order costs one pass, and is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator import files, space
from sftp_orchestrator.errors import LocalFault, SourceChanged
from sftp_orchestrator.files import Fingerprint
from sftp_orchestrator.prepare.sort.merging import choose_block_bytes, choose_fan_in, group, merge
from sftp_orchestrator.prepare.sort.run_making import Made, RunFile, make_runs
from sftp_orchestrator.prepare.sort.runs import Layout, Run
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.text.header import Header


@dataclass(frozen=True, kw_only=True)
class Memory:
    """How much of a file is held at once; its copy in order takes as much again, what is known of rows up to half."""

    run_bytes: int = 32 * 1024 * 1024
    """of the file, while runs are made"""
    merge_bytes: int = 32 * 1024 * 1024
    """of all runs that are merged"""
    least_block_bytes: int = 128 * 1024
    """of each of them: so much is read at once without losing time"""


@dataclass(frozen=True, kw_only=True)
class Unsorted:
    """A file that was found to be RFC 4180 text."""

    path: Path
    header: Header
    end: int
    """offset after the last record"""
    records: int
    fingerprint: Fingerprint
    """what it was when that was found"""


def sort_by_time(
    source: Unsorted,
    time_column: int,
    target: Path,
    *,
    memory: Memory = Memory(),
    watch: Watch = Watch(),  # noqa: B008 - frozen
) -> bool:
    """Write ``source`` to ``target``, which may be the same, by the times in a column; return whether it had to be.

    A file in order is not written. Records stay byte for byte what they are, but a last one without a line break gets
    one; equal times keep their order, and what is no whole number comes last. ``target`` is there in full and durably
    or not at all. May be repeated. Blocking.

    Raises:
        SourceChanged: it was written to meanwhile.
        LocalFault: the disk is full, or the folder not ours.
        Stopped: ``watch`` said so.
    """
    hint = "the workspace must be writable, with space for twice the file"
    with files.as_local_fault("sort", str(source.path), hint=hint), ExitStack() as opened:
        descriptor = os.open(source.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        opened.callback(os.close, descriptor)
        return _Sort(source, descriptor, time_column, target, memory=memory, watch=watch, opened=opened).run()


class _Sort:
    """One sort under way."""

    def __init__(
        self,
        source: Unsorted,
        descriptor: int,
        time_column: int,
        target: Path,
        *,
        memory: Memory,
        watch: Watch,
        opened: ExitStack,
    ) -> None:
        header = source.header
        self._source = source
        self._descriptor = descriptor
        self._body = Run(descriptor=descriptor, start=header.body_start, end=source.end)
        self._layout = Layout(time_column=time_column, delimiter=header.delimiter, newline=header.newline)
        self._target = target
        self._memory = memory
        self._watch = watch
        self._opened = opened
        self._held = opened.enter_context(space.reserve(target.parent, 0))
        """for runs and what becomes of them, as far as it is not written yet"""

    def run(self) -> bool:
        """Return whether the target was written."""
        runs = self._open_run_file()
        made = make_runs(self._body, self._layout, runs, run_bytes=self._memory.run_bytes, watch=self._watch)
        self._require(made.records == self._source.records, f"{made.records} rows were found")
        if made.is_in_order:
            return False
        last = self._merge_to_few(made, runs)
        self._held.require(made.bytes)
        with files.written_durably(self._target, advance=lambda _: self._watch.advance(0)) as out:
            out.write(self._source.header.header_bytes)
            size = sum(map(out.write, self._merge(last, made.longest)))
            self._require(size == made.bytes, f"{size} bytes were written of {made.bytes}")
        return True

    def _merge_to_few(self, made: Made, written: RunFile) -> list[Run]:
        """Merge runs to longer ones for as long as there are too many to merge them all at once."""
        fan_in = choose_fan_in(
            made.longest, merge_bytes=self._memory.merge_bytes, least_block_bytes=self._memory.least_block_bytes
        )
        runs = made.runs
        while len(runs) > fan_in:
            longer = self._open_run_file()
            runs = [longer.add(self._merge(some, made.longest)) for some in group(runs, fan_in)]
            written.close()
            written = longer
        return runs

    def _merge(self, runs: Sequence[Run], longest: int) -> Iterator[memoryview]:
        block_bytes = choose_block_bytes(longest, len(runs), merge_bytes=self._memory.merge_bytes)
        return merge(runs, self._layout, block_bytes=block_bytes, watch=self._watch)

    def _open_run_file(self) -> RunFile:
        file = RunFile(self._held, needed_bytes=2 * (self._body.end - self._body.start))
        self._opened.callback(file.close)
        return file

    def _require(self, is_whole: bool, found: str) -> None:  # noqa: FBT001 - the one thing that is asked
        """Raise unless the file is as it was, and nothing of it was lost."""
        if files.get_fingerprint(self._descriptor) != self._source.fingerprint:
            raise SourceChanged("sort", "the file", "it changed while it was sorted")
        if not is_whole:
            raise LocalFault("sort", self._source.path.name, f"{found}: a defect of ours")
