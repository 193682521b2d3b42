"""The columns of one data file, and the rules that a file is held to as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from sftp_orchestrator.sandbox.manifest import Column, Manifest
from sftp_orchestrator.sandbox.rules.rule import Fault, Rule

OBJECT_ID = "objectId"
IDENTITIES = frozenset({"identity", OBJECT_ID, "fbId", "gpId"})
"""Properties of which one at least says whose row it is."""
EVENT_NAME = "evtName"
TIMESTAMP = "ts"
OPERATION_SUFFIX = ".operation"

MAX_EVENT_PROPERTIES = 100
MAX_PROFILE_KEYS = 256
MAX_NAME_CHARACTERS = 120
REFUSED_CHARACTERS = frozenset("%><!|&.:;$'\"\\#")
"""In the name of a property."""
SYSTEM_PROFILE_KEYS = frozenset(
    (
        *("Name", "Email", "Phone", "Gender", "Employed", "Education", "Married", "DOB", "Age", "Tz", "Photo"),
        *("MSG-sms", "MSG-email", "MSG-whatsapp", "MSG-push"),
        *("MSG-dndSMS", "MSG-dndPhone", "MSG-dndWhatsApp", "MSG-dndEmail"),
    )
)
"""Keys of a profile that are the vendor's, not the sender's own."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A column and where it stands."""

    position: int
    header: str
    column: Column


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The columns of one data file."""

    type: str
    """``profile`` or ``event``."""
    header: tuple[str, ...]
    places: tuple[Place, ...]

    @cached_property
    def identities(self) -> tuple[Place, ...]:
        """The columns that say whose row it is."""
        return tuple(place for place in self.places if place.column.property_name in IDENTITIES)

    @cached_property
    def event_name(self) -> Place | None:
        """The column with the event's name; a profile has none, whatever its columns are called."""
        return self._find(EVENT_NAME) if self.type == "event" else None

    @cached_property
    def timestamp(self) -> Place | None:
        """The column with the time. Not documented: ``ts`` of a profile; it is held to the same form."""
        return self._find(TIMESTAMP)

    @cached_property
    def operations(self) -> tuple[Place, ...]:
        """The columns of a profile that say what to do with the value of another one, ``<column>.operation``.

        Not documented: whether ``<column>`` is a header or a property (each will do), and what becomes of an operation
        for a column that is not there (it is no operation, but a property, and its name has a ``.``).
        """
        if self.type != "profile":
            return ()
        names = {*self.header, *(place.column.property_name for place in self.places)}
        return tuple(place for place in self.places if _get_target(place) in names)

    @cached_property
    def properties(self) -> tuple[Place, ...]:
        """The columns with the values of properties: all but identities, the event's name, the time and operations."""
        others = {*self.identities, *self.operations, self.event_name, self.timestamp}
        return tuple(place for place in self.places if place not in others)

    def _find(self, name: str) -> Place | None:
        return next((place for place in self.places if place.column.property_name == name), None)


def make_layout(header: Iterable[str], manifest: Manifest) -> Layout:
    """Return what the columns of ``header`` become; one that is not mapped becomes a STRING under its own name."""
    places = tuple(
        Place(position=position, header=name, column=manifest.columns.get(name) or Column(property_name=name))
        for position, name in enumerate(header)
    )
    return Layout(type=manifest.type, header=tuple(place.header for place in places), places=places)


def find_faults(layout: Layout, manifest: Manifest) -> list[Fault]:
    """Return for what the whole file is refused, before a row of it is read."""
    return [*_find_missing(layout, manifest), *_find_misnamed(layout), *_find_surplus(layout)]


def _find_missing(layout: Layout, manifest: Manifest) -> Iterator[Fault]:
    if not layout.identities:
        reason = "no column becomes identity, objectId, fbId or gpId"
        yield Fault(rule=Rule.IDENTITY_COLUMN_MISSING, text=reason)
    if layout.type == "event" and layout.event_name is None:
        yield Fault(rule=Rule.EVENT_NAME_COLUMN_MISSING, text=f"no column becomes {EVENT_NAME}")
    for header in manifest.columns:
        if header not in layout.header:
            yield Fault(rule=Rule.COLUMN_NOT_IN_DATA, text=f"the header has no column {header!r}, which is mapped")


def _find_misnamed(layout: Layout) -> Iterator[Fault]:
    counts = Counter(place.column.property_name for place in layout.places)
    for name, count in counts.items():
        if count > 1:
            yield Fault(rule=Rule.PROPERTY_REPEATED, text=f"{count} columns become the property {name!r}")
    operations = {place.column.property_name for place in layout.operations}
    for name in counts:
        if name not in operations:
            yield from _find_name_faults(name)


def _find_name_faults(name: str) -> Iterator[Fault]:
    # Not documented: whether a blank is a name; it is not.
    if not name.strip():
        yield Fault(rule=Rule.PROPERTY_NAME_EMPTY, text="a column has no name")
    if len(name) > MAX_NAME_CHARACTERS:
        reason = f"the property {name[:20]!r}… has {len(name)} characters, more than {MAX_NAME_CHARACTERS}"
        yield Fault(rule=Rule.PROPERTY_NAME_TOO_LONG, text=reason)
    refused = sorted(REFUSED_CHARACTERS.intersection(name))
    if refused:
        reason = f"the property {name[:MAX_NAME_CHARACTERS]!r} has {' '.join(refused)} in its name"
        yield Fault(rule=Rule.PROPERTY_NAME_CHARACTERS, text=reason)


def _find_surplus(layout: Layout) -> Iterator[Fault]:
    """The properties of an event count without who, what and when; those of a profile without the vendor's own.

    Not documented: whether the vendor's own keys count in a profile; the limit is on *custom* keys, so they do not.
    """
    names = {place.column.property_name for place in layout.properties}
    if layout.type == "event" and len(names) > MAX_EVENT_PROPERTIES:
        reason = f"{len(names)} event properties, more than {MAX_EVENT_PROPERTIES}"
        yield Fault(rule=Rule.TOO_MANY_EVENT_PROPERTIES, text=reason)
    keys = names - SYSTEM_PROFILE_KEYS
    if layout.type == "profile" and len(keys) > MAX_PROFILE_KEYS:
        reason = f"{len(keys)} profile keys, more than {MAX_PROFILE_KEYS}"
        yield Fault(rule=Rule.TOO_MANY_PROFILE_KEYS, text=reason)


def _get_target(place: Place) -> str | None:
    name = place.column.property_name
    return name.removesuffix(OPERATION_SUFFIX) if name.endswith(OPERATION_SUFFIX) else None
