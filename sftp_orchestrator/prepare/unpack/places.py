"""Where the rows of a table stand in the file that their producer knows, and not in the text that was made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.prepare.report import Finding, Tally
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.unpack.formats import Content, Format
from sftp_orchestrator.prepare.unpack.json_lines import find_lines
from sftp_orchestrator.prepare.unpack.streams import HashedFile, open_decompressed


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places of a table: lines of JSON lines, rows of Parquet. Blocking."""

    original: Path
    format: Format

    def retell(self, tallies: Sequence[Tally], text: Path) -> tuple[Tally, ...]:
        """Return ``tallies``, which tell of lines of ``text``, as they tell of places in the original."""
        lines = {finding.line for tally in tallies for finding in tally.first if finding.line is not None}
        rows = _number_rows(text, lines)
        found = self._find_lines(set(rows.values())) if self.format.content is Content.JSON_LINES else None
        return tuple(
            dataclasses.replace(tally, first=tuple(_retell(finding, rows, found) for finding in tally.first))
            for tally in tallies
        )

    def _find_lines(self, rows: Collection[int]) -> dict[int, int]:
        source = HashedFile(self.original, Watch())
        try:
            with open_decompressed(source, self.format.compression) as stream:
                return find_lines(stream, rows)
        finally:
            source.close()


def _retell(finding: Finding, rows: Mapping[int, int], lines: Mapping[int, int] | None) -> Finding:
    """Return the finding with its place; a table has no line for its header. Pure."""
    if finding.line is None:
        return finding
    row = rows[finding.line]
    if lines is None:
        return dataclasses.replace(finding, line=None, row=row or None)
    return dataclasses.replace(finding, line=lines.get(row))


def _number_rows(text: Path, lines: Collection[int]) -> dict[int, int]:
    """Return which row, counted from 1, stands on each physical line of a CSV file of ours; its header is 0."""
    found: dict[int, int] = {}
    row, is_quoted = 0, False
    with text.open("rb") as stream:
        for line in range(1, max(lines, default=0) + 1):
            if line in lines:
                found[line] = row
            if stream.readline().count(b'"') % 2:
                is_quoted = not is_quoted
            row += not is_quoted
    return found
