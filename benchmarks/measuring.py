"""One measurement: a function, called in a process of its own, so that nothing of an earlier one is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository: modules of ``benchmarks`` are found there."""
Facts = Mapping[str, int]
Work = Callable[..., Facts | Callable[[], Facts]]
"""What is measured: takes what JSON can hold, and returns what it found, to be compared and kept.

Where something has to be there before it begins, it makes that, and returns a function: then only this is measured.
"""


class MeasurementFailed(Exception):  # noqa: N818 - the sentence is in the name
    """The process that was to be measured failed; its output was shown."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one call took."""

    seconds: float
    """wall clock, from call to return: imports are not in it"""
    cpu_seconds: float
    """of all threads, and of the processes that it started"""
    peak_bytes: int
    """the most memory that the process held (VmHWM), with interpreter and libraries"""
    load: float
    """load average of the last minute as it ended: what else the machine had to do"""
    facts: Facts
    """what the call found"""


def call(work: Work, **arguments: object) -> Measurement:
    """Call ``work``, a function of a module of ``benchmarks``, in a process of its own. Blocking.

    Raises:
        MeasurementFailed: it raised, or was killed.
    """
    command = [sys.executable, "-m", "benchmarks.child", work.__module__, work.__name__, json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise MeasurementFailed(f"{work.__module__}.{work.__name__} ended with {done.returncode}")
    found = json.loads(done.stdout)
    return Measurement(load=os.getloadavg()[0], **found)
