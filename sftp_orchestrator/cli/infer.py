"""``infer``: a feed entry proposed from files; needs no configuration, sends nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.inference import rendering
from sftp_orchestrator.inference.infer import infer as propose
from sftp_orchestrator.inference.samples import Sample
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.prepare.given import require_file
from sftp_orchestrator.progress import Board


def infer(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files of one kind: CSV, Parquet, JSON lines.")],
) -> int:
    """Propose a feed entry: what the rows are, identity, event name, time, types, date formats. Looks at every row."""
    # A person may well name the file by a link; producers' links in staging are another matter.
    samples = [Sample(path=path.resolve(), name=display_path(os.fsencode(path.name))) for path in files]
    for sample in samples:
        require_file("infer", sample.path)
    board = Board()
    with show_progress(board):
        proposal = propose(samples, board)
    typer.echo(rendering.render(proposal), nl=False)
    return ExitCode.DONE
