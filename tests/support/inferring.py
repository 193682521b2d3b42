"""Feed entries that are proposed, and pasted into a configuration as a person would."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.inference.infer import infer
from sftp_orchestrator.inference.rendering import render
from sftp_orchestrator.inference.samples import Sample
from sftp_orchestrator.progress import Board
from tests.support.configuration import get_values, write_key_files


def propose(*paths: Path) -> str:
    """Return the entry that is proposed for files of one kind."""
    return render(infer([Sample(path=path, name=path.name) for path in paths], Board()))


def get_column(entry: str, header: str) -> str:
    """Return on one line a column, and behind it all that is said above it.

    Such as ``pieces: {type: INTEGER} # doubtful: the first thing; the second``.
    """
    ((above, line),) = re.findall(rf"((?:^ +# .+\n)*)^ +({re.escape(header)}: .+)$", entry, flags=re.MULTILINE)
    said = [found.strip().removeprefix("# ") for found in unwrap(above).splitlines()]
    comment = "; ".join(said).replace("; doubtful: ", "; ")
    return " ".join(line.split()) + (f" # {comment}" if comment else "")


def unwrap(entry: str) -> str:
    """Return an entry with each comment on one line."""
    return re.sub(r"\n +#  +", " ", entry)


def paste(folder: Path, entry: str) -> Configuration:
    """Write a configuration with nothing but ``entry`` below ``feeds:``, and load it as every command does."""
    write_key_files(folder)
    for name in ("staging", "workspace"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    values = {key: value for key, value in get_values().items() if key != "feeds"}
    path = folder / "config.yml"
    path.write_text(f"{yaml.safe_dump(values)}feeds:\n{entry}", encoding="utf-8")
    return loading.load(path)


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV file and return its path."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path
