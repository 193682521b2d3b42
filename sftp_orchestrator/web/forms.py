"""Forms as they are posted: small, plain, and read no further than they may be long."""

from __future__ import annotations

import datetime
from urllib.parse import parse_qsl

from starlette.requests import Request

MOST_BYTES = 8192
"""Ours have a few hundred."""
_MOST_FIELDS = 20
_TYPE = "application/x-www-form-urlencoded"


class UnreadableForm(Exception):  # noqa: N818 - what it is, not that it is an error
    """What was posted is none of our forms."""


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a posted form, the first of each name.

    Raises:
        UnreadableForm: it is longer than ``MOST_BYTES``, of another type, or no text; the rest of it was not read.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise UnreadableForm("It is not a form.")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise UnreadableForm("The form is too long.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise UnreadableForm("The form is not readable.") from error
    return dict(reversed(pairs))


def read_moment(text: str) -> datetime.datetime | None:
    """Return the moment that a field of ours has, None where it is empty; raises ``UnreadableForm``. Pure."""
    if not text:
        return None
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableForm("The form is not readable.") from error
