"""Files that a person names on the command line: what must be true of them before they are looked at."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from sftp_orchestrator.errors import ConfigurationError, LocalFault
from sftp_orchestrator.ledger.records import display_path


def require_file(operation: str, path: Path) -> None:
    """Raise where there is no such file, or DuckDB could not open it; ``operation`` is what was to be done with it.

    In the workspace every file has a name of ours, so ``run`` can read what has no name in UTF-8.

    Raises:
        ConfigurationError: there is no such file, or its path is no UTF-8.
        LocalFault: it cannot be looked at.
    """
    shown = display_path(os.fsencode(path))
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigurationError(operation, shown, "there is no such file") from error
    except OSError as error:
        raise LocalFault(operation, shown, error.strerror or type(error).__name__) from error
    if stat.S_ISDIR(mode):
        raise ConfigurationError(operation, shown, "it is a folder", hint="name the files in it")
    if not stat.S_ISREG(mode):
        raise ConfigurationError(operation, shown, "it is no plain file")
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            operation, shown, "its path is no UTF-8, and only `run` can read it so", hint="name a copy of it"
        ) from error
