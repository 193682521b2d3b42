"""Every rule an input must keep to, with the receiver's own words where it has some.

The table in ``docs/reference/rules.md`` is held equal to ``RULES`` by a test.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from types import MappingProxyType


class Severity(enum.StrEnum):
    """What becomes of what breaks a rule."""

    ERROR = "error"
    """the row, or where the rule concerns it as a whole the file, is refused"""
    WARNING = "warning"
    """it is told, and sent"""
    OFF = "off"
    """it is not looked at"""


class Scope(enum.StrEnum):
    """What a rule is about."""

    FILE = "file"
    ROW = "row"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule."""

    id: str
    """stable; files and configurations name it"""
    scope: Scope
    severity: Severity
    """unless the feed says otherwise"""
    explanation: str
    """one line for people"""
    remedy: str
    vendor: str | None = None
    """the receiver's words for it"""
    cell: str | None = None
    """the same of a single cell, where the explanation would say twice what column it is in"""
    is_fixed: bool = False
    """without it the file cannot be read or cut: it can be neither switched off nor re-graded"""


_MISSING_IDENTITY = (
    "Atleast one of identity / fbId / gpId / objectId is mandatory under 1024 chars to identify the user"
)
_RESTRICTED = "Event name belongs to CleverTap restricted system events"


def _fixed(id_: str, explanation: str, remedy: str, *, scope: Scope = Scope.FILE) -> Rule:
    return Rule(id=id_, scope=scope, severity=Severity.ERROR, explanation=explanation, remedy=remedy, is_fixed=True)


def _file(id_: str, severity: Severity, explanation: str, remedy: str, vendor: str | None = None) -> Rule:
    return Rule(id=id_, scope=Scope.FILE, severity=severity, explanation=explanation, remedy=remedy, vendor=vendor)


def _row(
    id_: str, severity: Severity, explanation: str, remedy: str, vendor: str | None = None, cell: str | None = None
) -> Rule:
    return Rule(
        id=id_, scope=Scope.ROW, severity=severity, explanation=explanation, remedy=remedy, vendor=vendor, cell=cell
    )


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

FORMAT_RULES = (
    _fixed("file.empty", "The file has no bytes.", "Find out why the producer wrote nothing."),
    _fixed("file.no_rows", "There is a header and no row after it.", "An empty result need not be dropped at all."),
    _fixed(
        "file.nothing_new",
        "Every row was sent before, in files of the last `deduplicate.days`, but for those that break a rule.",
        "Nothing: `discard` it. A copy of one file is held instead, and `release` sends it all the same.",
    ),
    _fixed(
        "format.broken",
        "The file is damaged, cut off, or not what its name says: gzip, Zstandard, Parquet, JSON lines.",
        "Have it written again, whole; a name ending in .gz, .zst, .parquet or .jsonl must mean it.",
    ),
    _fixed(
        "format.nested",
        "A value is an object, an array or binary: CSV has no place for it, and the receiver takes none over SFTP.",
        "Flatten it, or leave the column out.",
    ),
    _fixed(
        "header.delimiter",
        "The header is a single column with another delimiter in it, or a line `sep=;` that Excel alone reads.",
        "Leave such a line out. Separate columns by commas, or set `feeds.<name>.delimiter`.",
    ),
    _fixed("header.duplicate_name", "Two columns have the same name.", "Rename or drop one."),
    _fixed("header.empty", "The first line has no column names.", "Write a header."),
    _fixed(
        "header.empty_name",
        "One column has no name.",
        "Name it, or drop the column; look for a comma at the end of the line.",
    ),
    _fixed(
        "header.missing_column",
        "A column that the feed maps, renames, sorts by or tells rows apart by is not in the header.",
        "Add the column, or take it out of `feeds.<name>`. Case and blanks count.",
    ),
    _fixed(
        "header.too_many_columns",
        "The header has more than 1,000 columns.",
        "Drop columns: the receiver takes 100 of an event and 256 keys of a profile.",
    ),
    _fixed(
        "header.too_long",
        "No line ends within the first 1 MiB.",
        "This is no CSV, or it lacks line breaks, or a quote is never closed.",
    ),
    _fixed(
        "input",
        "A refusal without a rule of its own, such as an encrypted piece that is not below the limit.",
        "Read the message.",
    ),
    _fixed(
        "quote.stray",
        "A quote stands inside a field that has none around it, or text follows a closing quote.",
        "Put the field in quotes, and write a quote within it twice (RFC 4180).",
    ),
    _fixed(
        "quote.unterminated",
        "A quoted field begins in this line and never ends.",
        "Close it; the file may also be cut off.",
    ),
    _fixed(
        "reader.disagree",
        "Two readers count different rows, so the file would be imported differently from what was meant.",
        "Look for quotes that are not RFC 4180.",
    ),
    _fixed("reader.failed", "The CSV reader cannot go on.", "Read the message; it is the reader's own."),
    _fixed(
        "record.too_long",
        "One row is longer than 4,000,000 bytes.",
        "Shorten it; often a quote is missing and rows run together.",
    ),
    _fixed(
        "record.too_large",
        "One row together with the header fits into no part below the limit.",
        "Shorten the row.",
    ),
    _fixed(
        "row.blank",
        "A blank line stands between rows. At the very end of the file blank lines are allowed and not sent.",
        "Remove it.",
    ),
    _fixed("row.lone_cr", "A line ends in CR alone.", "End lines with LF, or all with CR LF."),
    _fixed("row.mixed_breaks", "Some lines end with LF, others with CR LF.", "End all lines as the header does."),
    _fixed(
        "row.ragged",
        "A row has more or fewer fields than the header.",
        "Give every row as many fields as the header; quote fields with commas in them.",
        scope=Scope.ROW,
    ),
    _fixed(
        "text.encoding",
        "The text is not in the encoding that the feed says.",
        "Correct `feeds.<name>.encoding`, or have the file written anew.",
    ),
    _file(
        "text.is_utf8",
        Severity.ERROR,
        "The feed says latin-1 or windows-1252, and all of the text is UTF-8: letters beyond ASCII would be garbled.",
        "Save it in the feed's encoding, or drop it under a feed whose encoding is utf-8.",
    ),
    _fixed("text.not_utf8", "The text is not UTF-8.", "Save it as UTF-8, or set `feeds.<name>.encoding`."),
    _fixed("text.nul", "There is a NUL byte.", "This is no text: UTF-16 without a mark, or a binary file."),
    _fixed(
        "text.utf16",
        "The file begins with the mark of UTF-16.",
        "Save it as UTF-8, or set `feeds.<name>.encoding` to utf-16.",
    ),
)
"""Whether it is CSV that can be read and cut: RFC 4180 in UTF-8."""

HEADER_RULES = (
    _file(
        "identity.no_column",
        _ERROR,
        "No column becomes identity, objectId, fbId or gpId.",
        "Map one of them in `feeds.<name>.columns`.",
        _MISSING_IDENTITY,
    ),
    _file(
        "identity.decimal",
        _WARNING,
        "An identity is a column of DOUBLE or FLOAT in Parquet: 123 is sent as 123.0, and long numbers lose digits.",
        "Have it written as a whole number or as text.",
    ),
    _file(
        "object_id.no_column",
        _WARNING,
        "No column becomes objectId, which the vendor's FAQ calls mandatory over SFTP; its errors take any of four.",
        "Map one; where users are known by another identity alone, switch the rule off for the feed.",
    ),
    _file(
        "event_name.no_column",
        _ERROR,
        "No column becomes evtName.",
        "Map it in `feeds.<name>.columns`.",
        "Event name is mandatory",
    ),
    _file(
        "ts.no_column",
        _WARNING,
        "No column becomes ts: each event counts as of when it is processed, so order and First/Last Event go wrong.",
        "Map a column of epoch seconds to ts; or switch the rule off, if that is meant.",
    ),
    _file(
        "property.too_many",
        _ERROR,
        "More than 100 properties of an event, or 256 custom keys of a profile.",
        "Drop columns, or split the feed.",
        "Cannot have more than 100 event properties",
    ),
    _file(
        "property.name_length",
        _ERROR,
        "A property's name has more than 120 characters.",
        "Map the column to a shorter name.",
    ),
    _file(
        "property.name_characters",
        _ERROR,
        "A property's name has a character that the receiver refuses: % > < ! | & . : ; $ ' \" \\ #",
        "Map the column to another name.",
    ),
    _file(
        "property.twice",
        _ERROR,
        "Two columns become the same property.",
        "Map one of them to another name.",
        "Incorrect details in manifest file",
    ),
    _file(
        "column.unmapped",
        _WARNING,
        "A column is not mapped: it is imported under its header, as STRING, for ever.",
        "Map it, or have it dropped by the producer.",
    ),
    _file(
        "operation.no_column",
        _ERROR,
        "A column ends in .operation, and the column that it is named after is not there, or the feed is of events.",
        "Name it after the column it works on, or map it to another name.",
    ),
)
"""What the header and the mapping must be."""

ROW_RULES = (
    Rule(
        id="row.duplicate",
        scope=Scope.ROW,
        severity=Severity.WARNING,
        explanation="The row agrees with one before it in all of `deduplicate.columns`: it is left out.",
        remedy="Nothing, if that is meant; it is only looked at where the feed has `deduplicate`.",
        is_fixed=True,
    ),
    _row(
        "identity.missing",
        _ERROR,
        "Neither identity, objectId, fbId nor gpId has a value.",
        "Give the row one.",
        _MISSING_IDENTITY,
    ),
    _row(
        "identity.length",
        _ERROR,
        "An identity has 1024 characters or more.",
        "Shorten it.",
        _MISSING_IDENTITY,
    ),
    _row(
        "identity.reserved",
        _ERROR,
        "An identity is a value such as null, n/a, 0, none or test: many users would become one.",
        "Send the real identity, or leave the cell empty where another identity is there.",
    ),
    _row(
        "object_id.form",
        _ERROR,
        "An objectId is not 1 to 64 of A-Z a-z 0-9 ( ) ! : @ $ _ -",
        "Correct it.",
    ),
    _row("event_name.missing", _ERROR, "The event has no name.", "Name it.", "Event name is mandatory"),
    _row("event_name.length", _ERROR, "An event's name has more than 512 characters.", "Shorten it."),
    _row("event_name.reserved", _ERROR, "The event has the name of a system event.", "Rename it.", _RESTRICTED),
    _row(
        "event_name.suspect",
        _WARNING,
        "The event has the name of a system event that is not known to be refused.",
        "Rename it, to be sure.",
    ),
    _row(
        "event_name.characters",
        _ERROR,
        "An event's name has a character that the receiver refuses: % > < ! | & . : ; $ ' \" \\",
        "Rename it.",
    ),
    _file(
        "event_name.too_many",
        _WARNING,
        "The file has more than 512 different event names: as many as a whole account may have.",
        "Put what varies into a property, and not into the name.",
    ),
    _row(
        "charged.items",
        _WARNING,
        "A Charged event comes with an Items column: nested items are not supported over SFTP.",
        "Send items by the API, or flatten them.",
    ),
    _row("value.length", _ERROR, "A value has more than 512 characters.", "Shorten it."),
    _row("type.integer", _ERROR, "A value is no INTEGER: a whole number of 32 bits.", "Correct it, or map LONG."),
    _row("type.long", _ERROR, "A value is no LONG: a whole number of 64 bits.", "Correct it, or map another type."),
    _row("type.float", _ERROR, "A value is no FLOAT: a decimal number with a point.", "Correct it."),
    _row("type.boolean", _ERROR, "A value is no BOOLEAN: true, false, 1 or 0.", "Correct it."),
    _row("type.date", _ERROR, "A value is no date of the column's `date_format`.", "Correct it, or the format."),
    _row("type.epoch_text", _ERROR, "A value begins with $D_ and is not $D_<epoch seconds>.", "Correct it."),
    _row("date.range", _WARNING, "A date lies before 1900 or more than 100 years ahead.", "Look for a wrong format."),
    _row("ts.form", _ERROR, "ts is no whole number of epoch seconds.", "Write epoch seconds, in UTC."),
    _row("ts.milliseconds", _ERROR, "ts is in milliseconds.", "Divide by 1000: the receiver takes epoch seconds."),
    _row("ts.before_1970", _ERROR, "ts lies before 1970.", "Correct it."),
    _row("ts.future", _ERROR, "ts lies more than a day ahead.", "Correct it: is it in seconds, and in UTC?"),
    _row(
        "ts.retention",
        _ERROR,
        "The event is older than `destinations.<name>.retention_days`: the receiver would lose it.",
        "Leave it out, or correct the setting.",
    ),
    _row(
        "operation.unknown",
        _ERROR,
        "An .operation cell is none of $add, $remove, $set, $delete.",
        "Correct it, or leave it empty.",
        "Profile operation must be one of $add, $set, $remove, $delete",
        cell="it is none of $add, $remove, $set, $delete",
    ),
    _file(
        "operation.too_many_items",
        _WARNING,
        "The file adds more than 100 values to one identity in one column: what the receiver does with more is not"
        " documented.",
        "Have the producer send fewer values of each user; rows with $add or $set and a value are counted.",
    ),
    _row(
        "profile.phone",
        _WARNING,
        "Phone is not + country code and number.",
        "Write +491701234567.",
        cell="it is not + country code and number",
    ),
    _row(
        "profile.email",
        _WARNING,
        "Email does not look like an address.",
        "Correct it.",
        cell="it does not look like an address",
    ),
    _row(
        "profile.value",
        _WARNING,
        "Gender, Employed, Education or Married has none of the values that mean something.",
        "Use M/F, Y/N, Graduate/College/School, Y/N.",
        cell="it is none of the values that mean something",
    ),
    _row(
        "profile.flag",
        _WARNING,
        "A MSG- flag is neither true nor false.",
        "Write true or false.",
        cell="it is neither true nor false",
    ),
)
"""What each row must keep to."""

RULES = MappingProxyType({rule.id: rule for rule in (*FORMAT_RULES, *HEADER_RULES, *ROW_RULES)})
"""Every rule by its id."""
