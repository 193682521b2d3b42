"""How work on a file is told to stop, and tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The work was asked to stop."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Who says when to stop, and who is told of bytes that were read."""

    cancelled: Callable[[], bool] = lambda: False
    progress: Callable[[int], None] = lambda _: None

    def advance(self, count: int) -> None:
        """Tell of ``count`` more bytes; raises ``Stopped`` where the work is to end."""
        if self.cancelled():
            raise Stopped
        self.progress(count)

    def without_progress(self) -> Watch:
        """Return one that stops as this does and tells nobody of bytes: for what is read once more."""
        return Watch(cancelled=self.cancelled)
