"""What fuzzing ever found stays mended, and the targets themselves can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftp_orchestrator.prepare.text.header import parse_header
from tests.fuzz import engine, reference
from tests.fuzz.__main__ import CORPUS
from tests.fuzz.__main__ import TARGETS as NAMES
from tests.fuzz.engine import Target
from tests.fuzz.targets import TARGETS

CASES = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_stays_mended(path: Path) -> None:
    """Every case that once broke its target passes."""
    TARGETS[path.parent.name].run(path.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_what_fuzzing_begins_with_passes(name: str) -> None:
    """Each target takes its own seeds: a target that always fails would find nothing."""
    for content in TARGETS[name].seeds:
        TARGETS[name].run(content)


def test_what_breaks_a_target_is_kept(tmp_path: Path) -> None:
    """A failure is written down once, however often it comes; what led somewhere new is counted."""

    def run(content: bytes) -> None:
        seen.append(content)
        assert b"((" not in content

    seen: list[bytes] = []
    outcome = engine.fuzz(
        Target(run=run, seeds=(b"a",), tokens=(b"(",)),
        seconds=1,
        seed=1,
        folder=tmp_path,
        last=tmp_path / "last",
        known=(),
        count_new_edges=lambda: int(seen[-1].startswith(b"(")),
    )
    (found,) = outcome.finds
    assert b"((" in found.read_bytes()
    assert list(tmp_path.iterdir()) == [found]
    assert outcome.executions == len(seen)
    assert outcome.new_paths == sum(content.startswith(b"(") for content in seen)


def test_the_reference_has_opinions() -> None:
    """The slow reader takes what RFC 4180 has, and refuses each thing that it has not."""
    header = parse_header(b"a,b\n1,2\n")
    rows = reference.read_rows(b'a,b\n1,"x\n""y"\n\n\n', header)
    assert [(row.start, row.end, row.fields) for row in rows] == [(4, 14, 2)]
    for bad in (
        b"1\n",
        b'1,x"\n',
        b'1,"x\n',
        b'1,"x"y\n',
        b"1,2\r\n",
        b"1,\r2\n",
        b"\n1,2\n",
        b"1,\xff\n",
        b"1,\0\n",
        b"",
    ):
        with pytest.raises(reference.WrongForm):
            reference.read_rows(b"a,b\n" + bad, header)
