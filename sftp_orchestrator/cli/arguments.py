"""Options that several commands share; light to import, for whoever asks for help alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.cli.completing import complete_feed
from sftp_orchestrator.config.places import VARIABLE

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help=f"The configuration file, else {VARIABLE}."),
]
NamedFeedOption = Annotated[
    str | None,
    typer.Option("--feed", metavar="NAME", help="Look at them as files of this feed.", autocompletion=complete_feed),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs instead of text for people.")]


@dataclass(kw_only=True)
class Call:
    """One call of the program, for whoever tells of its errors when its context is gone."""

    command: str = COMMAND
    """how to call us once more with the same configuration"""
