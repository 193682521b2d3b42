"""What Prometheus reads: counts of the ledger and bytes of the board, in its text format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from sftp_orchestrator.intake.pausing import Room
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.outlook import Outlook
from sftp_orchestrator.overview import Overview
from sftp_orchestrator.progress import Board

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render_metrics(overview: Overview, board: Board) -> bytes:
    """Return every metric as it is now. Pure."""
    registry = CollectorRegistry()
    registry.register(_RowsLeftOut(overview))
    states = Gauge("sftp_orchestrator_sources", "Sources by state.", ["state"], registry=registry)
    for state in SourceState:
        states.labels(state=state.value).set(overview.counts.get(state.value, 0))
    sent = Gauge("sftp_orchestrator_sent_bytes", "Bytes acknowledged since the start.", registry=registry)
    sent.set(board.sent_bytes)
    uncertain = Gauge("sftp_orchestrator_uncertain_parts", "Parts that wait for a word.", registry=registry)
    uncertain.set(sum(part.state is PartState.UNCERTAIN for view in overview.sources for part in view.parts))
    oldest = Gauge(
        "sftp_orchestrator_oldest_waiting_seconds", "Age of the oldest undelivered source.", registry=registry
    )
    ages = [(overview.at - view.source.claimed_at).total_seconds() for view in overview.sources]
    oldest.set(max(ages, default=0.0))
    _add_space(registry, overview.room)
    registry.register(_MissedDeadlines(overview.outlook))
    missing = Gauge(
        "sftp_orchestrator_expected_file_missing", "1 while a file of the feed is missing.", ["feed"], registry=registry
    )
    for one in overview.outlook.expected:
        missing.labels(feed=one.feed).set(one.missing_since is not None)
    return generate_latest(registry)


def _add_space(registry: CollectorRegistry, room: Room) -> None:
    free = Gauge("sftp_orchestrator_free_bytes", "Free bytes by folder.", ["folder"], registry=registry)
    free.labels(folder="workspace").set(room.free_bytes)
    if room.staging_free_bytes is not None:
        free.labels(folder="staging").set(room.staging_free_bytes)
    paused = Gauge(
        "sftp_orchestrator_intake_paused", "1 while nothing is taken in for want of space.", registry=registry
    )
    paused.set(room.is_paused)


class _RowsLeftOut(Collector):
    """Counters that are read from the ledger: a restart neither loses nor repeats anything."""

    def __init__(self, overview: Overview) -> None:
        self._counts = overview.rows_left_out

    def collect(self) -> Iterator[CounterMetricFamily]:
        refused = CounterMetricFamily(
            "sftp_orchestrator_refused_rows", "Rows of delivered sources that broke rules.", labels=["feed"]
        )
        duplicates = CounterMetricFamily(
            "sftp_orchestrator_duplicate_rows", "Rows of delivered sources that were there before.", labels=["feed"]
        )
        for feed, count in sorted(self._counts.items()):
            refused.add_metric([feed], count.refused)
            duplicates.add_metric([feed], count.duplicates)
        yield refused
        yield duplicates


class _MissedDeadlines(Collector):
    """A counter that is read from the ledger, as above."""

    def __init__(self, outlook: Outlook) -> None:
        self._expected = outlook.expected

    def collect(self) -> Iterator[CounterMetricFamily]:
        missed = CounterMetricFamily(
            "sftp_orchestrator_missed_deadlines", "Deadlines by which no file of the feed had come.", labels=["feed"]
        )
        for one in self._expected:
            missed.add_metric([one.feed], one.missed)
        yield missed
