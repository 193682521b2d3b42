"""Proposes a feed entry for files of one kind: open, count, choose, look closer. Nothing stays of it on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sftp_orchestrator.inference.choice import propose
from sftp_orchestrator.inference.closer import look_closer
from sftp_orchestrator.inference.evidence import FileEvidence, gather, merge
from sftp_orchestrator.inference.proposal import Proposal
from sftp_orchestrator.inference.remarks import add_remarks
from sftp_orchestrator.inference.samples import Sample, Workshop, naming, require_same_columns
from sftp_orchestrator.inference.suggestions import add_suggestions
from sftp_orchestrator.inference.whole import choose_key, look_at_whole
from sftp_orchestrator.prepare.unpack.unpacking import Text
from sftp_orchestrator.progress import Board


def infer(samples: Sequence[Sample], board: Board) -> Proposal:
    """Return the feed entry for ``samples``, at least one; what is under way is on ``board``. Blocking.

    Raises:
        InputRefused: a file is nothing that could be sent, whatever its feed.
        ConfigurationError: the files have not the same columns, or are not written alike.
        SourceChanged: a file is being written to.
        LocalFault: one cannot be read, or memory or disk ran out.
    """
    with tempfile.TemporaryDirectory(prefix="sftp-orchestrator-") as scratch:
        workshop = Workshop(scratch=Path(scratch), board=board)
        written = workshop.detect(samples)
        texts = [workshop.unpack(sample, written) for sample in samples]
        require_same_columns(samples, texts)
        files = [_gather(sample, text, workshop) for sample, text in zip(samples, texts, strict=True)]
        evidence = merge(files)
        proposal = propose(evidence, [sample.name for sample in samples], written)
        troubles = look_closer(proposal, evidence, files, workshop)
        found = look_at_whole(proposal, evidence, files, workshop)
    proposal = add_remarks(proposal, evidence, troubles)
    return add_suggestions(proposal, choose_key(proposal, evidence), found)


def _gather(sample: Sample, text: Text, workshop: Workshop) -> FileEvidence:
    with naming(sample):
        return gather(sample, text, workshop)
