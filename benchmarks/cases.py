"""Every case, by its name. What each measures, and why, is told in ``docs/explanation/performance.md``."""

from __future__ import annotations

from types import MappingProxyType

from benchmarks import delivery, growth, inspection, latency

CASES = MappingProxyType(
    {case.name: case for case in (*inspection.CASES, *delivery.CASES, *latency.CASES, *growth.CASES)}
)
