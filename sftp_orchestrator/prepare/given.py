"""Files that a person names on the command line: what must be true of them before they are looked at."""

from __future__ import annotations

import os
from pathlib import Path

from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.ledger.records import display_path


def require_file(operation: str, path: Path) -> None:
    """Raise where there is no such file, or DuckDB could not open it; ``operation`` is what was to be done with it.

    In the workspace every file has a name of ours, so ``run`` can read what has no name in UTF-8.

    Raises:
        ConfigurationError: there is no such file, or its path is no UTF-8.
    """
    shown = display_path(os.fsencode(path))
    if not path.is_file():
        raise ConfigurationError(operation, shown, "there is no such file")
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            operation, shown, "its path is no UTF-8, and only `run` can read it so", hint="name a copy of it"
        ) from error
