"""Decides what is told now: what comes up together as one, what lasts once a day, and once that it is over."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sftp_orchestrator.alerts.conditions import Condition, is_in_need, is_worse
from sftp_orchestrator.config.alerting import AlertKind
from sftp_orchestrator.ledger.records import Alert

REPEAT = datetime.timedelta(days=1)
"""After which what lasts is told again."""
TURN = datetime.timedelta(hours=1)
"""… and what needs a person for another thing than was told: hosts behind one name may fail by turns, each its way."""


Choose = Callable[[Sequence[Alert]], Sequence[Alert]]
"""What is told now of the alerts of one kind."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Things of one kind that are told in one message."""

    kind: AlertKind
    alerts: tuple[Alert, ...]
    standing: int = 0
    """how many of the kind there are in all"""
    is_over: bool = False
    is_repeated: bool = False
    """they were told before, and last"""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be noted, and told."""

    kept: tuple[Alert, ...]
    """alerts that are new or changed"""
    forgotten: tuple[Alert, ...]
    groups: tuple[Group, ...]


def decide(
    conditions: Iterable[Condition],
    known: Sequence[Alert],
    now: datetime.datetime,
    *,
    kinds: Collection[AlertKind],
    group_seconds: float,
) -> Decision:
    """Return what changes of what is ``known``, and what is told of it ``now``. Pure.

    Nothing is told of what came and went within ``group_seconds``, nor of what was over for no longer.
    """
    before = {_get_key(one): one for one in known}
    current = {(one.kind.value, one.subject): one for one in conditions}
    standing = {key: _go_on(one, before.get(key), now) for key, one in current.items()}
    ended = [replace(one, over_at=one.over_at or now) for key, one in before.items() if key not in current]
    repeated = {key for key, one in current.items() if one.is_repeated}
    lasting = [one for key, one in standing.items() if key in repeated]
    ends = [one for one in ended if _is_worth_an_end(one, kinds)]
    grouping = datetime.timedelta(seconds=group_seconds)
    groups = [
        *_make_groups(standing.values(), lambda some: _choose_new(some, now, grouping)),
        *_make_groups(lasting, lambda some: _choose_lasting(some, now), is_repeated=True),
        *_make_groups(ends, lambda some: _choose_over(some, now, grouping), is_over=True),
    ]
    told = {_get_key(one) for group in groups for one in group.alerts}
    left = {key: _note_told(one, now) if key in told else one for key, one in standing.items()}
    left |= {_get_key(one): one for one in ends if _get_key(one) not in told}
    return Decision(
        kept=tuple(one for key, one in left.items() if before.get(key) != one),
        forgotten=tuple(one for key, one in before.items() if key not in left),
        groups=tuple(replace(group, standing=_count(standing.values(), group.kind)) for group in groups),
    )


def _get_key(alert: Alert) -> tuple[str, str]:
    return alert.kind, alert.subject


def _go_on(condition: Condition, before: Alert | None, now: datetime.datetime) -> Alert:
    """Return the alert as it stands: new, to be told anew as it got worse, or as it was."""
    fresh = Alert(kind=condition.kind.value, subject=condition.subject, level=condition.level, since=now)
    if before is None:
        return fresh
    # What is not told so far waits no longer for getting worse.
    is_told = before.first_told_at is not None and before.told_at is not None
    if is_told and _is_turn(condition, before, now):
        return replace(before, over_at=None)
    if is_told and (is_worse(condition.level, before.level) or _is_due(condition, before, now)):
        return replace(fresh, told_at=before.told_at)
    # What needed a person and only fails for now is not told again once it needs one for the same thing.
    return replace(before, level=condition.level or before.level, over_at=None)


def _is_turn(condition: Condition, before: Alert, now: datetime.datetime) -> bool:
    """Return whether a person is needed for another thing than was told, and that was of late. Pure."""
    is_other = is_in_need(before.level) and is_worse(condition.level, before.level)
    return is_other and before.told_at is not None and not _is_past(before.told_at, TURN, now)


def _is_due(condition: Condition, before: Alert, now: datetime.datetime) -> bool:
    """Return whether more rows were refused of a feed than it was told of, and that was a day ago. Pure."""
    is_of_rows = condition.kind is AlertKind.REFUSED_ROWS
    return is_of_rows and before.told_at is not None and _is_past(before.told_at, REPEAT, now)


def _is_worth_an_end(alert: Alert, kinds: Collection[AlertKind]) -> bool:
    """Whether it is told that it is over: it was told, and people want to hear of its kind.

    That refused rows are kept ends where somebody fetches or discards them, who knows, and after some days.
    """
    if alert.kind == AlertKind.REFUSED_ROWS:
        return False
    return alert.told_at is not None and AlertKind.RECOVERED in kinds and alert.kind in kinds


def _note_told(alert: Alert, now: datetime.datetime) -> Alert:
    return replace(alert, first_told_at=alert.first_told_at or now, told_at=now)


def _make_groups(
    alerts: Iterable[Alert], choose: Choose, *, is_over: bool = False, is_repeated: bool = False
) -> Iterator[Group]:
    """Yield for each kind what is told of it now, where anything is."""
    by_kind = sorted(alerts, key=lambda one: (one.kind, one.since))
    for kind, some in itertools.groupby(by_kind, key=lambda one: one.kind):
        chosen = tuple(choose(list(some)))
        if chosen:
            yield Group(kind=AlertKind(kind), alerts=chosen, is_over=is_over, is_repeated=is_repeated)


def _choose_new(alerts: Sequence[Alert], now: datetime.datetime, grouping: datetime.timedelta) -> list[Alert]:
    """Return what was not told so far, once the first of it waited long enough for others to come up."""
    new = [one for one in alerts if one.first_told_at is None]
    return new if any(_is_past(one.since, grouping, now) for one in new) else []


def _choose_lasting(alerts: Sequence[Alert], now: datetime.datetime) -> list[Alert]:
    """Return what was told a day ago or longer; all of a kind together, and that once a day."""
    reminders = [one.told_at for one in alerts if one.told_at and one.first_told_at and one.told_at > one.first_told_at]
    if reminders and not _is_past(max(reminders), REPEAT, now):
        return []
    return [one for one in alerts if one.first_told_at and one.told_at and _is_past(one.told_at, REPEAT, now)]


def _choose_over(alerts: Sequence[Alert], now: datetime.datetime, grouping: datetime.timedelta) -> Sequence[Alert]:
    """Return what is over, once the first of it was so long enough for others to follow, and not to come back."""
    return alerts if any(one.over_at and _is_past(one.over_at, grouping, now) for one in alerts) else []


def _is_past(at: datetime.datetime, span: datetime.timedelta, now: datetime.datetime) -> bool:
    """Return whether ``span`` went by since then, or the clock was set back by as much. Pure."""
    return abs(now - at) >= span


def _count(alerts: Iterable[Alert], kind: AlertKind) -> int:
    return sum(one.kind == kind for one in alerts)
