"""One source as people see it: rows that are not sent, and commands as they are to be typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftp_orchestrator.calling import spell_out
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.views import SourceView, describe_rows
from sftp_orchestrator.web.sections import split_typed
from tests.support.records import make_part, make_source


@pytest.mark.parametrize(
    ("refused", "duplicates", "state", "told"),
    [
        (0, 0, SourceState.ARCHIVED, None),
        (20, 0, SourceState.ARCHIVED, "19,980 of 20,000 rows sent, 20 refused"),
        (20, 0, SourceState.READY, "19,980 of 20,000 rows to be sent, 20 refused"),
        (0, 1, SourceState.DELIVERED, "19,980 of 19,981 rows sent, 1 left out as duplicates"),
        (20, 30, SourceState.ARCHIVED, "19,980 of 20,030 rows sent, 30 left out as duplicates, 20 refused"),
    ],
)
def test_rows_that_are_not_sent_are_told(refused: int, duplicates: int, state: SourceState, told: str | None) -> None:
    """Sent, of how many that came, and why the others are not; nothing is said where all are."""
    source = make_source(state=state, records=19_980, refused_rows=refused, duplicate_rows=duplicates)
    assert describe_rows(source) == told


def test_refused_rows_are_told_with_their_place() -> None:
    """For as long as they lie there; not of a file that is to be read anew."""
    source = make_source(state=SourceState.ARCHIVED, records=9, refused_rows=1)
    parts = (make_part(state=PartState.DELIVERED),)
    rows = Path("/w/rejected/source1/failed_rows.csv")
    told = "9 of 10 rows sent, 1 refused"
    view = SourceView(source=source, parts=parts, waits_for=None, refused_rows=rows)
    assert (view.word, view.notes) == ("rows refused", (("rows", f"{told}: {rows}"),))
    assert view.to_json()["refused_folder"] == "/w/rejected/source1"
    gone = SourceView(source=source, parts=parts, waits_for=None)
    assert (gone.word, gone.notes) == ("archived", (("rows", told),))
    assert gone.to_json()["refused_folder"] is None
    assert SourceView(source=source, parts=(), waits_for=None).notes == ()
    given_up = SourceView(source=source, parts=parts, waits_for=None, are_rows_given_up=True)
    assert given_up.notes == (("rows", f"{told} and given up"),)


def test_programs_are_told_what_to_do_next_too() -> None:
    """As people are, the commands alone; nothing where nobody need do anything."""
    view = SourceView(source=make_source(), parts=(), waits_for=None, next_steps=("look, then:", "sftp-orchestrator x"))
    assert view.to_json()["next"] == ["look, then:", "sftp-orchestrator x"]
    assert SourceView(source=make_source(), parts=(), waits_for=None).to_json()["next"] == []


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("sftp-orchestrator retry abc", "X retry abc"),
        ("`sftp-orchestrator release abc` sends it", "`X release abc` sends it"),
        ("or now: sftp-orchestrator retry abc", "or now: X retry abc"),
        ("systemctl start sftp-orchestrator", "systemctl start sftp-orchestrator"),
        ("read /var/lib/sftp-orchestrator/workspace", "read /var/lib/sftp-orchestrator/workspace"),
        ("/opt/sftp-orchestrator is there", "/opt/sftp-orchestrator is there"),
    ],
)
def test_commands_are_spelled_out_and_nothing_else(text: str, spelled: str) -> None:
    """A mention of a command is one that something is typed after; names of folders and units stay."""
    assert spell_out(text, "X") == spelled
    assert spell_out(text, "sftp-orchestrator") == text
    assert spell_out("sftp-orchestrator retry", r"\1\g<0>") == r"\1\g<0> retry"


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("sftp-orchestrator retry abc", ["X retry abc"]),
        ("to send it now: sftp-orchestrator retry abc", ["X retry abc"]),
        ("it is held; `sftp-orchestrator release abc` sends it, `--resend` too", ["X release abc", "--resend"]),
        ("no command <b>here</b>", []),
    ],
)
def test_the_page_shows_as_code_what_is_to_be_typed(text: str, typed: list[str]) -> None:
    """Backticks are no text; nothing of the text is lost."""
    pieces = split_typed(text, "X")
    assert [piece for is_typed, piece in pieces if is_typed] == typed
    assert "".join(piece for _, piece in pieces) == spell_out(text, "X").replace("`", "")
