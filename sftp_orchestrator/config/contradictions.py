"""What single keys cannot show: keys that contradict each other, or name what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asyncssh

from sftp_orchestrator.config import wording
from sftp_orchestrator.config.findings import Finding
from sftp_orchestrator.config.model import Configuration, Destination, Feed
from sftp_orchestrator.destination.clevertap import EVENT_NAME, IDENTITIES, FeedType
from sftp_orchestrator.destination.rules import RULES, Severity


def find_contradictions(configuration: Configuration) -> Iterator[Finding]:
    """Yield what is wrong across keys, without lines; reads ``known_hosts`` files. May be repeated."""
    yield from _check_folders(configuration)
    for name, destination in configuration.destinations.items():
        yield from _check_host_keys(name, destination)
    for name, feed in configuration.feeds.items():
        yield from _check_destination(configuration, name, feed)
        yield from _check_columns(name, feed)
        yield from _check_rules(name, feed)


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


def _check_host_keys(name: str, destination: Destination) -> Iterator[Finding]:
    for index, line in enumerate(destination.host_keys):
        try:
            asyncssh.import_public_key(line)
        except (asyncssh.KeyImportError, UnicodeError):
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
    needed = [((EVENT_NAME,), "an event needs its name")] if feed.type is FeedType.EVENT else []
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
