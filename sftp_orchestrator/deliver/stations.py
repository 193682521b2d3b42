"""What every destination of a run shares."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sftp_orchestrator.deliver.archive import Archive
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.prepare.preparation import Preparation
from sftp_orchestrator.progress import Board


@dataclass(frozen=True, kw_only=True)
class Stations:
    """The places that a source passes through, one of each."""

    ledger: Ledger
    preparation: Preparation
    archive: Archive
    board: Board
    hurry: asyncio.Event
    """set when a stop may not wait for anything any more"""
