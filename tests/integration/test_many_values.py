"""How many values a file of profiles adds to one identity in one column, over all of its rows."""

from __future__ import annotations

import csv
import datetime
import io
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.prepare.checks.columns import list_columns
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.refusals.file_checks import list_file_checks
from sftp_orchestrator.prepare.report import Refused, Tally
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.tables.reading import open_reading
from sftp_orchestrator.prepare.text import scan

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
RULE = "operation.too_many_items"
MOST = clevertap.MAX_MULTI_VALUES
HEADER = ("user", "device", "tags", "tags.operation", "brands", "brands.operation")
_COLUMNS = {"user": {"ct_name": "identity"}, "device": {"ct_name": "objectId"}, "tags": {}, "brands": {}}


def make_feed(**rules: str) -> Feed:
    """Return a feed of profiles with two columns of several values each."""
    return Feed.model_validate({"type": "profile", "files": ["*"], "columns": _COLUMNS, "rules": rules})


def row(user: str, tags: str, operation: str, *, device: str = "", brands: str = "", brands_operation: str = "") -> str:
    """Return one row."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow([user, device, tags, operation, brands, brands_operation])
    return text.getvalue()


def inspect_rows(folder: Path, rows: list[str], feed: Feed | None = None) -> Inspection:
    """Inspect a file of these rows."""
    path = folder / "profiles.csv"
    path.write_text(",".join(HEADER) + "\n" + "".join(rows))
    return inspect(path, feed or make_feed(), now=NOW, outlet=folder)


def find(found: Inspection) -> Tally | None:
    """Return what was found of the rule."""
    return next((tally for tally in found.tallies if tally.rule == RULE), None)


def test_exactly_a_hundred_values_pass(tmp_path: Path) -> None:
    """A hundred values of one identity in each of two columns are as many as are documented: nothing is said."""
    rows = [row("ann", f"t{i}", "$add", brands=f"b{i}", brands_operation="$set") for i in range(MOST)]
    assert find(inspect_rows(tmp_path, rows)) is None


def test_one_more_is_told_with_the_first_line_and_who(tmp_path: Path) -> None:
    """A hundred and one values are a warning that names the column, the line, who and how many; the file is sent."""
    rows = [row("bob", "t", "$add"), *(row("ann", f"t{i}", ("$add", "$set")[i % 2]) for i in range(MOST + 1))]
    found = inspect_rows(tmp_path, rows)
    tally = find(found)
    assert tally is not None
    assert (found.records, tally.rows, tally.severity) == (MOST + 2, 1, "warning")
    assert str(tally.first[0]) == (
        "line 3: tags: 101 values are added to one identity, from this line on; 100 are documented"
    )
    assert tally.first[0].value == "ann"


def test_what_adds_no_value_does_not_count(tmp_path: Path) -> None:
    """Removed values, empty cells, rows without operation and the same text as another identity do not count."""
    adding = [row("ann", f"t{i}", "$add") for i in range(MOST)]
    others = [row("ann", "t", "$remove"), row("ann", "t", "$delete"), row("ann", "t", ""), row("ann", "", "$add")]
    assert find(inspect_rows(tmp_path, [*adding, *others, row("", "t", "$add", device="ann")])) is None


def test_values_in_pieces_far_apart_add_up(tmp_path: Path) -> None:
    """The values of one identity are counted over the whole file: pieces of it, looked at by several threads."""
    filler = [row(f"user{i}", "x" * 80, "$add") for i in range(120_000)]
    step = len(filler) // (MOST + 1)
    for i in reversed(range(MOST + 1)):
        filler.insert(i * step, row('a"b,c', f"t{i}", "$add"))
    found = inspect_rows(tmp_path, filler)
    assert (tmp_path / "profiles.csv").stat().st_size > 5 * scan.CHUNK_BYTES
    tally = find(found)
    assert tally is not None
    assert [(finding.line, finding.value) for finding in tally.first] == [(2, 'a"b,c')]


def test_identities_that_share_a_counter_are_not_blamed(tmp_path: Path) -> None:
    """Where the quick count is passed by several identities together, the exact one finds nothing to tell."""
    path = tmp_path / "profiles.csv"
    # The quick count takes the first identity's text alone; as objectId and as identity these are two users.
    rows = [row("same", f"t{i}", "$add") for i in range(MOST)] + [row("", "t", "$add", device="same")]
    path.write_text(",".join(HEADER) + "\n" + "".join(rows))
    feed = make_feed()
    checks = list_file_checks(list_columns(HEADER, feed), feed, [])
    with open_reading(path, outlet=tmp_path, watch=Watch()) as reading:
        scanned = reading.read(watching=[check.watched for check in checks])
        assert scanned.stopped_by == {checks[0].watched}
        assert [check.conclude(reading, scanned) for check in checks] == [[], []]


def test_switched_off_it_is_not_looked_at() -> None:
    """With the rule off, and in feeds without such a column, no row is counted."""
    off, on = make_feed(**{RULE: "off"}), make_feed()
    assert list_file_checks(list_columns(HEADER, off), off, []) == []
    assert list_file_checks(list_columns(("user", "tags"), on), on, []) == []
    assert len(list_file_checks(list_columns(HEADER, on), on, [])) == 2


def test_as_an_error_the_file_is_refused(tmp_path: Path) -> None:
    """Graded as an error, it refuses the file as a whole, with the columns of all it found in one count."""
    rows = [row("ann", f"t{i}", "$add", brands=f"b{i}", brands_operation="$add") for i in range(MOST + 1)]
    with pytest.raises(Refused) as refused:
        inspect_rows(tmp_path, rows, make_feed(**{RULE: "error"}))
    assert [(tally.rule, tally.rows, len(tally.first)) for tally in refused.value.tallies] == [(RULE, 2, 2)]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(seed=strategies.integers(0, 2**32))
@example(seed=0)
def test_the_count_is_that_of_plain_python(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the rows are, the identities told are those that a plain count finds, with their numbers and lines."""
    chosen = random.Random(seed)  # noqa: S311 - no secret
    users, counts, rows = ["a", "b", 'q"q', "c,d", "ü"], Counter[tuple[str, str]](), []
    first: dict[tuple[str, str], int] = {}
    for number in range(chosen.randint(0, 3000)):
        user, device = chosen.choice(["", *users]), chosen.choice(["dev1", "a", "b"])
        tags, operation = chosen.choice(["", "x", "y"]), chosen.choice(["$add", "$add", "$set", "$remove", ""])
        rows.append(row(user, tags, operation, device=device))
        if tags and operation in {"$add", "$set"}:
            who = ("identity", user) if user else ("objectId", device)
            counts[who] += 1
            first.setdefault(who, number + 2)
    expected = sorted((first[who], who[1], count) for who, count in counts.items() if count > MOST)
    tally = find(inspect_rows(tmp_path_factory.mktemp("rows"), [*rows, row("z", "", "")]))
    told = [] if tally is None else [(f.line, f.value, int(str(f.message).split()[1])) for f in tally.first]
    assert told == expected, f"seed {seed}"
