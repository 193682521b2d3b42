"""The page's own files, as they lie in the package: style, script, icon."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"
"""A file that changes is asked for by another address."""


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file, read once."""

    content: bytes
    media_type: str
    version: str
    """a digest of its content"""


class Assets:
    """Every file of the folder ``static``; there are no others, so that no address leads out of it."""

    def __init__(self) -> None:
        paths = sorted((Path(__file__).parent / "static").iterdir())
        self._assets = {path.name: _read(path) for path in paths if path.suffix in _TYPES}

    def locate(self, name: str) -> str:
        """Return the address of a file below the page's root."""
        return f"static/{name}?v={self._assets[name].version}"

    def answer(self, name: str) -> Response:
        """Return the file; 404 where there is none of this name."""
        asset = self._assets.get(name)
        if asset is None:
            return Response(status_code=404)
        return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": _FOREVER})


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content=content, media_type=_TYPES[path.suffix], version=hashlib.sha256(content).hexdigest()[:12])
