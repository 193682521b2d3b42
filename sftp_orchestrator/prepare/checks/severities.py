"""How grave a broken rule is for a feed."""

from __future__ import annotations

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.rules import Rule, Severity


def get_severity(rule: Rule, feed: Feed) -> Severity:
    """Return the severity of a rule, as the feed re-graded it or as it is by itself. Pure."""
    return rule.severity if rule.is_fixed else feed.rules.get(rule.id, rule.severity)
