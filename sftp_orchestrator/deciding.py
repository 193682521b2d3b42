"""What a person decides about a source: one door for the command line and the page, and what each word means."""

from __future__ import annotations

import datetime
import enum
from dataclasses import replace
from pathlib import Path

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.archive import get_archive_folder, get_rows_folder
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError, DecisionNeeded
from sftp_orchestrator.intake.lock import find_holder
from sftp_orchestrator.ledger.decisions import LEFT
from sftp_orchestrator.ledger.discards import describe_delivered
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_DONE, SOURCE_ON_ITS_WAY, PartState, SourceState
from sftp_orchestrator.outlook import NOBODY, describe_schedule, look_out
from sftp_orchestrator.prepare import releasing
from sftp_orchestrator.prepare.earlier import types_kept
from sftp_orchestrator.prepare.parts.resending import resolve_delivered, resolve_resend
from sftp_orchestrator.prepare.refusals.quarantine import require_untouched
from sftp_orchestrator.prepare.refusals.rejecting import FAILED_ROWS_NAME
from sftp_orchestrator.views import UNCERTAIN, SourceView
from sftp_orchestrator.workspace import Workspace


class Choice(enum.StrEnum):
    """What a person may say of a source."""

    RETRY = "retry"
    RELEASE = "release"
    DISCARD = "discard"
    ACCEPT = "accept"
    """``schema accept``"""
    DELIVERED = "delivered"
    """``resolve --delivered``"""
    RESEND = "resend"
    """``resolve --resend``"""


FINAL = frozenset(Choice) - {Choice.RETRY}
"""What follows of them cannot be taken back."""
OF_PARTS = frozenset({Choice.DELIVERED, Choice.RESEND})
"""Said of uncertain parts: of all of a source, or of one as ``ID/PART``."""


def decide(
    choice: Choice, configuration: Configuration, ledger: Ledger, subject: str, *, by: str, reason: str | None = None
) -> list[str]:
    """Carry a person's word out; return what is to be told of it, a sentence each. Once for each source as it stands.

    ``subject`` is a source's id, or ``ID/PART`` for what is said of parts; ``reason`` is kept where one is discarded.

    Raises:
        ConfigurationError: it is in a state in which this cannot be said, or there is none of this id.
        DecisionNeeded: something else is to be decided first.
        LocalFault: the ledger or the workspace stands in the way.
    """
    match choice:
        case Choice.RETRY:
            _require_untouched(configuration, ledger, subject)
            goes = "is sent" if is_untried(ledger.sources.get(subject)) else "is tried again"
            source = ledger.sources.retry(subject, by=by)
            when = f"{say_when(configuration)}{_say_what_is_passed(source, configuration, ledger)}"
            return [f"{source.id} ({source.name}) is {source.state} and {goes}{when}."]
        case Choice.RELEASE:
            _require_untouched(configuration, ledger, subject)
            source = releasing.release(ledger, Workspace(root=configuration.workspace), subject, by=by)
            return [f"{source.id} ({source.name}) is {source.state} and released; it goes on{say_when(configuration)}."]
        case Choice.DISCARD:
            return _discard(configuration, ledger, subject, by=by, reason=reason)
        case Choice.ACCEPT:
            return _accept(configuration, ledger, subject, by=by)
        case Choice.DELIVERED | Choice.RESEND:
            return _resolve(choice, configuration, ledger, subject, by=by)


def say_when(configuration: Configuration) -> str:
    """Return when what was decided is carried out, to end a sentence with."""
    return " within seconds" if _has_daemon(configuration) else f" with the next run; {NOBODY}"


def _say_what_is_passed(source: Source, configuration: Configuration, ledger: Ledger) -> str:
    """Return which schedule a wanted source would wait for, were it not wanted; empty where for none."""
    outlook = look_out(configuration, ledger, [source], datetime.datetime.now(datetime.UTC))
    schedule = describe_schedule(replace(source, retry_at=None, wanted_at=None), outlook)
    return f", ahead of {schedule}" if schedule is not None else ""


def _has_daemon(configuration: Configuration) -> bool:
    holder = find_holder(Workspace(root=configuration.workspace).lock)
    return holder is not None and not holder.is_pass


def require_unchanged(ledger: Ledger, source_id: str, seen_at: datetime.datetime) -> None:
    """Raise where a source moved since its last change was ``seen_at``: who decides would decide about another thing.

    Raises:
        DecisionNeeded: it did.
        ConfigurationError: there is none of this id.
    """
    source = ledger.sources.get(source_id)
    if source.changed_at != seen_at:
        raise DecisionNeeded(
            "decide about",
            f"source {source_id}",
            f"it changed since you looked, and is {source.state} now",
            hint="look again, and decide then",
        )


def _discard(configuration: Configuration, ledger: Ledger, source_id: str, *, by: str, reason: str | None) -> list[str]:
    workspace, why = Workspace(root=configuration.workspace), _tidy(reason or "") or None
    source = ledger.sources.get(source_id)
    if source.state in SOURCE_DONE:
        return _discard_rows(configuration, ledger, source, by=by, reason=why)
    delivered = ledger.discards.discard(source_id, by=by, reason=why)
    discarded = ledger.sources.get(source_id)
    folder = get_archive_folder(workspace, discarded, configuration.zone)
    told = f"{source.id} ({source.name}) is discarded; {delivered}."
    return [told, _say_where("its file", folder, configuration), *_tell_of_rows_left_out(source, configuration, ledger)]


def _tell_of_rows_left_out(source: Source, configuration: Configuration, ledger: Ledger) -> list[str]:
    """Return that others were sent without rows that may have been those of ``source``, as it was; else nothing."""
    feed = configuration.feeds.get(source.feed)
    asks = feed is not None and feed.deduplicate is not None and feed.deduplicate.days
    if not asks or source.state is SourceState.QUARANTINED or ledger.sources.has_left(source.id):
        return []
    sent = ledger.sources.list_sent(source.feed, source.destination, since=source.claimed_at, besides=source.id)
    # Of what is on its way nothing has left, or it is read again.
    lacking = [one for one in sent if one.duplicate_rows and one.state not in SOURCE_ON_ITS_WAY]
    if not lacking:
        return []
    named = ", ".join(f"{one.id} ({one.name})" for one in lacking[:3])
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    told = f"Rows that were there before were left out of {named}{more}, sent since: where they were rows of this file,"
    return [f"{told} they are in none now. To send them, drop its file again: of its rows none is sent twice."]


def _discard_rows(
    configuration: Configuration, ledger: Ledger, source: Source, *, by: str, reason: str | None
) -> list[str]:
    """Give up the refused rows of what was delivered; nothing else of it changes."""
    workspace = Workspace(root=configuration.workspace)
    known = ledger.discards.list_rows_given_up([source.id])
    if not known and not (workspace.get_rejected(source.id) / FAILED_ROWS_NAME).is_file():
        subject, cause = f"source {source.id}", "it is delivered, and no refused rows of it are kept"
        raise ConfigurationError("discard", subject, cause, hint="nothing is left to give up")
    at = ledger.discards.discard_rows(source.id, by=by, reason=reason)
    folder = get_rows_folder(workspace, source.id, at, configuration.zone)
    told = f"The {source.refused_rows:,} refused rows of {source.id} ({source.name}) are discarded; it stays delivered."
    if source.refused_rows == 1:
        told = f"The refused row of {source.id} ({source.name}) is discarded; it stays delivered."
    return [told, _say_where("the rows" if source.refused_rows != 1 else "the row", folder, configuration)]


def _say_where(what: str, folder: Path, configuration: Configuration) -> str:
    if _has_daemon(configuration):
        return f"The daemon puts {what} into {folder} within seconds."
    return f"The next run puts {what} into {folder}; {NOBODY}."


def _tidy(text: str) -> str:
    """Return ``text`` on one line, without what cannot be printed: PostgreSQL takes no NUL. Pure."""
    return " ".join("".join(letter for letter in " ".join(text.split()) if letter.isprintable()).split())


def _accept(configuration: Configuration, ledger: Ledger, source_id: str, *, by: str) -> list[str]:
    accepted = types_kept.accept(configuration, ledger, source_id, by=by)
    source = ledger.sources.get(source_id)
    told = [f"{source.destination}: {contradiction.summarize()} from now on." for contradiction in accepted]
    return [*told, f"{source.id} ({source.name}) is {source.state} and is tried again{say_when(configuration)}."]


def _resolve(choice: Choice, configuration: Configuration, ledger: Ledger, subject: str, *, by: str) -> list[str]:
    is_delivered = choice is Choice.DELIVERED
    parts = (resolve_delivered if is_delivered else resolve_resend)(configuration, ledger, subject, by=by)
    word = "delivered" if is_delivered else "to be sent again under a new name"
    told = [f"{part.source_id} part {part.number}/{part.of} is {word}: {part.data_name}" for part in parts]
    return [*told, f"It goes on{say_when(configuration)}."]


def _require_untouched(configuration: Configuration, ledger: Ledger, source_id: str) -> None:
    """Raise where a person corrected the refused rows of a quarantined source, which are copies and would be lost."""
    workspace = Workspace(root=configuration.workspace)
    require_untouched(ledger.sources.get(source_id), workspace.get_quarantine(source_id))


def is_untried(source: Source) -> bool:
    """Return whether a source only waits for its turn: nothing came in its way, and none of it was tried. Pure."""
    # Attempts count from where it last got on, or a person wanted it tried: what failed before that is not in them.
    return source.state in SOURCE_ON_ITS_WAY and source.attempts == 0 and source.retry_at is None


def list_choices(view: SourceView) -> tuple[Choice, ...]:
    """Return what makes sense to say of a source as it stands, the likeliest first. Pure."""
    source = view.source
    if view.word == UNCERTAIN:
        return (Choice.DELIVERED, Choice.RESEND)
    if source.state in SOURCE_ON_ITS_WAY:
        return _list_of_waiting(view)
    if source.state is SourceState.ARCHIVED and view.refused_rows is not None:
        return (Choice.DISCARD,)
    choices: tuple[Choice, ...] = ()
    if source.state is SourceState.QUARANTINED:
        # To try a replaced one again would put its older rows over the newer ones.
        is_over = view.replaced_by is not None or view.why.is_nothing_new
        choices = (Choice.DISCARD,) if is_over else (Choice.RETRY, Choice.RELEASE, Choice.DISCARD)
    elif source.state is SourceState.HELD:
        choices = _list_of_held(view)
    if any(part.state is PartState.PUBLISHING for part in view.parts):
        choices = tuple(choice for choice in choices if choice is not Choice.DISCARD)
    return choices


def _list_of_held(view: SourceView) -> tuple[Choice, ...]:
    if view.missing is not None:
        return (Choice.RETRY, Choice.DISCARD)
    if view.source.lacks_configuration:
        return (Choice.DISCARD,)
    if view.why.is_copy:
        return (Choice.DISCARD, Choice.RELEASE)
    choices = (Choice.RETRY, Choice.RELEASE, Choice.DISCARD)
    return (Choice.ACCEPT, *choices) if view.why.changes_types else choices


def _list_of_waiting(view: SourceView) -> tuple[Choice, ...]:
    # What has left in part goes on: a run may be at the rest of it.
    last = () if any(part.state.value in LEFT for part in view.parts) else (Choice.DISCARD,)
    if view.scheduled_at is not None or view.source.retry_at is not None:
        return (Choice.RETRY, *last)
    if view.waits_for is not None and view.waits_for != NOBODY and view.source.type is FeedType.EVENT:
        return (Choice.RELEASE, *last)
    return last


def explain(choice: Choice, view: SourceView) -> str:
    """Return what it means to say this of a source as it stands, in full sentences. Pure."""
    match choice:
        case Choice.RETRY:
            return _explain_retry(view.source)
        case Choice.RELEASE:
            return _explain_release(view)
        case Choice.DISCARD:
            return _explain_discard(view)
        case Choice.ACCEPT:
            return (
                "The types that this file brings hold from now on, for every file of this destination. What was sent"
                " with others stays as it is at the receiver, which never changes a property's type."
            )
        case Choice.DELIVERED:
            return (
                "You looked at the receiver's side, and it took the data: it counts as delivered and is not sent again."
                " If that is wrong, these rows are missing there."
            )
        case Choice.RESEND:
            return (
                "You looked at the receiver's side, and it did not take the data: it is sent again, under a new name."
                " If that is wrong, every event of it counts twice, and CleverTap cannot take events back."
            )


def _explain_retry(source: Source) -> str:
    if source.state is SourceState.QUARANTINED:
        return "Reads the file in its quarantine folder again: corrected, it is sent; unchanged, it is refused again."
    if source.state is SourceState.HELD:
        return "Goes on from where it safely can. Where the reason is not dealt with, it is held again."
    tries = "Sends" if is_untried(source) else "Tries"
    return f"{tries} it at once, ahead of schedule and pauses; its profiles go first."


def _explain_discard(view: SourceView) -> str:
    if view.source.state in SOURCE_DONE:
        return (
            "Gives up the rows that were refused; what was sent stays sent. They go into the archive with their report."
            " To send them after all, correct them there and drop them."
        )
    delivered = describe_delivered([part.state.value for part in view.parts])
    return (
        f"Gives the file up: nothing more of it is sent, and no events wait for it; {delivered}. Its file goes into the"
        " archive. To send it after all, drop it again."
    )


def _explain_release(view: SourceView) -> str:
    source = view.source
    is_event = source.type is FeedType.EVENT
    if source.state in SOURCE_ON_ITS_WAY:
        return (
            "Sends these events without the profiles that they wait for. What the receiver makes of events of users"
            " it does not know cannot be put right later."
        )
    if view.why.is_copy:
        return "Sends all of its rows once more" + (
            ": every event of it counts twice, and CleverTap cannot take events back." if is_event else "."
        )
    if view.why.changes_types:
        return "Sends this one file as it is, although the receiver has a property of it with another type, for ever."
    again = (
        "Reads it again; where it breaks a rule still, it is refused again"
        if source.state is SourceState.QUARANTINED
        else "Goes on by your word, from where it safely can"
    )
    if is_event:
        return f"{again}. It no longer waits for profiles."
    return f"{again}. Events no longer wait for these profiles, and go without them; that cannot be taken back."
