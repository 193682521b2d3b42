"""Several files looked at for ``plan`` and ``validate``, whatever is wrong with one of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sftp_orchestrator import rehearsal
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import Failure
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.progress import Board, Phase


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """What came of looking at several files."""

    plans: tuple[rehearsal.Plan, ...]
    failures: tuple[Failure, ...]
    """of the files that could not be looked at"""

    def require_all(self) -> None:
        """Raise what is wrong with files that could not be looked at, all of it at once."""
        if self.failures:
            raise ExceptionGroup("not every file could be looked at", self.failures)


def rehearse_all(
    configuration: Configuration,
    files: Sequence[Path],
    *,
    operation: str,
    named: str | None = None,
    earlier: Mapping[str, Sequence[Path]] = MappingProxyType({}),
) -> Rehearsed:
    """Find out what would happen to each file, whatever is wrong with the others, with progress on a terminal.

    ``operation`` is what errors call it, ``named`` the feed to look at them by, else each by the one that it fits;
    ``earlier`` are the fingerprints of rows sent before, by feed. Raises ``ConfigurationError``: no feed is called so.
    """
    if named is not None:
        rehearsal.require_feed(configuration, named, operation)
    board = Board()

    def rehearse(path: Path) -> rehearsal.Plan | Failure:
        label = display_path(os.fsencode(path.name))
        board.begin(label, Phase.INSPECT, _get_size(path))
        try:
            return rehearsal.rehearse(
                configuration,
                path,
                operation=operation,
                named=named,
                earlier=earlier,
                progress=lambda count: board.advance(label, count),
            )
        except Failure as failure:
            return failure
        finally:
            board.end(label)

    with show_progress(board):
        found = [rehearse(path) for path in files]
    return Rehearsed(
        plans=tuple(one for one in found if isinstance(one, rehearsal.Plan)),
        failures=tuple(one for one in found if isinstance(one, Failure)),
    )


def _get_size(path: Path) -> int:
    """Return how much there is to read, for the progress; what is wrong with the file is told elsewhere."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
