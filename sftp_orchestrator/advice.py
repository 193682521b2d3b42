"""What a person may do about a source that stands still or waits, commands ready to be typed."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

from sftp_orchestrator import units
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.deliver.order import Gate
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_ON_ITS_WAY, SourceState
from sftp_orchestrator.outlook import NOBODY
from sftp_orchestrator.views import UNCERTAIN, SourceView
from sftp_orchestrator.workspace import Workspace

_OR_DROP_PROFILES = "or drop a corrected file under the same name: once it is delivered, no events wait for this one"
_NEEDS_RUN = f"it is tried again with the next run, but {NOBODY}"
_MOST_NAMED = 3
"""Profile sources whose commands are spelled out for events that wait for them."""


def advise(view: SourceView, gate: Gate | None, workspace: Workspace, now: datetime.datetime) -> tuple[str, ...]:
    """Return what a person may do about a source, commands ready to be typed. Pure."""
    source, command = view.source, COMMAND
    if view.word == UNCERTAIN:
        return (
            "look there whether the receiver took it; then say so:",
            f"{command} resolve {source.id} --delivered",
            f"{command} resolve {source.id} --resend",
        )
    if source.state is SourceState.QUARANTINED and view.replaced_by is not None:
        # To try it again would put its older rows over the newer ones.
        return ("nothing of it is needed any more; close it:", f"{command} discard {source.id}")
    if source.state is SourceState.QUARANTINED:
        return _advise_on_quarantined(view, workspace)
    if source.state is SourceState.HELD:
        return _advise_on_held(view)
    return _advise_to_wait(view, gate, now)


def _advise_on_quarantined(view: SourceView, workspace: Workspace) -> tuple[str, ...]:
    source = view.source
    if view.why.is_nothing_new:
        return ("nothing of it is new; close it:", f"{COMMAND} discard {source.id}")
    folder = workspace.get_quarantine(source.id)
    # By its name: failed_rows.csv lies beside the report, too, and to correct that changes nothing.
    original = f"{folder}/{source.name.rpartition('/')[2]}"
    return (
        f"read {folder}/report.json",
        *([view.why.correction] if view.why.correction is not None else []),
        f"then correct {original}; or {view.why.remedy}, and reload the daemon; then:"
        if view.why.remedy is not None
        else f"then correct {original}, and:",
        f"{COMMAND} retry {source.id}",
        _OR_DROP_PROFILES if source.type is FeedType.PROFILE else "or drop a corrected file",
        *_advise_to_discard(source),
    )


def _advise_on_held(view: SourceView) -> tuple[str, ...]:
    source = view.source
    if view.missing is not None:
        back = (f"put the file back as {view.missing}, then:", f"{COMMAND} retry {source.id}")
        return (*back, *_advise_to_discard(source))
    if source.lacks_configuration:
        put_back = "put that back into the configuration, and reload the daemon: it goes on when its turn comes"
        return (put_back, *_advise_to_discard(source))
    if view.why.is_copy:
        return (
            "where it is a mere copy, close it:",
            f"{COMMAND} discard {source.id}",
            "or, where all of it is to be sent once more:",
            f"{COMMAND} release {source.id}",
        )
    if view.why.changes_types:
        return (
            "where the types of this file are right, they hold from now on:",
            f"{COMMAND} schema accept {source.id}",
            "or correct the feed, reload the daemon, and:",
            f"{COMMAND} retry {source.id}",
            "or send this one file as it is:",
            f"{COMMAND} release {source.id}",
            *_advise_to_discard(source),
        )
    return (
        "once the reason is dealt with:",
        f"{COMMAND} retry {source.id}",
        f"{COMMAND} release {source.id}",
        *_advise_to_discard(source),
    )


def _advise_to_discard(source: Source) -> tuple[str, ...]:
    return ("or give it up, and nothing more of it is sent:", f"{COMMAND} discard {source.id}")


def advise_on_rows(view: SourceView, rows: Path) -> SourceView:
    """Return the view with what a person may do about refused rows of what was delivered. Pure."""
    steps = (
        f"read {rows.parent}/report.json",
        f"then correct the rows and move {rows.name} into staging, under a name that fits feed {view.source.feed}",
        "or, where nobody wants them:",
        f"{COMMAND} discard {view.source.id}",
    )
    return replace(view, next_steps=steps)


def _advise_on_profiles(events: Source, gate: Gate) -> tuple[str, ...]:
    named = [source for source in gate.waits_for.named if source.state in SOURCE_ASIDE][:_MOST_NAMED]
    left = gate.waits_for.aside - len(named)
    more = [f"and {left} more"] if left else []
    return (
        "deal with these profiles, as it is said beside them; or try them once more and wait no longer for them:",
        *(f"{COMMAND} release {source.id}" for source in named),
        *more,
        "or send these events without them:",
        f"{COMMAND} release {events.id}",
    )


def _advise_on_later(view: SourceView) -> tuple[str, ...]:
    if view.later is None:
        return ()
    said = f"a later file of this path waits, too ({view.later.id}): both are sent, unless you give this one up:"
    return (said, f"{COMMAND} discard {view.source.id}")


def _advise_to_wait(view: SourceView, gate: Gate | None, now: datetime.datetime) -> tuple[str, ...]:
    source = view.source
    if gate is not None and gate.needs_person:
        return _advise_on_profiles(source, gate)
    if source.state not in SOURCE_ON_ITS_WAY:
        return ()
    if view.scheduled_at is not None:
        first = ", its profiles first" if gate is not None and not gate.is_open else ""
        return (f"to send it now{first}:", f"{COMMAND} retry {source.id}", *_advise_on_later(view))
    if source.retry_at is None:
        return ()
    if source.retry_at <= now or not view.is_attended:
        return ("it is tried again by itself, with the next run" if view.is_attended else _NEEDS_RUN,)
    return (
        f"it is tried again by itself at {units.format_moment(source.retry_at, now)}; or now:",
        f"{COMMAND} retry {source.id}",
    )
