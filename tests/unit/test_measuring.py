"""What a process measures of its work, as monitors read it."""

from __future__ import annotations

import datetime

import pytest

from sftp_orchestrator.measuring import BOUNDS_SECONDS, Measures, Spread, Stage
from sftp_orchestrator.progress import Board, Phase


@pytest.mark.parametrize(
    ("seconds", "up_to"), [(0.0, "0.1"), (0.1, "0.1"), (0.11, "0.5"), (86400.0, "86400.0"), (86401.0, "+Inf")]
)
def test_a_length_of_time_counts_from_the_first_bound_that_it_fits_below(seconds: float, up_to: str) -> None:
    """As Prometheus has it: each bucket holds what is at most its bound, those before it included."""
    buckets = dict(Spread().add(seconds, 3).buckets)
    assert len(buckets) == len(BOUNDS_SECONDS) + 1
    first = next(bound for bound, count in buckets.items() if count)
    assert first == up_to
    assert buckets["+Inf"] == 3


def test_many_at_once_count_each() -> None:
    """What several took together is so much for each of them."""
    measures = Measures()
    measures.note_stage(Stage.PUBLISH, 0.25, count=4)
    measures.note_stage(Stage.PUBLISH, 2.0)
    spread = measures.get_stages()[Stage.PUBLISH]
    assert (spread.seconds, sum(spread.counts)) == (3.0, 5)
    assert measures.get_stages()[Stage.UPLOAD] == Spread()


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    """Sums of counters never fall."""
    measures = Measures()
    measures.note_delivery("production", -5.0)
    assert measures.get_deliveries([])["production"].seconds == 0.0


def test_whoever_did_nothing_yet_counts_zero() -> None:
    """The first of a kind is a rise to a monitor, and no number out of nowhere."""
    measures = Measures()
    measures.note_retry("other")
    assert measures.get_retries(["production"]) == {"production": 0, "other": 1}
    assert measures.get_deliveries(["production"]) == {"production": Spread()}


def test_what_is_on_the_board_is_measured_once_it_ends() -> None:
    """Each phase of a file's way; not what a demo or a command shows there, and nothing twice."""
    board = Board()
    for phase in Phase:
        board.begin("a.csv", phase, 10)
        board.end("a.csv")
        board.end("a.csv")
    counts = {stage: sum(spread.counts) for stage, spread in board.measures.get_stages().items()}
    assert counts == {stage: int(stage is not Stage.SETTLE) for stage in Stage}


def test_the_end_of_a_key_is_kept() -> None:
    """Also that it has none."""
    measures = Measures()
    end = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
    measures.note_key("production", end)
    measures.note_key("other", None)
    assert measures.get_key_ends() == {"production": end, "other": None}
