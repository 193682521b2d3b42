"""Fuzzes for some minutes, with the C under AddressSanitizer and UBSan; what is found is written into the corpus."""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
from pathlib import Path

from tests.fuzz import engine, native

CORPUS = Path(__file__).with_name("corpus")
TARGETS = (
    "header",
    "splitter",
    "index",
    "sorting",
    "screens",
    "manifest",
    "sandbox-manifest",
    "configuration",
    "unpack",
)


def main() -> int:
    """Fuzz each target in a process of its own, one after the other; return 1 where something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="for all targets together")
    parser.add_argument("--target", action="append", choices=TARGETS, help="may be given several times; else all")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    arguments = parser.parse_args()
    names = arguments.target or TARGETS
    if native.is_watched() and len(names) == 1:
        return _fuzz(names[0], 60 * arguments.minutes, arguments.seed)
    native.build()
    print(f"seed {arguments.seed}, {len(names)} targets, {arguments.minutes:g} minutes in all", flush=True)
    codes = [_start(name, arguments.minutes / len(names), arguments.seed) for name in names]
    return int(any(codes))


def _start(name: str, minutes: float, seed: int) -> int:
    """Fuzz one target in another process, which a mistake in the C may end: then the case at hand is kept."""
    command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--minutes", str(minutes), "--seed", str(seed)]
    code = subprocess.run(command, check=False, env=native.make_environment()).returncode
    last = _get_last(name)
    if last.exists():
        print(
            f"{name}: the process ended with code {code}: {engine.keep(CORPUS / name, last.read_bytes())}", flush=True
        )
        last.unlink()
    return code


def _get_last(name: str) -> Path:
    return native.FOLDER / f"last-{name}"


def _fuzz(name: str, seconds: float, seed: int) -> int:
    count_new_edges = native.load()
    # The package may be imported only now, when its part in C is the one that is watched.
    from tests.fuzz import rows  # noqa: PLC0415
    from tests.fuzz.targets import TARGETS as FOUND  # noqa: PLC0415

    rows.use_no_threads()
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    outcome = engine.fuzz(
        FOUND[name],
        seconds=seconds,
        seed=seed,
        folder=folder,
        last=_get_last(name),
        known=[path.read_bytes() for path in sorted(folder.iterdir())],
        count_new_edges=count_new_edges,
    )
    found = "".join(f"\n  {path}" for path in outcome.finds)
    print(
        f"{name}: {outcome.executions:,} executions in {seconds:.0f} s, {outcome.new_paths:,} led somewhere new,"
        f" {len(outcome.finds)} finds{found}",
        flush=True,
    )
    return int(bool(outcome.finds))


if __name__ == "__main__":
    sys.exit(main())
