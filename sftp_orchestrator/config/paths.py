"""A path in the configuration: relative to the folder of the file it stands in, absolute once loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

FOLDER = "folder"
"""Key of the validation context under which ``loading`` hands over the configuration file's folder."""


def resolve(path: Path, info: ValidationInfo) -> Path:
    """Return ``path`` below the configuration file's folder; as it is where no file is loaded (built in code).

    Raises ``ValueError``.
    """
    if path == Path() or "\0" in str(path):
        msg = "must be a path"
        raise ValueError(msg)
    if path.parts[0].startswith("~"):
        msg = "must be written out: '~' is not expanded"
        raise ValueError(msg)
    folder = info.context.get(FOLDER) if isinstance(info.context, dict) else None
    return path if folder is None else Path(folder) / path


ConfigPath = Annotated[Path, AfterValidator(resolve)]
"""A path that is resolved against the configuration file's folder; empty paths, NUL and ``~`` are refused."""
