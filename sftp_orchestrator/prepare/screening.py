"""All screens over one piece after the other: which rows they stop, and the earliest time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sftp_orchestrator.prepare.cells import Cells
from sftp_orchestrator.prepare.form import Form, Positions
from sftp_orchestrator.prepare.screens import Screen


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen of the rows of a piece."""

    stopped: Positions
    """rows to be looked at, counted from 0"""
    stopped_by: frozenset[Screen]
    """the screens that stopped them"""
    earliest: int | None
    """the least of the times that are whole numbers"""


class Screening:
    """Looks at pieces; several threads may do so at the same time."""

    def __init__(
        self, screens: Sequence[Screen] = (), *, watching: Sequence[Screen] = (), time_column: int | None = None
    ) -> None:
        """``watching`` are shown every row, too, and stop none."""
        self._screens = tuple(dict.fromkeys(screens))
        self._watching = tuple(screen for screen in watching if screen not in self._screens)
        self._time_column = time_column

    def look(self, form: Form, width: int) -> Seen:
        """Return what there is to see in a piece in which every row has ``width`` fields."""
        cells = Cells(form, width)
        is_stopped = np.zeros(cells.rows, dtype=np.bool_)
        stopped_by = set()
        for screen in self._screens:
            found = screen.stop(cells)
            if found.any():
                is_stopped |= found
                stopped_by.add(screen)
        for screen in self._watching:
            screen.stop(cells)
        return Seen(
            stopped=np.flatnonzero(is_stopped),
            stopped_by=frozenset(stopped_by),
            earliest=self._find_earliest(cells),
        )

    def _find_earliest(self, cells: Cells) -> int | None:
        if self._time_column is None:
            return None
        numbers = cells.get(self._time_column).numbers
        times = numbers.values if numbers.is_whole.all() else numbers.values[numbers.is_whole]
        return int(times.min()) if times.size else None
