"""The table of everything that the receiver refuses in data, and what the sender reads about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache

from sftp_orchestrator.sandbox.refusals import (
    EVENT_NAME_MANDATORY,
    EVENT_NAME_RESTRICTED,
    IDENTITY_MANDATORY,
    INCORRECT_MANIFEST,
    OPERATION_UNKNOWN,
    TOO_MANY_EVENT_PROPERTIES,
)

KEPT_FAULTS = 4096
"""The same faults come again and again, row by row."""


class Scope(enum.Enum):
    """What breaking a rule costs."""

    FILE = "file"
    """The whole file is refused."""
    ROW = "row"
    """The row fails alone; the others are imported."""


class Rule(enum.Enum):
    """A rule: its identifier, stable and our own; its scope; and what the sender reads, in the vendor's words if any.

    What stands in braces in the text is filled in: ``{column}`` by the header of the column that it is about.
    """

    IDENTITY_COLUMN_MISSING = "identity_column_missing", Scope.FILE, IDENTITY_MANDATORY
    """A column becomes identity, objectId, fbId or gpId."""
    EVENT_NAME_COLUMN_MISSING = "event_name_column_missing", Scope.FILE, EVENT_NAME_MANDATORY
    """In a file of events a column becomes evtName."""
    COLUMN_NOT_IN_DATA = "column_not_in_data", Scope.FILE, INCORRECT_MANIFEST
    """A column that the manifest maps stands in the header."""
    PROPERTY_REPEATED = "property_repeated", Scope.FILE, INCORRECT_MANIFEST
    """No two columns become the same property, be it by the manifest or by the same header."""
    PROPERTY_NAME_EMPTY = "property_name_empty", Scope.FILE, INCORRECT_MANIFEST
    """A property has a name. Not documented: a column without a header; nothing could be called so."""
    PROPERTY_NAME_TOO_LONG = "property_name_too_long", Scope.FILE, INCORRECT_MANIFEST
    """A property's name has 120 characters at most."""
    PROPERTY_NAME_CHARACTERS = "property_name_characters", Scope.FILE, INCORRECT_MANIFEST
    """A property's name has none of the characters that are refused; ``<column>.operation`` is no property."""
    TOO_MANY_EVENT_PROPERTIES = "too_many_event_properties", Scope.FILE, TOO_MANY_EVENT_PROPERTIES
    """An event has 100 properties at most."""
    TOO_MANY_PROFILE_KEYS = "too_many_profile_keys", Scope.FILE, INCORRECT_MANIFEST
    """A profile has 256 keys of the sender's own at most."""

    ROW_WIDTH = "row_width", Scope.ROW, "Row has {found} columns, the header has {width}{surplus}"
    """A row has as many columns as the header. Not documented: a row that has not; the vendor has no words for it."""
    IDENTITY_MISSING = "identity_missing", Scope.ROW, IDENTITY_MANDATORY
    """One identity at least is not empty."""
    IDENTITY_TOO_LONG = "identity_too_long", Scope.ROW, IDENTITY_MANDATORY
    """An identity has less than 1024 characters."""
    IDENTITY_REFUSED = "identity_refused", Scope.ROW, "Value of {column} is not allowed as an identity"
    """An identity is none of the values that stand for nobody."""
    OBJECT_ID_FORM = (
        "object_id_form",
        Scope.ROW,
        "Value of {column} is not an objectId: 1 to 64 of A-Z a-z 0-9 ( ) ! : @ $ _ -",
    )
    """An objectId has the form that the vendor asks for."""
    EVENT_NAME_MISSING = "event_name_missing", Scope.ROW, EVENT_NAME_MANDATORY
    """An event has a name."""
    EVENT_NAME_TOO_LONG = "event_name_too_long", Scope.ROW, "Event name is longer than 512 characters"
    """An event's name has 512 characters at most."""
    EVENT_NAME_RESTRICTED = "event_name_restricted", Scope.ROW, EVENT_NAME_RESTRICTED
    """An event's name is none of the vendor's own."""
    EVENT_NAME_CHARACTERS = (
        "event_name_characters",
        Scope.ROW,
        "Event name has one of the characters % > < ! | & . : ; $ ' \" \\",
    )
    """An event's name has none of the characters that are refused."""
    TIME_NOT_INTEGER = "time_not_integer", Scope.ROW, "Value of {column} is not a time in epoch seconds"
    """``ts`` is an integer."""
    TIME_IN_MILLISECONDS = (
        "time_in_milliseconds",
        Scope.ROW,
        "Value of {column} is a time in milliseconds, not in epoch seconds",
    )
    """``ts`` is in seconds."""
    TIME_BEFORE_1970 = "time_before_1970", Scope.ROW, "Value of {column} is a time before 1970"
    """``ts`` is not negative."""
    TIME_IN_FUTURE = "time_in_future", Scope.ROW, "Value of {column} is a time more than one day ahead"
    """``ts`` is a day ahead of the receiver's clock at most."""
    VALUE_TOO_LONG = "value_too_long", Scope.ROW, "Value of {column} is longer than 512 characters"
    """A property's value has 512 characters at most."""
    DATE_TEXT_FORM = "date_text_form", Scope.ROW, "Value of {column} is not $D_ and epoch seconds"
    """A STRING that begins like a date, ``$D_``, is one."""
    VALUE_NOT_INTEGER = "value_not_integer", Scope.ROW, "Value of {column} is not an INTEGER"
    """An INTEGER has 32 bits."""
    VALUE_NOT_LONG = "value_not_long", Scope.ROW, "Value of {column} is not a LONG"
    """A LONG has 64 bits."""
    VALUE_NOT_FLOAT = "value_not_float", Scope.ROW, "Value of {column} is not a FLOAT"
    """A FLOAT is a finite decimal number."""
    VALUE_NOT_BOOLEAN = "value_not_boolean", Scope.ROW, "Value of {column} is not a BOOLEAN"
    """A BOOLEAN is true, false, 1 or 0."""
    VALUE_NOT_DATE = "value_not_date", Scope.ROW, "Value of {column} is not a DATE in the dateFormat of the manifest"
    """A DATE is a day that exists, in the form that the manifest says."""
    OPERATION_UNKNOWN = "operation_unknown", Scope.ROW, OPERATION_UNKNOWN
    """An operation is one of the four, or empty."""

    def __init__(self, identifier: str, scope: Scope, text: str) -> None:
        self.identifier = identifier
        self.scope = scope
        self.text = text


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A rule that is broken."""

    rule: Rule
    text: str
    """What is wrong: of a row what the sender reads, of a file our reason for the log."""


Faults = tuple[Fault, ...]
NONE: Faults = ()


@lru_cache(maxsize=KEPT_FAULTS)
def break_rule(rule: Rule, *, column: str = "") -> Fault:
    """Return the fault of a row that breaks ``rule`` in ``column``, in the words of the table."""
    return Fault(rule=rule, text=rule.text.format(column=column))
