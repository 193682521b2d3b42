"""Numbers as people read them."""

from __future__ import annotations

import pytest

from sftp_orchestrator.units import end_sentence, format_percent


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (992, 1000, "99.2 %"),
        (999_999, 1_000_000, "99.9 %"),
        (1, 1_000_000, "< 0.1 %"),
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (1, 2, "50.0 %"),
        (0, 0, "0 %"),
    ],
)
def test_a_share_never_says_all_or_none_where_it_is_not(part: int, whole: int, said: str) -> None:
    """It is rounded down, and the last rest is shown."""
    assert format_percent(part, whole) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [("it is away", "it is away."), ("did you mean schedule?", "did you mean schedule?"), ("It is.", "It is.")],
)
def test_a_sentence_ends_once(text: str, said: str) -> None:
    """A hint that asks, or that is a sentence already, gets no full stop after its own end."""
    assert end_sentence(text) == said
