"""Types are for ever: what a file brings is compared with what its destination has, and with what is on its way there.

A property's name and type cannot change once set (CleverTap, *Schema*).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from sftp_orchestrator.config.model import Configuration, Destination, Feed
from sftp_orchestrator.destination import manifest, names
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.declared import Declared, read_declared
from sftp_orchestrator.errors import ConfigurationError, DecisionNeeded, InputRefused
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.properties import Properties
from sftp_orchestrator.ledger.records import Property, Source, display_path
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.parts import planning
from sftp_orchestrator.prepare.report import RowsRefused
from sftp_orchestrator.prepare.text.header import parse_header

_LOG = structlog.get_logger()

SHOWN = 3
"""How many properties a reason names; with more of them the mapping is wrong as a whole, and nobody reads on."""


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """A property that would change its type."""

    brings: Declared
    known: Property

    def explain(self, feed: str) -> str:
        """Return both places, for people; ``feed`` is that of the file that brings it. Pure."""
        here, there = self.brings, self.known
        since = f"{there.since:%Y-%m-%d %H:%M} UTC"
        if there.is_on_its_way:
            how = "is on its way as"
        elif there.accepted_by is not None:
            how = f"was accepted by {there.accepted_by} on {since} as"
        else:
            how = f"was delivered on {since} as"
        return (
            f"{quote(here.name)} is {here.type} here (column {quote(here.column)} of feed {feed}),"
            f" and {how} {there.type}"
            f" (column {quote(there.column)} of feed {there.feed}, in {there.file}, source {there.source_id})"
        )

    def summarize(self) -> str:
        """Return what changes, in few words. Pure."""
        return f"{quote(self.brings.name)} is {self.brings.type} instead of {self.known.type}"


def quote(name: str) -> str:
    """Return a name of the input as people see it, told apart from the words around it. Pure."""
    return f"'{display_path(name.encode())}'"


def list_brought(feed: Feed, destination: Destination, header_bytes: bytes) -> tuple[Declared, ...]:
    """Return the properties that a file with this header brings, told by the manifest that it would have. Pure."""
    data_name = names.get_data_name("any", encrypted=destination.encryption is not None)
    made = planning.make_manifest(data_name, feed, destination, parse_header(header_bytes).names)
    return read_declared(manifest.render(made), header_bytes)


def find_contradictions(brings: Iterable[Declared], known: Mapping[str, Property]) -> list[Contradiction]:
    """Return the properties of a file that have another type where they are known, in its order. Pure."""
    return [
        Contradiction(brings=declared, known=there)
        for declared in brings
        if (there := known.get(declared.name)) is not None and there.type is not declared.type
    ]


def explain(found: Sequence[Contradiction], feed: str) -> str:
    """Return both places of the first of them, and how many there are beyond. Pure."""
    return _join([contradiction.explain(feed) for contradiction in found])


def explain_change(found: Sequence[Contradiction], feed: str) -> str:
    """Return why a file with these is held. Pure."""
    return f"types of properties are for ever: {explain(found, feed)}"


def recall(properties: Properties, destination: str, kind: FeedType, refused: InputRefused) -> None:
    """Add to the reason of a file whose columns changed their type what was delivered of these properties before."""
    if not isinstance(refused, RowsRefused) or not refused.changed:
        return
    known = {there.name: there for there in properties.list_all(destination=destination, kind=kind)}
    refused.add(
        [
            f"{quote(there.name)} was {there.type} in what was delivered before"
            f" ({there.file}, source {there.source_id})"
            for column in refused.changed
            if (there := known.get(column.property_name)) is not None
        ]
    )


def list_contradictions(
    properties: Properties,
    brings: Sequence[Declared],
    destination: str,
    kind: FeedType,
    *,
    besides: str | None = None,
) -> list[Contradiction]:
    """Compare a file with the register and, for what that does not know, with sources on their way ``besides`` one."""
    known = {there.name: there for there in properties.list_all(destination=destination, kind=kind)}
    if any(declared.name not in known for declared in brings):
        on_their_way = properties.list_on_their_way(destination, kind, besides=besides)
        known = {there.name: there for there in on_their_way} | known
    return find_contradictions(brings, known)


def require_kept(properties: Properties, source: Source, feed: Feed, destination: Destination, header: bytes) -> None:
    """Raise where a source would change the type of a property.

    Sources of one destination are planned one after the other, so of two that contradict each other the second finds
    the first. What a person released goes all the same, and is logged.

    Raises:
        DecisionNeeded: both places are named.
    """
    brings = list_brought(feed, destination, header)
    found = list_contradictions(properties, brings, source.destination, source.type, besides=source.id)
    if not found:
        return
    if source.released:
        _LOG.warning(
            "types_passed_over",
            source=source.id,
            feed=source.feed,
            file=source.name,
            properties=[contradiction.brings.name for contradiction in found],
        )
        return
    raise DecisionNeeded("send", source.name, explain_change(found, source.feed))


def list_configured(configuration: Configuration, ledger: Ledger) -> dict[str, list[Contradiction]]:
    """Return by feed what its columns would change of what was delivered, before there is any file of it.

    Raises:
        LocalFault: the ledger cannot be read.
    """
    found = {}
    for name, feed in configuration.feeds.items():
        if not feed.columns:
            continue
        destination_name = configuration.get_destination_name(name)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(feed.columns)
        brings = list_brought(feed, configuration.destinations[destination_name], text.getvalue().encode())
        known = {
            there.name: there for there in ledger.properties.list_all(destination=destination_name, kind=feed.type)
        }
        found[name] = find_contradictions(brings, known)
    return found


class Comparison:
    """What held sources would change by the configuration of today; those that look alike are compared once."""

    def __init__(self, configuration: Configuration, ledger: Ledger) -> None:
        self._configuration = configuration
        self._ledger = ledger
        self._known: dict[tuple[str, str, bytes], list[Contradiction]] = {}

    def find(self, source: Source) -> list[Contradiction]:
        """Return what a source contradicts that was held after it was inspected; nothing for any other.

        Raises:
            LocalFault: the ledger cannot be read.
        """
        feed = self._configuration.feeds.get(source.feed)
        destination = self._configuration.destinations.get(source.destination)
        header = source.header_bytes
        if source.state is not SourceState.HELD or feed is None or destination is None or header is None:
            return []
        key = (source.feed, source.destination, header)
        if key not in self._known:
            brings = list_brought(feed, destination, header)
            self._known[key] = list_contradictions(
                self._ledger.properties, brings, source.destination, source.type, besides=source.id
            )
        return self._known[key]


def accept(configuration: Configuration, ledger: Ledger, source_id: str, *, by: str) -> list[Contradiction]:
    """Take the types that a held source brings as those of its destination, and try it again; return what changed.

    Raises:
        ConfigurationError: it contradicts nothing that is known, or there is none of this id.
        DecisionNeeded: its feed is gone, or a part of it is uncertain.
    """
    source = ledger.sources.get(source_id)
    if source.state is SourceState.HELD:
        planning.require_feed(configuration, source)
    found = Comparison(configuration, ledger).find(source)
    if not found:
        raise ConfigurationError(
            "accept types of",
            f"source {source_id}",
            f"it is {source.state}, and contradicts no type that is known",
            hint="`sftp-orchestrator status` tells what it waits for",
        )
    reason = f"types accepted by a person: {_join([contradiction.summarize() for contradiction in found])}"
    ledger.sources.accept_types(source_id, [contradiction.brings for contradiction in found], reason=reason, by=by)
    return found


def _join(said: Sequence[str]) -> str:
    more = len(said) - SHOWN
    rest = [f"and {more} more propert{'y' if more == 1 else 'ies'}"] if more > 0 else []
    return "; ".join([*said[:SHOWN], *rest])
