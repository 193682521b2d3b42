"""The words of alerts: what, which file, why, and what to type next; each one message of plain text."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sftp_orchestrator import units
from sftp_orchestrator.alerts import conditions
from sftp_orchestrator.alerts.conditions import Facts, find_destination
from sftp_orchestrator.alerts.kinds import IN_NEED, KINDS, OURS, WITHOUT_SOURCE, Reading
from sftp_orchestrator.alerts.telling import Group
from sftp_orchestrator.calling import COMMAND, spell_out
from sftp_orchestrator.config.alerting import AlertKind
from sftp_orchestrator.intake.pausing import Room
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Alert, Pause, Source, Untaken
from sftp_orchestrator.ledger.states import SOURCE_DONE, SourceState
from sftp_orchestrator.measuring import RefusedReload
from sftp_orchestrator.outlook import describe_taken
from sftp_orchestrator.views import SourceView

MOST_NAMED = 5
"""Things that one message names; of the others it tells how many there are."""
_LONGEST_REASON = 500
"""Characters of a reason; the whole of it is in ``status``."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """One message."""

    title: str
    body: str
    is_good: bool


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the words are taken from."""

    facts: Facts
    host: str
    command: str
    """how a person calls us with this configuration"""
    page_url: str | None
    docs_url: str | None
    views: Mapping[str, SourceView]
    """of the sources that are named, with what a person may do; without those that are forgotten"""
    arrived: Mapping[str, Source]
    """by feed, a file that came after all"""


def write(group: Group, context: Context) -> Text:
    """Return the message that tells of a group. Pure."""
    return _write_end(group, context) if group.is_over else _write_trouble(group, context)


def join(texts: Sequence[Text], *, lost: int = 0) -> Text:
    """Return several messages as one: for who could not be told for long. Pure.

    ``lost`` are still earlier ones that nobody can be told any more.
    """
    if len(texts) == 1:
        (text,) = texts
        return replace(text, body="\n\n".join([text.body, *_count_lost(lost)]))
    titles = [text.title for text in texts]
    named = [*titles[:MOST_NAMED], *_count_others(len(titles)), *_count_lost(lost)]
    bodies = [f"{text.title}\n\n{text.body}" for text in texts[-MOST_NAMED:]]
    return Text(
        title=f"{len(texts) + lost:,} alerts that could not be told before",
        body="\n\n".join(["\n".join(named), *bodies]),
        is_good=all(text.is_good for text in texts) and not lost,
    )


def write_substitute(host: str, command: str, page_url: str | None, title: str | None = None) -> Text:
    """Return the message that is sent for one that a service refuses as it is written. Pure.

    There is nothing of it but its ``title``, which has its kind; nothing at all without.
    """
    body = [
        "There was an alert that this service did not take, and it took this in its place.",
        *([f"The alert: {_shorten(title)}"] if title else []),
        "It is tried once more now. Where it does not follow, the log has its title and why, at alert_given_up.",
        spell_out(f"What waits, why, and what to type next: {COMMAND} status", command),
        *([page_url] if page_url else []),
    ]
    title = f"SFTP orchestrator on {host}: an alert could not be sent"
    return Text(title=title, body="\n\n".join(body), is_good=False)


def write_test(host: str, command: str, page_url: str | None) -> Text:
    """Return the message that ``notify test`` sends. Pure."""
    body = [
        "This is a test: alerts of SFTP orchestrator reach you.",
        spell_out(f"What waits now: {COMMAND} status", command),
        *([page_url] if page_url else []),
    ]
    return Text(title=f"SFTP orchestrator on {host}: test", body="\n\n".join(body), is_good=True)


def _write_trouble(group: Group, context: Context) -> Text:
    kind, count = KINDS[group.kind], _count_things(group, context)
    said = f"{count} {kind.one if count == 1 else kind.many}"
    if group.is_repeated:
        said += ", still"
    # Feeds of which this is told later stand as well.
    if group.standing > count and group.kind is not AlertKind.REFUSED_ROWS:
        said += f" ({group.standing} in all)"
    needing = sum(_needs_person(one, context) for one in group.alerts)
    if needing:
        said += f": {'a person is needed' if needing == count else f'a person is needed for {needing}'}"
    pieces = [f"{said}. {IN_NEED if needing else kind.means}"]
    pieces += [_describe(one, context) for one in group.alerts[:MOST_NAMED]]
    pieces += _count_others(len(group.alerts))
    pieces.append("\n".join(_list_ways(_find_reading(group, context), context)))
    return _finish(said, pieces, context, is_good=False)


def _count_things(group: Group, context: Context) -> int:
    """Return how many there are of what the kind's words name: files, where refused rows are told of by feed."""
    if group.kind is not AlertKind.REFUSED_ROWS:
        return len(group.alerts)
    return sum(len(context.facts.without_rows.get(one.subject, ())) for one in group.alerts)


def _write_end(group: Group, context: Context) -> Text:
    kind, count = KINDS[group.kind], len(group.alerts)
    named = [_name(one, context) for one in group.alerts[:MOST_NAMED]]
    said = f"{named[0]} {kind.over}" if count == 1 else f"{count} {kind.all_over}"
    if group.standing:
        said += f" ({group.standing} left)"
    pieces = ["\n".join(_describe_end(one, context) for one in group.alerts[:MOST_NAMED]), *_count_others(count)]
    return _finish(f"over: {said}", pieces, context, is_good=True)


def _finish(said: str, pieces: Iterable[str], context: Context, *, is_good: bool) -> Text:
    body = "\n\n".join([*pieces, *([context.page_url] if context.page_url else [])])
    return Text(
        title=f"SFTP orchestrator on {context.host}: {said}",
        body=spell_out(body, context.command),
        is_good=is_good,
    )


def _count_others(count: int) -> list[str]:
    return [f"… and {count - MOST_NAMED:,} more."] if count > MOST_NAMED else []


def _count_lost(count: int) -> list[str]:
    return [f"… and {count:,} earlier alert{'s' * (count != 1)} that could not be sent."] if count else []


def _find_reading(group: Group, context: Context) -> Reading:
    """Return where to read on: not about the receiver, where it is this machine that keeps files back."""
    views = [_find_view(one, context) for one in group.alerts]
    is_ours = all(view is not None and view.source.failures < conditions.FAILURES for view in views)
    return OURS if group.kind is AlertKind.RETRIES_EXHAUSTED and is_ours else KINDS[group.kind].read


def _list_ways(read: Reading, context: Context) -> Iterator[str]:
    yield f"What waits, why, and what to type next (on {context.host}): {COMMAND} status"
    if context.docs_url is None:
        yield f"Read on, in the documentation: {read}"
    else:
        yield f"Read on: {read.locate(context.docs_url)}"


def _describe(alert: Alert, context: Context) -> str:
    view = _find_view(alert, context)
    if view is not None:
        steps = "\n".join(view.next_steps)
        said = f"{_sum_up(alert, context)}{_name(alert, context)}: {_shorten(_find_reason(alert, view))}"
        return f"{said}\n{textwrap.indent(steps, '    ')}" if steps else said
    return f"{_name(alert, context)}: {_explain(alert, context)}"


def _sum_up(alert: Alert, context: Context) -> str:
    """Return a line for all files of a feed without their rows, of which the first is named after it, if any."""
    files = context.facts.without_rows.get(alert.subject, ()) if alert.kind == AlertKind.REFUSED_ROWS else ()
    if len(files) <= 1:
        return ""
    refused = sum(source.refused_rows for source in files)
    return f"{len(files):,} files of feed {alert.subject}, {refused:,} rows were refused; the first of them:\n"


def _find_reason(alert: Alert, view: SourceView) -> str:
    if alert.kind == AlertKind.REFUSED_ROWS:
        return next((note for word, note in view.notes if word == "rows"), view.word)
    return view.reason or view.word


def _needs_person(alert: Alert, context: Context) -> bool:
    """Return whether a destination fails until a person mends something."""
    pause = _find_pause(alert, context)
    return pause is not None and pause.kind.needs_person


def _find_pause(alert: Alert, context: Context) -> Pause | None:
    is_of_it = alert.kind == AlertKind.RETRIES_EXHAUSTED
    return context.facts.pauses.get(find_destination(alert.subject) or "") if is_of_it else None


def _find_view(alert: Alert, context: Context) -> SourceView | None:
    return context.views.get(find_source(alert, context.facts) or "")


def find_source(alert: Alert, facts: Facts) -> str | None:
    """Return the id of the source that it tells of; None where of none. Pure."""
    if alert.kind == AlertKind.REFUSED_ROWS:
        return next((source.id for source in facts.without_rows.get(alert.subject, ())), None)
    # A feed may be called as a source's id is.
    is_of_source = alert.kind not in WITHOUT_SOURCE and find_destination(alert.subject) is None
    return alert.subject if is_of_source else None


def _name(alert: Alert, context: Context) -> str:
    """Return which one it is, for people."""
    view = _find_view(alert, context)
    match AlertKind(alert.kind):
        case _ if view is not None:
            return f"{view.source.name} (feed {view.source.feed}, id {view.source.id})"
        case AlertKind.FILE_MISSING | AlertKind.NOT_TAKEN | AlertKind.KEY_EXPIRING | AlertKind.REFUSED_ROWS:
            return alert.subject
        case AlertKind.DISK_LOW:
            return str(context.facts.room.folder)
        case AlertKind.CONFIGURATION:
            return "the configuration"
        case _:
            return find_destination(alert.subject) or f"id {alert.subject}"


def _explain(alert: Alert, context: Context) -> str:
    """Return why it is so, of what is no source."""
    facts, now = context.facts, context.facts.at
    said = "it is not known any more"
    match AlertKind(alert.kind):
        case AlertKind.RETRIES_EXHAUSTED if pause := _find_pause(alert, context):
            said = _explain_pause(pause, context)
        case AlertKind.FILE_MISSING if alert.subject in facts.missing:
            said = f"a file was expected by {units.format_moment(facts.missing[alert.subject].due_at, now)}"
        case AlertKind.NOT_TAKEN if untaken := facts.untaken.get(alert.subject):
            said = _explain_untaken(untaken, now, are_more=facts.are_more_untaken)
        case AlertKind.KEY_EXPIRING if ends_at := facts.key_ends.get(alert.subject):
            said = f"its key {_say_when(ends_at - now)} on {ends_at:%Y-%m-%d}\n    {COMMAND} check"
        case AlertKind.DISK_LOW:
            said = _explain_room(alert, context.facts.room)
        case AlertKind.CONFIGURATION if refused := facts.refused_reload:
            said = _explain_refusal(refused, now)
    return said


def _explain_refusal(refused: RefusedReload, now: datetime.datetime) -> str:
    causes = "\n".join(_shorten(cause) for cause in refused.list_causes())
    return (
        f"it was to be read anew {units.format_age(refused.at, now)}\n{textwrap.indent(causes, '    ')}\n"
        f"correct the file till the first passes, then have it read:\n"
        f"    {COMMAND} check\n    systemctl reload {COMMAND}"
    )


def _explain_pause(pause: Pause, context: Context) -> str:
    now = context.facts.at
    times = "once" if pause.failures == 1 else f"{pause.failures} times in a row"
    said = f"its runs failed {times}, since {units.format_moment(pause.since, now)}: {_shorten(pause.reason)}"
    until = describe_taken(context.facts.took_until.get(pause.destination), now, is_away=pause.kind is PauseKind.AWAY)
    return f"{said}{f'; {until}' if until is not None else ''}\n    {COMMAND} check --connect"


def _explain_untaken(untaken: Sequence[Untaken], now: datetime.datetime, *, are_more: bool) -> str:
    first, count = untaken[0], len(untaken) - 1
    least = "at least " if are_more else ""
    more = f"\n    … and {least}{count:,} more file{'s' * (count != 1)}" if count else ""
    return (
        f"{first.name}, complete since {units.format_moment(first.since, now)} at least: {_shorten(first.reason)}{more}"
    )


def _say_when(left: datetime.timedelta) -> str:
    """Return when a key expires, or did, in words."""
    days, is_over = abs(left).days, left <= datetime.timedelta()
    if days == 0:
        return "expired today," if is_over else "expires within a day,"
    said = f"{days} day{'s' * (days != 1)}"
    return f"expired {said} ago," if is_over else f"expires in {said},"


def _explain_room(alert: Alert, room: Room) -> str:
    if alert.level == conditions.PAUSED:
        return room.describe()
    below = units.format_bytes(room.pause_below_bytes)
    return f"{units.format_bytes(room.free_bytes)} are free; below {below} nothing is taken in"


def _describe_end(alert: Alert, context: Context) -> str:
    view = _find_view(alert, context)
    if view is not None:
        # What became of the original afterwards is nobody's question.
        word = SourceState.DELIVERED.value if view.source.state in SOURCE_DONE else view.word
        return f"{_name(alert, context)}: {word} now"
    return f"{_name(alert, context)}: {_explain_end(alert, context)}"


def _explain_end(alert: Alert, context: Context) -> str:
    """Return what became of what is no source."""
    since = units.format_moment(alert.since, context.facts.at)
    match AlertKind(alert.kind):
        case AlertKind.RETRIES_EXHAUSTED:
            return f"a run went through, the first since {since}"
        case AlertKind.FILE_MISSING if source := context.arrived.get(alert.subject):
            return f"{source.name} came"
        case AlertKind.KEY_EXPIRING if ends_at := context.facts.key_ends.get(alert.subject):
            return f"the key expires on {ends_at:%Y-%m-%d}"
        case AlertKind.DISK_LOW:
            return f"{units.format_bytes(context.facts.room.free_bytes)} are free"
        case AlertKind.CONFIGURATION:
            return "it was read, and the daemon goes by it"
        case _:
            return f"over, since {since} it was so"


def _shorten(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}…"
