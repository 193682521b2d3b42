"""All screens for the rows of one file, and the reader that is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sftp_orchestrator.prepare.checks.screens import EventName, Screen
from sftp_orchestrator.prepare.rows._native import Reader
from sftp_orchestrator.prepare.text.header import MAX_RECORD_BYTES, Header


class Screening:
    """What rows are looked at for."""

    def __init__(
        self, screens: Sequence[Screen] = (), *, watching: Sequence[Screen] = (), time_column: int | None = None
    ) -> None:
        """``watching`` are shown every row, too; one for names stops none unless it is among ``screens``."""
        shown = dict.fromkeys((*screens, *watching))
        self._screens = tuple(screen for screen in shown if not isinstance(screen, EventName))
        self._names = _find_names(screens)
        self._watching = self._names or _find_names(watching)
        self._time_column = time_column

    def make_reader(self, header: Header) -> Reader:
        """Return what looks at the pieces of a file with such a header; several threads may use it."""
        return Reader(
            width=len(header.names),
            delimiter=ord(header.delimiter),
            is_crlf=header.newline == b"\r\n",
            max_record_bytes=MAX_RECORD_BYTES,
            screens=tuple(screen.describe() for screen in self._screens),
            names=self._watching.describe() if self._watching is not None else None,
            stops_names=self._names is not None,
            time_column=self._time_column,
        )

    def name(self, numbers: Iterable[int]) -> frozenset[Screen]:
        """Return the screens that the reader knows by numbers; the one for names comes last."""
        known: tuple[Screen, ...] = self._screens if self._names is None else (*self._screens, self._names)
        return frozenset(known[number] for number in numbers if number < len(known))


def _find_names(screens: Iterable[Screen]) -> EventName | None:
    return next((screen for screen in screens if isinstance(screen, EventName)), None)
