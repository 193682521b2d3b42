"""What Prometheus reads: what the ledger counts, and what this process measured; in its text format.

A name ends in its unit, a counter in ``_total``. What is read from the ledger no restart changes.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sftp_orchestrator import __version__
from sftp_orchestrator.figures import Figures
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.progress import Board
from sftp_orchestrator.web.pulse import Pulse

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "sftp_orchestrator_"
DAY_SECONDS = 86_400


def render_metrics(figures: Figures, board: Board, pulse: Pulse) -> bytes:
    """Return every metric as it is now. Pure."""
    registry = CollectorRegistry()
    for metrics in (
        _list_waiting(figures),
        _list_delivered(figures),
        _list_expected(figures),
        _list_room(figures),
        _list_destinations(figures, board),
        _list_measured(figures, board),
        _list_keys(figures.at, board),
        _list_process(figures, board, pulse),
    ):
        registry.register(_Fixed(metrics))
    return generate_latest(registry)


class _Fixed(Collector):
    """Metrics that are known already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _gauge(name: str, said: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, said, value=value)


def _gauges(name: str, said: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, said, labels=labels)


def _counters(name: str, said: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, said, labels=labels)


def _list_waiting(figures: Figures) -> Iterator[Metric]:
    states = _gauges("sources", "Sources by state.", "state")
    for state in SourceState:
        states.add_metric([state.value], figures.counts.get(state.value, 0))
    yield states
    yield _gauge("uncertain_parts", "Parts that wait for a word.", figures.uncertain_parts)
    oldest = figures.oldest_waiting_at
    age = (figures.at - oldest).total_seconds() if oldest is not None else 0.0
    yield _gauge("oldest_waiting_seconds", "Age of the oldest undelivered source.", age)


def _list_delivered(figures: Figures) -> Iterator[Metric]:
    labels = ("feed", "destination")
    files = _counters("delivered_files", "Files that were delivered.", *labels)
    sizes = _counters("delivered_bytes", "Bytes of these, as they were dropped.", *labels)
    rows = _counters("delivered_rows", "Rows of these that were sent.", *labels)
    last = _gauges("last_delivery_timestamp_seconds", "When the last of these was delivered.", *labels)
    for one in figures.delivered:
        values = [one.feed, one.destination]
        files.add_metric(values, one.sources)
        sizes.add_metric(values, one.bytes)
        rows.add_metric(values, one.records)
        last.add_metric(values, one.last_at.timestamp() if one.last_at is not None else 0)
    yield from (files, sizes, rows, last)
    refused = _counters("refused_rows", "Rows of delivered sources that broke rules.", "feed")
    duplicates = _counters("duplicate_rows", "Rows of delivered sources that were there before.", "feed")
    for feed, count in sorted(figures.rows_left_out.items()):
        refused.add_metric([feed], count.refused)
        duplicates.add_metric([feed], count.duplicates)
    yield from (refused, duplicates)


def _list_expected(figures: Figures) -> Iterator[Metric]:
    missed = _counters("missed_deadlines", "Deadlines by which no file of the feed had come.", "feed")
    missing = _gauges("expected_file_missing", "1 while a file of the feed is missing.", "feed")
    for one in figures.outlook.expected:
        missed.add_metric([one.feed], one.missed)
        missing.add_metric([one.feed], one.missing_since is not None)
    untaken = _gauges("files_not_taken", "Complete files that could not be claimed.", "feed")
    for feed, count in sorted(figures.untaken.items()):
        untaken.add_metric([feed], count)
    yield from (missed, missing, untaken)


def _list_room(figures: Figures) -> Iterator[Metric]:
    room = figures.room
    free = _gauges("free_bytes", "Free bytes by folder.", "folder")
    free.add_metric(["workspace"], room.free_bytes)
    if room.staging_free_bytes is not None:
        free.add_metric(["staging"], room.staging_free_bytes)
    yield free
    yield _gauge("intake_paused", "1 while nothing is taken in for want of space.", room.is_paused)
    yield _gauge("ledger_bytes", "Size of the ledger's database.", figures.ledger_bytes)


def _list_destinations(figures: Figures, board: Board) -> Iterator[Metric]:
    names = _list_names(figures)
    failing = _gauges("failed_runs", "Runs in a row that failed as a whole, by now.", "destination")
    for name in names:
        pause = figures.outlook.pauses.get(name)
        failing.add_metric([name], pause.failures if pause is not None else 0)
    yield failing
    said = "1 while runs fail until a person mends something, as a refused key or a folder that is not there."
    in_need = _gauges("destination_needs_person", said, "destination")
    for name in names:
        in_need.add_metric([name], name in {pause.destination for pause in figures.outlook.in_need})
    yield in_need
    retries = _counters("retries", "Remote steps that failed for a while and were tried again.", "destination")
    for name, count in sorted(board.measures.get_retries(names).items()):
        retries.add_metric([name], count)
    yield retries


def _list_names(figures: Figures) -> list[str]:
    return sorted({prospect.timing.destination for prospect in figures.outlook.prospects})


def _list_measured(figures: Figures, board: Board) -> Iterator[Metric]:
    stages = HistogramMetricFamily(
        PREFIX + "stage_seconds", "Seconds that files or parts took in each stage.", labels=["stage"]
    )
    for stage, spread in board.measures.get_stages().items():
        stages.add_metric([stage.value], spread.buckets, spread.seconds)
    whole = HistogramMetricFamily(
        PREFIX + "delivery_seconds", "Seconds from the claim of a source to its last manifest.", labels=["destination"]
    )
    for destination, spread in sorted(board.measures.get_deliveries(_list_names(figures)).items()):
        whole.add_metric([destination], spread.buckets, spread.seconds)
    yield from (stages, whole)


def _list_keys(now: datetime.datetime, board: Board) -> Iterator[Metric]:
    left = _gauges("key_days_left", "Days until the OpenPGP key of a destination expires.", "destination")
    for destination, ends_at in sorted(board.measures.get_key_ends().items()):
        days = (ends_at - now).total_seconds() / DAY_SECONDS if ends_at is not None else float("inf")
        left.add_metric([destination], days)
    yield left


def _list_process(figures: Figures, board: Board, pulse: Pulse) -> Iterator[Metric]:
    sent = "Bytes of data files that receivers acknowledged, by this process."
    yield CounterMetricFamily(PREFIX + "sent_bytes", sent, value=board.sent_bytes)
    yield _gauge("stuck_stations", "Stations that made no progress within their time.", len(pulse.list_stuck()))
    refused = board.measures.get_refused_reload() is not None
    yield _gauge("reload_refused", "1 while the configuration that was to be read last is not in effect.", refused)
    yield _gauge("unsent_alerts", "Alerts that a channel did not take yet.", figures.unsent_alerts)
    build = _gauges("build_info", "1, with the version that runs.", "version")
    build.add_metric([__version__], 1)
    yield build
