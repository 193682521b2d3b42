"""A file that is written anew holds the rows that came, value by value, whatever they and their header look like."""

from __future__ import annotations

import csv
import datetime
import io
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings, strategies

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.rules import RULES
from sftp_orchestrator.prepare.inspect import inspect
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION
from tests.support.generated_csv import read_rows

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
VALUES = strategies.text(alphabet='ab,;|\t"\n\r é漢', max_size=8)
NAMES = strategies.text(alphabet='ab"\n\r é', max_size=4)
OFF = {rule.id: "off" for rule in RULES.values() if not rule.is_fixed}


def _render(rows: list[list[str]], delimiter: str, newline: str) -> bytes:
    text = io.StringIO(newline="")
    # All in quotes: a lone CR would have to be, and csv does not know that.
    csv.writer(text, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(
    names=strategies.lists(NAMES, min_size=1, max_size=3),
    values=strategies.lists(strategies.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=9),
    delimiter=strategies.sampled_from(",;\t|"),
    newline=strategies.sampled_from(["\n", "\r\n"]),
    blanks=strategies.integers(0, 2),
)
@example(names=["a\r\nb"], values=[[""] * 3, ["x"] * 3], delimiter=";", newline="\n", blanks=2)
@example(names=["a\r", "b"], values=[["x\r"] * 3], delimiter=",", newline="\n", blanks=0)
def test_rows_are_written_anew_as_they_came(
    names: list[str], values: list[list[str]], delimiter: str, newline: str, blanks: int
) -> None:
    """With another delimiter, or as a returned file without its last column; in files of one column, too."""
    header = [f"c{place}{name}" for place, name in enumerate(names)]
    rows, is_returned = [row[: len(header)] for row in values], delimiter == ","
    written = [[*header, DESCRIPTION], *([*row, "why"] for row in rows)] if is_returned else [header, *rows]
    feed = Feed.model_validate({"type": "profile", "files": ["*"], "delimiter": delimiter, "rules": OFF})
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "source.csv"
        path.write_bytes(_render(written, delimiter, newline) + newline.encode() * blanks)
        found = inspect(path, feed, now=NOW, outlet=Path(name))
        assert read_rows(found.path.read_bytes()) == [tuple(header), *map(tuple, rows)]
        assert found.is_rewritten
