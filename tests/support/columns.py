"""Columns of cells, without a file around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sftp_orchestrator.prepare.cells import Column
from sftp_orchestrator.prepare.form import PADDING


def make_column(cells: Sequence[bytes]) -> Column:
    """Return a column of ``cells``, each with a comma behind it."""
    array = np.frombuffer(b",".join(cells) + b"," + PADDING, dtype=np.uint8)
    lengths = np.array([len(cell) for cell in cells], dtype=np.int64)
    return Column(array, np.cumsum(lengths + 1) - lengths - 1, lengths)
