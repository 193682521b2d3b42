"""The part in C: what it refuses, and what it does, on small examples."""

from __future__ import annotations

from array import array

import pytest

from sftp_orchestrator.prepare.rows import _native


def test_records_are_put_one_behind_the_other() -> None:
    """Records come in the order that is asked for."""
    content = b"header\nfirst\nsecond\n"
    starts, ends = array("q", [13, 7, 0]), array("q", [20, 13, 0])
    assert _native.gather(content, memoryview(starts), memoryview(ends)) == b"second\nfirst\n"


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 7)])
def test_no_byte_outside_of_the_content_is_read(start: int, end: int) -> None:
    """A record that does not lie in the content is an error."""
    with pytest.raises(ValueError, match="outside"):
        _native.gather(b"123456", memoryview(array("q", [start])), memoryview(array("q", [end])))
