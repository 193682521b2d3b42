"""The process that is measured: calls one function and prints as JSON what it took. See ``measuring.call``."""

from __future__ import annotations

import importlib
import json
import re
import resource
import sys
import time
from pathlib import Path


def main(module: str, function: str, arguments: str) -> None:
    """Call ``function`` of ``module`` with ``arguments``, a JSON object, and print its cost."""
    work = getattr(importlib.import_module(module), function)
    given = json.loads(arguments)
    cpu_before, before = _get_cpu_seconds(), time.perf_counter()
    facts = work(**given)
    if callable(facts):
        cpu_before, before = _get_cpu_seconds(), time.perf_counter()
        facts = facts()
    seconds, cpu_seconds = time.perf_counter() - before, _get_cpu_seconds() - cpu_before
    found = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": _get_peak_bytes(), "facts": facts}
    print(json.dumps(found))


def _get_cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _get_peak_bytes() -> int:
    """Return VmHWM: unlike ru_maxrss it is not inherited from the process that started this one (proc(5))."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+([0-9]+) kB$", status, re.MULTILINE)
    if found is None:
        raise OSError("/proc/self/status has no VmHWM")
    return int(found[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
