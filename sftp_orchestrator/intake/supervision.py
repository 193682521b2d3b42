"""Who watches a claim: it shows its bytes, shows that it lives, and asks whether to go on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sftp_orchestrator.progress import Board, Phase


def _tell_nobody() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """What the intake is given from above. ``stop`` is set once, by another thread."""

    stop: threading.Event = field(default_factory=threading.Event)
    board: Board = field(default_factory=Board)
    beat: Callable[[], None] = _tell_nobody
    """called with every step and every few megabytes"""

    @contextlib.contextmanager
    def show(self, name: str, total_bytes: int) -> Iterator[Callable[[int], bool]]:
        """Show a file of ``total_bytes`` on the board for the time of the context.

        The function that is yielded takes how many more bytes are done, and returns whether to go on.
        """
        # Another file of this name, an earlier one, may be on the board for its inspection.
        label = f"{name} from staging"
        self.board.begin(label, Phase.CLAIM, total_bytes)

        def advance(count: int) -> bool:
            self.board.advance(label, count)
            self.beat()
            return not self.stop.is_set()

        try:
            yield advance
        finally:
            self.board.end(label)
