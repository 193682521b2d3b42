"""What the TAB key offers: ids of sources, and names of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sftp_orchestrator.errors import Failure

if TYPE_CHECKING:
    from sftp_orchestrator.config.model import Configuration

_Find = Callable[["Configuration"], Iterable[tuple[str, str]]]
Offers = list[tuple[str, str]]
"""What may be typed, each with what it is."""


def complete_source(context: typer.Context, incomplete: str) -> Offers:
    """Return the ids of the sources that are not done and begin so, with the names of their files."""
    return _offer(context, incomplete, _list_sources)


def complete_feed(context: typer.Context, incomplete: str) -> Offers:
    """Return the names of the feeds that begin so."""
    return _offer(context, incomplete, _list_feeds)


def complete_destination(context: typer.Context, incomplete: str) -> Offers:
    """Return the names of the destinations that begin so."""
    return _offer(context, incomplete, _list_destinations)


def _offer(
    context: typer.Context, incomplete: str, find: Callable[[Configuration], Iterable[tuple[str, str]]]
) -> Offers:
    """Return what ``find`` finds in the configuration that the line so far names.

    Where there is none, or it is wrong, nothing is offered: an error would be written into the line that is typed.
    """
    from sftp_orchestrator.config import loading  # noqa: PLC0415 - needed when the key is pressed, and slow to read

    named: Path | None = context.params.get("config") or context.find_root().params.get("config")
    try:
        return [(word, said) for word, said in find(loading.load(loading.find(named))) if word.startswith(incomplete)]
    except Failure:
        return []


def _list_feeds(configuration: Configuration) -> Iterator[tuple[str, str]]:
    yield from ((name, feed.type.value) for name, feed in configuration.feeds.items())


def _list_destinations(configuration: Configuration) -> Iterator[tuple[str, str]]:
    yield from ((name, destination.host) for name, destination in configuration.destinations.items())


def _list_sources(configuration: Configuration) -> Iterator[tuple[str, str]]:
    from sftp_orchestrator.ledger.ledger import Ledger  # noqa: PLC0415 - as above
    from sftp_orchestrator.ledger.states import SOURCE_OPEN  # noqa: PLC0415 - as above

    ledger = Ledger.open_for_reading(configuration.ledger.url, configuration.workspace)
    if ledger is not None:
        with ledger:
            yield from ((source.id, f"{source.state}: {source.name}") for source in ledger.sources.list_in(SOURCE_OPEN))
