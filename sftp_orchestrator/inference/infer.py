"""Proposes a feed entry for files of one kind: count, choose, look closer. Nothing is written or sent."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sftp_orchestrator.errors import InputRefused
from sftp_orchestrator.inference.choice import propose
from sftp_orchestrator.inference.closer import look_closer
from sftp_orchestrator.inference.evidence import FileEvidence, Sample, gather, merge
from sftp_orchestrator.inference.proposal import Proposal
from sftp_orchestrator.inference.remarks import add_remarks
from sftp_orchestrator.progress import Board


def infer(samples: Sequence[Sample], board: Board) -> Proposal:
    """Return the feed entry for ``samples``, at least one; what is under way is on ``board``. Blocking.

    Raises:
        InputRefused: a file is no CSV that could be sent, whatever its feed.
        ConfigurationError: the files have not the same columns.
        LocalFault: one cannot be read, or memory or disk ran out.
    """
    with tempfile.TemporaryDirectory(prefix="sftp-orchestrator-") as scratch:
        files = [_gather(sample, Path(scratch), board) for sample in samples]
        evidence = merge(files)
        proposal = propose(evidence, [sample.name for sample in samples])
        troubles = look_closer(proposal, evidence, files, scratch=Path(scratch), board=board)
    return add_remarks(proposal, evidence, troubles)


def _gather(sample: Sample, scratch: Path, board: Board) -> FileEvidence:
    try:
        return gather(sample, scratch=scratch, board=board)
    except InputRefused as refused:
        raise InputRefused("infer", sample.name, refused.cause, hint=refused.hint) from refused
