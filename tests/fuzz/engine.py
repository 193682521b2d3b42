"""Mutates inputs at random and keeps those that lead somewhere new; what breaks a target is written down."""

from __future__ import annotations

import hashlib
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

MAX_BYTES = 6000
_MOST_CHANGES = 6
_PACKAGE = "/sftp_orchestrator/"
_QUIET_CALLS = 1000
"""After so many calls without a new line a function is followed no more: that is what costs most of the time."""
_MONITOR = 3
"""A tool id of sys.monitoring that nobody else has."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something that reads what others wrote."""

    run: Callable[[bytes], None]
    """raises where it does what it may not"""
    seeds: tuple[bytes, ...]
    tokens: tuple[bytes, ...]
    """what its language is made of"""


@dataclass(kw_only=True)
class Outcome:
    """What came of it."""

    executions: int = 0
    new_paths: int = 0
    """inputs that led somewhere new"""
    finds: list[Path] = field(default_factory=list)


def fuzz(
    target: Target,
    *,
    seconds: float,
    seed: int,
    folder: Path,
    last: Path,
    count_new_edges: Callable[[], int],
    known: Sequence[bytes],
) -> Outcome:
    """Run ``target`` on ``known`` cases and mutations of them until the time is over; finds are kept in ``folder``.

    The case at hand stands in ``last``: where it ends the process itself, it is still there.
    """
    dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    pool = [*target.seeds, *known]
    outcome = Outcome()
    failures: set[str] = set()
    end = time.monotonic() + seconds
    with _followed() as count_new_lines:
        while time.monotonic() < end:
            number = outcome.executions
            content = pool[number] if number < len(pool) else mutate(dice, pool, target.tokens)
            # The C may end the process: then the case is still here.
            last.write_bytes(content)
            try:
                target.run(content)
            except Exception as error:  # noqa: BLE001 - whatever is raised is the find
                place = _locate(error)
                if place not in failures:
                    failures.add(place)
                    outcome.finds.append(keep(folder, content))
                    traceback.print_exc()
            outcome.executions += 1
            if count_new_edges() + count_new_lines():
                outcome.new_paths += 1
                pool.append(content)
    last.unlink(missing_ok=True)
    return outcome


def require(condition: object, said: str) -> None:
    """Raise ``AssertionError`` where a target did what it may not."""
    if not condition:
        raise AssertionError(said)


def keep(folder: Path, content: bytes) -> Path:
    """Write a case under a name that tells it from others; return where."""
    path = folder / hashlib.sha256(content).hexdigest()[:16]
    path.write_bytes(content)
    return path


def mutate(dice: random.Random, pool: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """Return one of ``pool``, changed in some places."""
    content = bytearray(dice.choice(pool))
    for _ in range(dice.randint(1, _MOST_CHANGES)):
        start = dice.randint(0, len(content))
        length = min(len(content) - start, int(dice.paretovariate(0.8)))
        match dice.randrange(8):
            case 0:
                content[start : start + 1] = bytes([dice.randrange(256)])
            case 1:
                content[start:start] = dice.choice(tokens)
            case 2:
                content[start : start + length] = dice.choice(tokens)
            case 3:
                del content[start : start + length]
            case 4:
                content[start:start] = content[start : start + length] * dice.randint(1, 4)
            case 5:
                other = dice.choice(pool)
                place = dice.randint(0, len(other))
                content[start : start + length] = other[place : place + int(dice.paretovariate(0.5))]
            case 6:
                content[start:start] = dice.choice(tokens) * dice.randint(2, 80)
            case _ if start < len(content):
                content[start] ^= 1 << dice.randrange(8)
    return bytes(content[:MAX_BYTES])


def _locate(error: BaseException) -> str:
    """Return what tells one failure from another: its kind and the last line of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}"


@contextmanager
def _followed() -> Iterator[Callable[[], int]]:
    """Follow the lines of the package in this thread; give what counts those that were never passed before."""
    if sys.version_info >= (3, 12):
        with _monitored() as count:
            yield count
        return
    known: set[tuple[CodeType, int]] = set()
    quiet: Counter[CodeType] = Counter()
    fresh = 0

    def follow_lines(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401 - as settrace has it
        nonlocal fresh
        if event == "line" and (frame.f_code, frame.f_lineno) not in known:
            known.add((frame.f_code, frame.f_lineno))
            quiet[frame.f_code] = 0
            fresh += 1
        return follow_lines

    def follow(frame: FrameType, _: str, __: Any) -> Any:  # noqa: ANN401 - as settrace has it
        quiet[frame.f_code] += 1
        is_known = quiet[frame.f_code] > _QUIET_CALLS
        return follow_lines if _PACKAGE in frame.f_code.co_filename and not is_known else None

    def count_new() -> int:
        nonlocal fresh
        found, fresh = fresh, 0
        return found

    sys.settrace(follow)
    try:
        yield count_new
    finally:
        sys.settrace(None)


@contextmanager
def _monitored() -> Iterator[Callable[[], int]]:
    """Do the same where Python has a cheap way: a line that was passed once is not told again."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore] # from 3.12 on
    fresh = 0

    def note(code: CodeType, _: int) -> object:
        nonlocal fresh
        fresh += _PACKAGE in code.co_filename
        return monitoring.DISABLE

    def count_new() -> int:
        nonlocal fresh
        found, fresh = fresh, 0
        return found

    monitoring.use_tool_id(_MONITOR, "fuzz")
    monitoring.register_callback(_MONITOR, monitoring.events.LINE, note)
    monitoring.set_events(_MONITOR, monitoring.events.LINE)
    try:
        yield count_new
    finally:
        monitoring.set_events(_MONITOR, 0)
        monitoring.free_tool_id(_MONITOR)
