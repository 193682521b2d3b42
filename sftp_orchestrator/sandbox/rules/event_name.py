"""What happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from sftp_orchestrator.sandbox.rules.layout import Place
from sftp_orchestrator.sandbox.rules.rule import Faults, Rule, break_rule

MAX_CHARACTERS = 512
REFUSED_CHARACTERS = frozenset("%><!|&.:;$'\"\\")
SYSTEM_EVENTS = frozenset(
    name.lower()
    for name in (
        *("Notification Sent", "Notification Viewed", "Notification Clicked", "Notification Delivered"),
        *("Notification Replied", "Notification Bounced", "UTM Visited", "App Launched", "App Uninstalled"),
        *("App Version Changed", "Stayed", "Reply Sent", "Experiment Rendered", "Reachable By", "Identity Reset"),
        *("Identity Set", "Identity Error", "Geocluster Entered", "Geocluster Exited", "SCOutgoing", "SCIncoming"),
        *("SCEnd", "SCCampaignOptOut", "wzrk_d", "wzrk_fetch"),
    )
)
"""In lower case; only the vendor records these."""
KEPT_NAMES = 1024
"""An account has 512 names of events, so each is looked at once."""


def make_check(place: Place) -> Callable[[Sequence[str]], Faults]:
    """Return what checks a row's event name. Not documented: a blank name; it is none."""
    position = place.position

    def check(row: Sequence[str]) -> Faults:
        return _find_faults(row[position])

    return check


@lru_cache(maxsize=KEPT_NAMES)
def _find_faults(name: str) -> Faults:
    trimmed = name.strip()
    is_broken = {
        Rule.EVENT_NAME_MISSING: not trimmed,
        Rule.EVENT_NAME_TOO_LONG: len(name) > MAX_CHARACTERS,
        Rule.EVENT_NAME_RESTRICTED: trimmed.lower() in SYSTEM_EVENTS,
        Rule.EVENT_NAME_CHARACTERS: not REFUSED_CHARACTERS.isdisjoint(name),
    }
    return tuple(break_rule(rule) for rule, is_so in is_broken.items() if is_so)
