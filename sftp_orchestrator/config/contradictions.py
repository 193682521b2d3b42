"""What single keys cannot show: keys that contradict each other, or name what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sftp_orchestrator.config import wording
from sftp_orchestrator.config.findings import Finding, KeyPath
from sftp_orchestrator.config.keeping import Keep
from sftp_orchestrator.config.model import Configuration, Destination, Feed
from sftp_orchestrator.config.schedule_checks import check_schedules
from sftp_orchestrator.config.timing import get_longest_gap_days
from sftp_orchestrator.destination.clevertap import (
    EVENT_NAME,
    IDENTITIES,
    REFUSED_EVENT_CHARACTERS,
    REFUSED_EVENTS,
    FeedType,
)
from sftp_orchestrator.destination.rules import RULES, Severity


def find_contradictions(configuration: Configuration) -> Iterator[Finding]:
    """Yield what is wrong across keys, without lines; reads ``known_hosts`` files and files of dates.

    May be repeated.
    """
    yield from _check_folders(configuration)
    yield from _check_archive(configuration)
    yield from _check_page(configuration)
    for name, destination in configuration.destinations.items():
        yield from _check_host_keys(name, destination)
    for name, feed in configuration.feeds.items():
        yield from _check_destination(configuration, name, feed)
        yield from _check_columns(name, feed)
        yield from _check_rules(name, feed)
        yield from _check_transforms(name, feed)
        yield from _check_memory(configuration, name, feed)
    yield from check_schedules(configuration)


def _check_folders(configuration: Configuration) -> Iterator[Finding]:
    # Compared as they really are: a symbolic link from one into the other is the same mistake.
    staging, workspace = configuration.staging.resolve(), configuration.workspace.resolve()
    if staging == workspace:
        said = "must not be the same folder as staging"
    elif workspace.is_relative_to(staging):
        said = "must not lie inside staging"
    elif staging.is_relative_to(workspace):
        said = "must not contain staging"
    else:
        return
    yield Finding(path=("workspace",), said=said, hint="producers write to one, the other is ours alone")


def _check_archive(configuration: Configuration) -> Iterator[Finding]:
    plain = [name for name, destination in configuration.destinations.items() if destination.encryption is None]
    if configuration.archive.keep is Keep.ENCRYPTED and plain:
        yield Finding(
            path=("archive", "keep"),
            said=f"nothing encrypted is made for {', '.join(plain)}: there would be nothing to keep",
            hint="set encryption there, or keep: original or nothing",
        )


def _check_page(configuration: Configuration) -> Iterator[Finding]:
    web = configuration.web
    if not web.is_local and web.token is None and not web.behind_proxy:
        yield Finding(
            path=("web", "listen"),
            said=f"lets other machines reach the page, which has no token (got {web.listen})",
            hint="set web.token; or web.behind_proxy: true, where a reverse proxy guards it; or listen on 127.0.0.1",
        )


def _is_public_key(line: str) -> bool:
    # Slow to read, and most commands speak to no receiver: only for keys that stand in the configuration itself.
    import asyncssh  # noqa: PLC0415

    try:
        asyncssh.import_public_key(line)
    except (asyncssh.KeyImportError, UnicodeError):
        return False
    return True


def _check_host_keys(name: str, destination: Destination) -> Iterator[Finding]:
    for index, line in enumerate(destination.host_keys):
        if not _is_public_key(line):
            yield Finding(
                path=("destinations", name, "host_keys", index),
                said="is not an SSH public key",
                hint='write "<algorithm> <base64>", as ssh-keyscan prints after the host\'s name',
            )
    if destination.known_hosts is not None and (cause := _explain_unreadable(destination.known_hosts)):
        yield Finding(
            path=("destinations", name, "known_hosts"),
            said=f"cannot read {destination.known_hosts}: {cause}",
            hint="ssh-keyscan shows the host's key; compare it with what the receiver published",
        )


def _check_destination(configuration: Configuration, name: str, feed: Feed) -> Iterator[Finding]:
    path = ("feeds", name, "destination")
    known = list(configuration.destinations)
    if feed.destination is None:
        if len(known) > 1:
            yield Finding(path=path, said="is required where there are several", hint=f"known are {', '.join(known)}")
    elif feed.destination not in configuration.destinations:
        near = wording.get_nearest(feed.destination, known)
        hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
        yield Finding(path=path, said=f"there is no destination of this name (got {feed.destination})", hint=hint)


def _check_columns(name: str, feed: Feed) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for header, column in feed.columns.items():
        taken = first.setdefault(column.ct_name or header, header)
        if taken != header:
            yield Finding(
                path=("feeds", name, "columns", header),
                said=f"gives the property {column.ct_name or header}, and so does the column {taken}",
                hint="a property comes from one column",
            )
    needs_name = feed.type is FeedType.EVENT and feed.event_name is None
    needed = [((EVENT_NAME,), "an event needs its name")] if needs_name else []
    for properties, reason in [*needed, (IDENTITIES, "every row needs one of them")]:
        if not any(_may_have(wanted, feed, first) for wanted in properties):
            yield Finding(
                path=("feeds", name, "columns"), said=f"no column gives {' or '.join(properties)}", hint=reason
            )


def _check_rules(name: str, feed: Feed) -> Iterator[Finding]:
    for rule, severity in feed.rules.items():
        path = ("feeds", name, "rules", rule)
        if rule not in RULES:
            near = wording.get_nearest(rule, [known for known, found in RULES.items() if not found.is_fixed])
            yield Finding(
                path=path,
                said="there is no rule of this id",
                hint=f"did you mean {near}?" if near else "docs/reference/rules.md lists them",
            )
        elif RULES[rule].is_fixed and severity is not Severity.ERROR:
            yield Finding(
                path=path,
                said=f"cannot be {severity}: without it the file cannot be read or cut",
                hint="leave it out",
            )


def _check_transforms(name: str, feed: Feed) -> Iterator[Finding]:
    path = ("feeds", name)
    if feed.type is FeedType.PROFILE:
        for key, given in (("event_name", feed.event_name is not None), ("sort_by_time", feed.sort_by_time)):
            if given:
                yield Finding(path=(*path, key), said="is for events only", hint="leave it out of a feed of profiles")
    if feed.event_name is not None:
        yield from _check_event_name((*path, "event_name"), feed, feed.event_name)
    first: dict[str, str] = {}
    for header, new in feed.rename.items():
        taken = first.setdefault(new, header)
        if taken != header:
            yield Finding(path=(*path, "rename", header), said=f"gives the header {new}, and so does {taken}")
        if header in feed.columns and header not in feed.rename.values():
            hint = f"columns speak of headers as they are sent: write {new}"
            yield Finding(path=(*path, "columns", header), said=f"is renamed to {new}", hint=hint)


def _check_memory(configuration: Configuration, name: str, feed: Feed) -> Iterator[Finding]:
    days, keep_days = feed.deduplicate.days if feed.deduplicate is not None else 0, configuration.ledger.keep_days
    if keep_days is not None and days > keep_days:
        yield Finding(
            path=("feeds", name, "deduplicate", "days"),
            said=f"must not be more than ledger.keep_days, {keep_days} (got {days})",
            hint="rows of files that the ledger has forgotten are not known any more",
        )
    if keep_days is not None and feed.expected is not None:
        days = get_longest_gap_days(feed.expected)
        if keep_days <= days:
            yield Finding(
                path=("feeds", name, "expected"),
                said=f"ledger.keep_days must be more than the {days} days between its deadlines (got {keep_days})",
                hint="a file that the ledger has forgotten by then would count as missing",
            )


def _check_event_name(path: KeyPath, feed: Feed, event_name: str) -> Iterator[Finding]:
    mapped = [header for header, column in feed.columns.items() if (column.ct_name or header) == EVENT_NAME]
    if mapped:
        yield Finding(path=path, said=f"the column {mapped[0]} gives the name already", hint="leave one of them out")
    if not event_name.strip():
        yield Finding(path=path, said="must not be blank")
    if event_name.strip().casefold() in {refused.casefold() for refused in REFUSED_EVENTS}:
        yield Finding(path=path, said="is the name of a system event, which the receiver refuses")
    bad = sorted(set(event_name) & set(REFUSED_EVENT_CHARACTERS))
    if bad:
        yield Finding(path=path, said=f"has characters that the receiver refuses: {' '.join(bad)}")


def _may_have(wanted: str, feed: Feed, mapped: dict[str, str]) -> bool:
    """Whether a column gives the property ``wanted``, or the header may still bring one of that very name."""
    return wanted in mapped or wanted not in feed.columns


def _explain_unreadable(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            stream.read(1)
    except OSError as error:
        return error.strerror or type(error).__name__
    return None
