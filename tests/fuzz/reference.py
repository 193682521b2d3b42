"""What a file's rows are, by a slow loop over its bytes: RFC 4180 in UTF-8, as strict as DESIGN.md wants it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from sftp_orchestrator.prepare.text.header import Header


class WrongForm(Exception):  # noqa: N818 - the text is at fault, not the program
    """It is no such text."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """From where to where a record goes, its line break included."""

    start: int
    end: int
    fields: int
    is_blank: bool


def read_rows(content: bytes, header: Header) -> list[Record]:
    """Return the rows behind ``header``, without blank lines at the very end.

    Raises:
        WrongForm: it breaks a rule of form, has no rows, or a row has not as many fields as the header.
    """
    try:
        text = content[header.body_start :].decode()
    except UnicodeDecodeError as error:
        raise WrongForm from error
    if "\0" in text:
        raise WrongForm
    first, *records = _cut(content, header)
    if (first.end, first.fields) != (header.body_start, len(header.names)):
        raise WrongForm
    while records and records[-1].is_blank:
        records.pop()
    if not records or any(record.is_blank or record.fields != len(header.names) for record in records):
        raise WrongForm
    _require_as_csv(text, records, header.delimiter)
    return records


def _require_as_csv(text: str, records: list[Record], delimiter: str) -> None:
    """Python's own strict parser finds the same rows: an assertion about this reference."""
    found = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    assert [len(row) for row in found] == [record.fields for record in records]


def _cut(content: bytes, header: Header) -> list[Record]:
    records = []
    place = header.body_start - len(header.header_bytes)
    while place < len(content):
        record = read_record(content, place, header)
        records.append(record)
        place = record.end
    return records


def read_record(content: bytes, start: int, header: Header) -> Record:
    """Return the record that begins at ``start``; raises ``WrongForm``."""
    fields, place = 1, start
    while True:
        is_quoted = content[place : place + 1] == b'"'
        place = _skip_quoted(content, place) if is_quoted else _skip_bare(content, place, header.delimiter)
        rest = content[place : place + 2]
        if rest[:1] == header.delimiter.encode():
            fields, place = fields + 1, place + 1
            continue
        if not rest:
            end = place
        elif rest.startswith(header.newline):
            end = place + len(header.newline)
        else:
            # Text behind a closing quote, a CR alone, or a line break of the other kind.
            raise WrongForm
        return Record(start=start, end=end, fields=fields, is_blank=place == start)


def _skip_quoted(content: bytes, place: int) -> int:
    """Return the place behind the quote that closes the field which begins here."""
    place += 1
    while (found := content.find(b'"', place)) >= 0:
        if content[found + 1 : found + 2] != b'"':
            return found + 1
        place = found + 2
    raise WrongForm


def _skip_bare(content: bytes, place: int, delimiter: str) -> int:
    """Return the place of what ends the field without quotes which begins here."""
    ends = (*delimiter.encode(), *b"\r\n")
    while place < len(content) and content[place] not in ends:
        if content[place] == ord('"'):
            raise WrongForm
        place += 1
    return place
