"""How much stands where, in numbers alone: what the metrics tell, at a cost that no backlog raises.

They are asked for every few seconds, for ever. ``overview`` has each source by itself, for people.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.intake import pausing
from sftp_orchestrator.intake.pausing import Room
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import NONE_LEFT_OUT, Delivered, RowsLeftOut
from sftp_orchestrator.outlook import Outlook, look_out


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything that can be counted without a look at a single source."""

    at: datetime.datetime
    counts: Mapping[str, int]
    """of sources, by state"""
    uncertain_parts: int
    oldest_waiting_at: datetime.datetime | None
    """when the first was claimed of what is not done; None where everything is"""
    outlook: Outlook
    """without what was delivered in place of another: that is looked up by source"""
    room: Room
    """on the workspace's disk, and whether the intake is paused for want of it"""
    rows_left_out: Mapping[str, RowsLeftOut]
    """of everything that was delivered, by feed; 0 for every other feed of the configuration"""
    delivered: tuple[Delivered, ...]
    """in sum, by feed and destination; of every feed of the configuration"""
    untaken: Mapping[str, int]
    """complete files that could not be claimed, by feed; 0 for every other feed of the configuration"""
    ledger_bytes: int
    """of the ledger's database"""
    unsent_alerts: int
    """messages that a channel did not take yet"""


def get_figures(configuration: Configuration, ledger: Ledger) -> Figures:
    """Return how much stands where now. Raises ``LocalFault``."""
    now = datetime.datetime.now(datetime.UTC)
    return Figures(
        at=now,
        counts=ledger.count_sources(),
        uncertain_parts=ledger.outcomes.count_uncertain(),
        oldest_waiting_at=ledger.outcomes.find_oldest_waiting(),
        outlook=look_out(configuration, ledger, (), now),
        room=pausing.look(configuration),
        # A feed without such rows counts 0: what first shows as 20 would look like no rise to a monitor.
        rows_left_out={**dict.fromkeys(configuration.feeds, NONE_LEFT_OUT), **ledger.outcomes.count_rows_left_out()},
        delivered=_list_delivered(configuration, ledger),
        untaken=dict.fromkeys(configuration.feeds, 0) | Counter(one.feed for one in ledger.untaken.list_all()),
        ledger_bytes=ledger.get_size_bytes(),
        unsent_alerts=ledger.alerts.count_messages(),
    )


def _list_delivered(configuration: Configuration, ledger: Ledger) -> tuple[Delivered, ...]:
    """Return the sums; of a feed that was not delivered yet they are 0, so that the first rise is one to a monitor."""
    found = {(one.feed, one.destination): one for one in ledger.deliveries.list_all()}
    for feed in configuration.feeds:
        destination = configuration.get_destination_name(feed)
        nothing = Delivered(feed=feed, destination=destination, sources=0, bytes=0, records=0, last_at=None)
        found.setdefault((feed, destination), nothing)
    return tuple(found[key] for key in sorted(found))
