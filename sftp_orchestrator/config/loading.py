"""From a file to the typed configuration: everything wrong in it at once, each with its line."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pydantic

from sftp_orchestrator.config import contradictions, document, paths, wording
from sftp_orchestrator.config.document import Document
from sftp_orchestrator.config.findings import Finding, InvalidConfiguration, KeyPath
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.places import VARIABLE
from sftp_orchestrator.errors import ConfigurationError

DEFAULT_PATHS = (Path("sftp-orchestrator.yml"), Path("/etc/sftp-orchestrator/config.yml"))
"""Looked for in this order where neither names one."""

_WORKSPACE = re.compile(
    r"""^workspace:[ \t]+(?P<quote>["']?)(?P<path>[^\s"'#{\[][^"'#\n]*?)(?P=quote)[ \t]*(?:#.*)?$""", re.MULTILINE
)
"""As people write it. Of a file that is no YAML, too: it is often one line that is none."""


def find(option: Path | None) -> Path:
    """Return the configuration file: ``option``, else the environment's, else the first default that is there.

    Raises:
        ConfigurationError: neither names one, and no default is there.
    """
    if option is not None:
        return option
    if named := os.environ.get(VARIABLE):
        return Path(named)
    for path in DEFAULT_PATHS:
        if path.is_file():
            return path
    raise ConfigurationError(
        "find",
        "the configuration",
        f"none of {' and '.join(map(str, DEFAULT_PATHS))} is there",
        hint=f"name it with --config FILE or {VARIABLE}; or make one: sftp-orchestrator init",
    )


def load(path: Path) -> Configuration:
    """Return the configuration in the file ``path``, its relative paths resolved against the file's folder.

    Secrets are not read (``credentials.require_secrets`` does). May be repeated.

    Raises:
        ConfigurationError: it cannot be read, or is not YAML (one line).
        InvalidConfiguration: it breaks rules: one line for each, with file, line, key and value; never a secret.
    """
    content = _parse(path, _read(path))
    if not isinstance(content.value, dict):
        cause = "it is empty" if content.value is None else "it is not a mapping of keys"
        hint = "'sftp-orchestrator config sample' prints one with every key"
        raise ConfigurationError("load", str(path), cause, hint=hint)
    return _validate(path, content)


def find_workspace(path: Path) -> Path | None:
    """Return the workspace that the file ``path`` names, whatever else is wrong in it; None where not just one."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    found = {match["path"] for match in _WORKSPACE.finditer(text)}
    return path.absolute().parent / found.pop() if len(found) == 1 else None


def find_ledger_url(path: Path) -> str | None:
    """Return the ``ledger.url`` of the file ``path``, whatever breaks rules in it; None where it is no YAML, or none.

    It may hold a password.
    """
    try:
        content = _parse(path, _read(path)).value
    except ConfigurationError:
        return None
    ledger = content.get("ledger") if isinstance(content, dict) else None
    url = ledger.get("url") if isinstance(ledger, dict) else None
    return url if isinstance(url, str) else None


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise ConfigurationError("read", str(path), cause, hint=f"name the file with --config or {VARIABLE}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    # Raised out here, with no cause and no context: a decoding error carries the whole file, secrets too.
    raise ConfigurationError("", f"{path}:{line}", "not UTF-8", hint="save the file as UTF-8")


def _parse(path: Path, text: str) -> Document:
    try:
        return document.parse(text)
    except document.NotYamlError as error:
        subject = f"{path}:{error.line}:{error.column}"
        raise ConfigurationError("", subject, f"not valid YAML: {error.said}") from error


def _validate(path: Path, content: Document) -> Configuration:
    # Through JSON: pydantic is strict there ("10" is no 10, 1 is no "1") and still reads paths, lists and choices.
    text = json.dumps(content.value)
    context = {paths.FOLDER: path.absolute().parent}
    try:
        configuration = Configuration.model_validate_json(text, strict=True, context=context)
    except pydantic.ValidationError as error:
        found = [wording.get_finding(detail, content) for detail in error.errors(include_url=False)]
    else:
        found = [] if content.problems else list(contradictions.find_contradictions(configuration))
        if not content.problems and not found:
            return configuration
    # Raised out here, with no cause: pydantic's own text repeats the values, secrets too.
    raise _collect(path, content, [*content.problems, *found])


def _collect(path: Path, content: Document, found: Iterable[Finding]) -> InvalidConfiguration:
    """Return one error of all that is ``found``, by line; of several about one key in one line only the first."""
    chosen: dict[tuple[int, KeyPath], Finding] = {}
    for finding in found:
        key = wording.hide_secret(finding.path)
        line = finding.line or content.get_line(finding.path)
        chosen.setdefault((line, key), dataclasses.replace(finding, path=key, line=line, file=str(path)))
    return InvalidConfiguration(str(path), [chosen[place] for place in sorted(chosen, key=lambda place: place[0])])
