"""Fuzzed: manifests on both sides of the line, and the configuration."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration, Feed
from sftp_orchestrator.destination import manifest
from sftp_orchestrator.errors import ConfigurationError, LocalFault
from sftp_orchestrator.sandbox import manifest as sandbox_manifest
from sftp_orchestrator.sandbox.refusals import Ignored, Refusal
from tests.fuzz.engine import Target, require
from tests.fuzz.scratch import FOLDER
from tests.support.configuration import KEY_ID, get_values, write_key_files

JSON_TOKENS = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b'"',
        b"null",
        b"true",
        b"1e999",
        b"-0",
        b"NaN",
        b"\\u0000",
        b"\\ud800",
        b"\\",
        b"//",
    ),
    *(
        b'"fileName"',
        b'"type"',
        b'"columns"',
        b'"clientEmail"',
        b'"keyId"',
        b'"ctName"',
        b'"dataType"',
        b'"dateFormat"',
    ),
    *(b"INTEGER", b"DATE", b"UNIX", b"event", b"profile", b"a@b.cd", b"\xff", b"\xef\xbb\xbf", KEY_ID.encode()),
)
_YAML_TOKENS = (
    *(
        b"\n",
        b"\n  ",
        b"\n    ",
        b": ",
        b"- ",
        b"[",
        b"]",
        b"{",
        b"}",
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!python/object:os.system ",
        b"!!int ",
    ),
    *(
        b"!!binary ",
        b"!!set ",
        b"? ",
        b"| ",
        b"> ",
        b'"',
        b"'",
        b"#",
        b"%YAML 1.1",
        b"---\n",
        b"...\n",
        b"\t",
        b"~",
        b"null",
        b"yes",
        b"0o7",
        b"1_0",
    ),
    *(
        b".inf",
        b".nan",
        b"022",
        b"22:30",
        b"2026-01-01",
        b"\\x00",
        b"\x00",
        b"\x85",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xe2\x80\xa8",
        b"1e400",
    ),
    *(f"{name}: ".encode() for name in (*Configuration.model_fields, *Feed.model_fields)),
    *(
        b"host_keys",
        b"encryption",
        b"public_key",
        b"env",
        b"credential",
        b"keep",
        b"keep_days",
        b"url",
        b"postgresql://u:p@h/d",
    ),
)


def _check_manifest(content: bytes) -> None:
    """Whatever our own check lets pass the receiver's reader takes, and it is read back as the same."""
    name = "purchases_1of1.csv"
    with contextlib.suppress(ValueError, LookupError, TypeError, RecursionError):
        name = str(json.loads(content)["fileName"])
    try:
        checked = manifest.check(content, name)
    except LocalFault as fault:
        require("\n" not in str(fault), "several lines")
        return
    rendered = manifest.render(checked)
    assert manifest.check(rendered, name) == checked
    document = sandbox_manifest.parse_document(rendered)
    taken = sandbox_manifest.read_manifest(document)
    assert (taken.file_name, taken.key_id) == (checked.fileName, checked.keyId)
    assert taken.is_encrypted == (checked.keyId is not None)
    assert {header: column.property_name for header, column in taken.columns.items()} == {
        header: column.ctName for header, column in checked.columns.items()
    }
    for size in range(len(rendered)):
        _require_cut_refused(rendered[:size])


def _require_cut_refused(content: bytes) -> None:
    with contextlib.suppress(Ignored):
        sandbox_manifest.parse_document(content)
        raise AssertionError("a cut-off manifest is taken for a whole one")


def _receive_manifest(content: bytes) -> None:
    """The sandbox ignores it, refuses it in one line, or has all of it in form."""
    try:
        found = sandbox_manifest.read_manifest(sandbox_manifest.parse_document(content))
    except (Ignored, Refusal) as refused:
        require(refused.reason, "no reason")
        return
    assert found.file_name
    assert found.type in {"profile", "event"}


def _load_configuration(content: bytes) -> None:
    """A configuration, or lines that say what is wrong, each of them printable; never anything else."""
    path = _CONFIGURATION_FOLDER / "config.yml"
    path.write_bytes(content)
    try:
        loaded = loading.load(path)
    except ConfigurationError as error:
        require(str(error).strip(), "no reason")
        require(all(line.isprintable() for line in str(error).splitlines()), "a line that a terminal may obey")
        return
    assert isinstance(loaded, Configuration)


def _make_manifest(**changes: Any) -> bytes:
    document = {
        "fileName": "purchases_1of1.csv.asc",
        "type": "event",
        "columns": {
            "name": {"ctName": "evtName", "dataType": "STRING"},
            "day": {"ctName": "Day", "dataType": "DATE", "dateFormat": "dd/MM/yyyy"},
        },
        "clientEmail": "data-team@example.com",
        "keyId": KEY_ID,
    }
    return json.dumps({**document, **changes}).encode()


_MANIFESTS = (
    _make_manifest(),
    _make_manifest(fileName="a.csv", keyId=None, type="PROFILE"),
    b"{}",
    b'{"a": [1e9, NaN]}',
)
_CONFIGURATION = tempfile.TemporaryDirectory(dir=FOLDER, prefix="fuzz-")
_CONFIGURATION_FOLDER = Path(_CONFIGURATION.name)
write_key_files(_CONFIGURATION_FOLDER)

MANIFEST = Target(run=_check_manifest, seeds=_MANIFESTS, tokens=JSON_TOKENS)
SANDBOX_MANIFEST = Target(run=_receive_manifest, seeds=_MANIFESTS, tokens=JSON_TOKENS)
CONFIGURATION = Target(
    run=_load_configuration,
    seeds=(
        yaml.safe_dump(get_values()).encode(),
        json.dumps(get_values()).encode(),
        b"staging: &a [1]\nworkspace: *a\n",
    ),
    tokens=_YAML_TOKENS,
)
