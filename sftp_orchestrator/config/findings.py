"""What is wrong in a configuration: one finding a line, all of them in one error."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable

from sftp_orchestrator import errors

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys and positions in lists, from the outermost."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class MisspeltError(ValueError):
    """A value is refused for ``said``, and it is clear how it should be written: as ``meant``."""

    def __init__(self, said: str, meant: str) -> None:
        self.meant = meant
        super().__init__(said)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing wrong: ``said`` of the key at ``path``; ``hint`` says what to do; ``line`` counts from 1."""

    path: KeyPath
    said: str
    hint: str | None = None
    line: int | None = None
    file: str | None = None

    def __str__(self) -> str:
        place = "" if self.file is None else self.file
        place += "" if self.line is None else f":{self.line}"
        where = " ".join(part for part in (place, format_path(self.path)) if part)
        said = f"{where}: {self.said}" if where else self.said
        return f"{said}; {self.hint}" if self.hint else said


class InvalidConfiguration(errors.ConfigurationError):
    """The configuration breaks rules: ``findings`` holds each of them, and the text has one line for each."""

    def __init__(self, subject: str, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("load", subject, "; ".join(finding.said for finding in self.findings))

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings))


def format_path(path: KeyPath) -> str:
    """Return ``path`` as ``feeds.purchases.files[0]``; a key with other than plain characters is quoted. Pure."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            plain = step if _BARE.fullmatch(step) else _quote(step)
            text += f".{plain}" if text else plain
    return text


def _quote(key: str) -> str:
    """Return ``key`` in quotes, what cannot be seen escaped: a key that only seems to be right must not look so."""
    # JSON's own escapes are all that is printed of the rest, and of those above U+FFFF two together.
    quoted = json.dumps(key, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in quoted)
