"""What the ledger says of files that are rehearsed: what of them was sent before, and when they would go."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from sftp_orchestrator.config.model import Configuration, Feed
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.outlook import Outlook, describe_departure, foresee, look_out
from sftp_orchestrator.prepare.earlier import copies, fingerprints, types_kept
from sftp_orchestrator.prepare.report import NothingNew
from sftp_orchestrator.rehearsal import Plan
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()


def list_sent_rows(configuration: Configuration) -> dict[str, list[Path]]:
    """Return the fingerprints of rows sent before, by feed, where a feed asks for them; nothing is written. Blocking.

    Where there is no ledger yet, or it cannot be read, none are known; ``compare_with_ledger`` logs the latter.
    """
    now, workspace = datetime.datetime.now(datetime.UTC), Workspace(root=configuration.workspace)
    asking = {name: feed for name, feed in configuration.feeds.items() if fingerprints.get_since(feed, now=now)}
    if not asking:
        return {}
    try:
        # Closed before files are looked at, which may take long: a ledger read by nobody else may be written to then.
        ledger = Ledger.open_for_reading(configuration.ledger.url, configuration.workspace)
        if ledger is None:
            return {}
        with ledger:
            return {
                name: fingerprints.find_earlier(
                    workspace,
                    ledger,
                    name=name,
                    destination=configuration.get_destination_name(name),
                    feed=feed,
                    now=now,
                )
                for name, feed in asking.items()
            }
    except LocalFault:
        return {}


def compare_with_ledger(configuration: Configuration, plans: Sequence[Plan]) -> list[Plan]:
    """Return the plans with what the ledger says of their content and the types they bring, and when they would go.

    Blocking; nothing is written. Raises ``ConfigurationError`` where a file of dates cannot be read.

    Where there is no ledger yet, or it cannot be read, the schedule alone tells when; the latter is logged.
    """
    now = datetime.datetime.now(datetime.UTC)
    try:
        ledger = Ledger.open_for_reading(configuration.ledger.url, configuration.workspace)
        if ledger is None:
            return _tell_departures(plans, foresee(configuration, now))
        with ledger:
            compared = [_compare(plan, configuration.feeds[plan.feed], ledger) for plan in plans]
            return _tell_departures(compared, look_out(configuration, ledger, (), now))
    except LocalFault as error:
        _LOG.warning("types_not_compared", error=str(error))
        return _tell_departures(plans, foresee(configuration, now))


def _tell_departures(plans: Sequence[Plan], outlook: Outlook) -> list[Plan]:
    """Return the plans with when each file would go that would be delivered. Pure."""
    found = []
    for plan in plans:
        prospect = outlook.get_prospect(plan.destination, plan.feed)
        if prospect is not None and plan.verdict == "delivered":
            goes, goes_at = describe_departure(prospect, outlook), outlook.get_next(prospect)
            found.append(replace(plan, goes=goes, goes_at=goes_at))
        else:
            found.append(plan)
    return found


def _compare(plan: Plan, feed: Feed, ledger: Ledger) -> Plan:
    """Return the plan as the ledger completes it: what ``run`` looks at first is told first."""
    if plan.refusal is not None:
        types_kept.recall(ledger.properties, plan.destination, FeedType(plan.type), plan.refusal)
    found = types_kept.list_contradictions(ledger.properties, plan.brings, plan.destination, FeedType(plan.type))
    held_for = types_kept.explain_change(found, plan.feed) if found else None
    if isinstance(plan.refusal, NothingNew):
        same = ledger.sources.find_same(plan.feed, plan.destination, plan.refusal.sha256)
        if same is not None:
            held_for = f"{plan.refusal.cause}: {copies.explain(same)}"
            return replace(plan, are_types_compared=True, held_for=held_for, refusal=None)
    if plan.sha256 is not None and feed.holds_same_file:
        same = ledger.sources.find_same(plan.feed, plan.destination, plan.sha256)
        held_for = copies.explain(same) if same is not None else held_for
    return replace(plan, are_types_compared=True, held_for=held_for)
