"""Fixes the parts of a source: byte ranges, names for ever, manifests; and gives new names where one is sent again."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sftp_orchestrator.config.model import Configuration, Destination, Feed
from sftp_orchestrator.destination import manifest, names
from sftp_orchestrator.errors import NotConfigured
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Part, PlannedPart, Source
from sftp_orchestrator.prepare.checks.columns import get_mapping
from sftp_orchestrator.prepare.parts.encrypt import Encryptor
from sftp_orchestrator.prepare.parts.split import ByteRange, get_plain_limit, split
from sftp_orchestrator.prepare.report import refuse
from sftp_orchestrator.prepare.text.header import parse_header
from sftp_orchestrator.workspace import FOLDER_MODE, Workspace

if TYPE_CHECKING:
    # DuckDB comes with it, and most commands look at no file.
    from sftp_orchestrator.prepare.inspect import Inspection


def open_encryptors(configuration: Configuration, workspace: Workspace) -> dict[str, Encryptor]:
    """Import the public key of each destination that encrypts into a private GNUPGHOME, and make sure it is usable.

    Raises:
        ConfigurationError: a key is missing, expired, revoked, sign-only, or not one public key.
        LocalFault: gpg is missing or fails.
    """
    encryptors = {}
    for name, destination in configuration.destinations.items():
        if destination.encryption is None:
            continue
        home = workspace.openpgp / name
        home.mkdir(mode=FOLDER_MODE, exist_ok=True)
        key = destination.encryption.public_key
        encryptor = Encryptor(
            home, key.read(private=False), subject=f"destinations.{name}.encryption.public_key ({key})"
        )
        encryptor.require_usable(datetime.datetime.now(datetime.UTC))
        encryptors[name] = encryptor
    return encryptors


def get_max_bytes(destination: Destination) -> int:
    """Return what the plaintext of a part must stay below, so that what is sent stays below the receiver's limit."""
    if destination.encryption is None:
        return destination.limits.plain_bytes
    return get_plain_limit(destination.limits.encrypted_bytes)


def split_for(inspection: Inspection, destination: Destination) -> tuple[ByteRange, ...]:
    """Return the byte ranges of the parts; raises InputRefused where a record fits into none."""
    return split(
        inspection.scan,
        inspection.path,
        max_bytes=get_max_bytes(destination),
        tells_lines=not inspection.is_rewritten,
    )


def make_sending_id(source_id: str, sending: int) -> str:
    """Return the short id in remote names: the source's own, marked from the second sending on. Pure.

    A clock that is set back cannot make two sendings share a name.
    """
    return source_id if sending == 1 else f"{source_id}r{sending}"


def plan_parts(
    feed_name: str,
    feed: Feed,
    destination: Destination,
    header: Sequence[str],
    ranges: Sequence[ByteRange],
    *,
    short_id: str,
    at: datetime.datetime,
) -> list[PlannedPart]:
    """Return the parts with their names and manifests; every manifest has passed the receiver's rules. Pure."""
    planned = []
    for number, piece in enumerate(ranges, start=1):
        data_name, manifest_name, content = _name(
            feed_name, feed, destination, header, short_id=short_id, at=at, number=number, of=len(ranges)
        )
        planned.append(
            PlannedPart(
                start=piece.start,
                end=piece.end,
                records=piece.records,
                data_name=data_name,
                manifest_name=manifest_name,
                manifest=content,
            )
        )
    return planned


_MADE_DIGITS, _JUDGED_DIGITS = 40, 23
"""Of the digests in a plan's key: together, with the dot between, as long as the one that it was at first."""
_NOT_JUDGED_BY = frozenset({"files", "destination", "schedule", "expected"})
"""Settings of a feed that say nothing about what is in its files."""


def make_plan_key(feed: Feed, destination: Destination, encryptor: Encryptor | None) -> str:
    """Return what tells by which settings a source was planned. Pure.

    A digest of those that its parts and manifests are made by, a dot, and one of those that its rows are judged by;
    keys of earlier versions have the first alone.
    """
    made = _digest(_list_made_by(feed, destination, encryptor))
    judged = _digest([feed.model_dump(mode="json", exclude=set(_NOT_JUDGED_BY)), destination.retention_days])
    return f"{made[:_MADE_DIGITS]}.{judged[:_JUDGED_DIGITS]}"


def are_made_alike(one: str, other: str) -> bool:
    """Return whether two keys of plans say that parts and manifests are made by the same settings. Pure."""
    return one[:_MADE_DIGITS] == other[:_MADE_DIGITS]


def are_judged_alike(one: str, other: str) -> bool:
    """Return whether two keys of plans say that rows are judged by the same settings, or one does not tell. Pure."""
    found = {key.partition(".")[2] for key in (one, other)} - {""}
    return len(found) < 2


def _digest(settings: object) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _list_made_by(feed: Feed, destination: Destination, encryptor: Encryptor | None) -> dict[str, object]:
    """Return every setting that the parts of a source, and their manifests, are made by. Pure."""
    return {
        # Not host and port: an account may be reached by another name or line.
        "account": [destination.username, destination.remote_dir],
        "email": destination.client_email,
        "max_bytes": get_max_bytes(destination),
        "encryption": [encryptor.fingerprint, destination.encryption.key_id]
        if encryptor is not None and destination.encryption is not None
        else None,
        "type": feed.type.value,
        "columns": {name: column.model_dump(mode="json") for name, column in feed.columns.items()},
        "written": [feed.encoding, feed.delimiter, feed.rename, feed.event_name, feed.sort_by_time],
        "deduplicate": feed.deduplicate.model_dump(mode="json") if feed.deduplicate is not None else None,
    }


def resend(configuration: Configuration, ledger: Ledger, source: Source, part: Part, *, by: str) -> Part:
    """Take an uncertain part back to ``planned`` under names never used before; return it.

    Raises:
        NotConfigured: its feed or destination is not in the configuration any more.
    """
    feed, destination = require_feed(configuration, source)
    sending = ledger.sources.take_sending(source.id)
    data_name, manifest_name, content = _name(
        source.feed,
        feed,
        destination,
        parse_header(source.header_bytes or b"").names,
        short_id=make_sending_id(source.id, sending),
        at=datetime.datetime.now(datetime.UTC),
        number=part.number,
        of=part.of,
    )
    ledger.parts.resend(
        part,
        data_name=data_name,
        manifest_name=manifest_name,
        manifest=content,
        reason="to be sent again under a new name",
        by=by,
    )
    return ledger.parts.get(source.id, part.number)


def require_feed(configuration: Configuration, source: Source) -> tuple[Feed, Destination]:
    """Return the feed and the destination of a source.

    Raises:
        NotConfigured: one of them is not in the configuration any more.
    """
    feed = configuration.feeds.get(source.feed)
    destination = configuration.destinations.get(source.destination)
    if feed is None or destination is None:
        gone = f"feed '{source.feed}'" if feed is None else f"destination '{source.destination}'"
        raise NotConfigured(
            "prepare",
            source.name,
            f"the configuration has no {gone} any more",
            hint="put it back, and it goes on by itself",
        )
    return feed, destination


def make_manifest(data_name: str, feed: Feed, destination: Destination, header: Sequence[str]) -> manifest.Manifest:
    """Return the manifest of a data file. Pure.

    Columns that the feed maps and the file has are listed. A header that is not mapped is left out: the receiver
    imports it under its own name as STRING, which is what listing it would say, too.
    """
    try:
        return manifest.Manifest(
            fileName=data_name,
            type=feed.type,
            columns={
                name: manifest.Column(
                    ctName=column.ct_name or name, dataType=column.type, dateFormat=column.date_format
                )
                for name in header
                if (column := get_mapping(name, feed)) is not None
            },
            clientEmail=destination.client_email,
            keyId=destination.encryption.key_id if destination.encryption else None,
        )
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in wrong["loc"])
        raise refuse("input", f"no valid manifest can be made: {place}: {wrong['msg']}") from error


def _name(
    feed_name: str,
    feed: Feed,
    destination: Destination,
    header: Sequence[str],
    *,
    short_id: str,
    at: datetime.datetime,
    number: int,
    of: int,
) -> tuple[str, str, bytes]:
    stem = names.make_stem(feed_name, at, short_id, number, of)
    encrypted = destination.encryption is not None
    data_name = names.get_data_name(stem, encrypted=encrypted)
    content = manifest.render(make_manifest(data_name, feed, destination, header))
    manifest.check(content, data_name)
    return data_name, names.get_manifest_name(stem), content
