"""An event loop whose time passes only where everybody waits, and then at once: hours take no time, and exactly so."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Waits for nobody: what would be waited for is time that has passed."""

    passed_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what can be read now, and let ``timeout`` have passed where that is nothing."""
        found = super().select(0)
        if not found:
            assert timeout is not None, "everybody waits, and for nothing"
            # A loop takes as due what is so within a nanosecond: without that step time could stand still for ever.
            self.passed_seconds += max(timeout, 1e-9)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._virtual.passed_seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Return what ``main`` returns; it must use neither threads nor the network."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
