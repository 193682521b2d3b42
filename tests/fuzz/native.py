"""The package's part in C, built with sanitizers into a folder of its own, in place of the one that is installed."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.native import MODULE, ROOT, compile_native, load_native

FOLDER = ROOT / ".fuzz"
_LIBRARY = FOLDER / "_native.so"
_SANITIZERS = ("asan", "ubsan")
_IN_PLACE = "SFTP_ORCHESTRATOR_FUZZ"
"""Set in the environment of a process that was started with the sanitizers' libraries."""
_SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fsanitize-coverage=trace-pc")
_FLAGS = ("-std=c11", "-O1", "-g", "-fPIC", "-fvisibility=hidden", "-fno-omit-frame-pointer")
_OPTIONS = {
    # Python keeps what it allocated until its end, and the interpreter itself is not built with them.
    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:abort_on_error=1",
    # Python's own allocator would hide from the sanitizer where one piece of memory ends.
    "PYTHONMALLOC": "malloc",
}


def build() -> None:
    """Compile the C anew; raises ``CalledProcessError`` where the compiler complains."""
    FOLDER.mkdir(exist_ok=True)
    edges = FOLDER / "edges.o"
    subprocess.run(["gcc", *_FLAGS, "-c", str(Path(__file__).with_name("edges.c")), "-o", str(edges)], check=True)
    compile_native(_LIBRARY, *_FLAGS, *_SANITIZE, str(edges))


def is_watched() -> bool:
    """Return whether this process was started with the sanitizers' libraries."""
    return _IN_PLACE in os.environ


def make_environment() -> dict[str, str]:
    """Return the environment of a process that is to have the sanitizers' libraries."""
    found = [
        subprocess.run(["gcc", f"-print-file-name=lib{name}.so"], check=True, capture_output=True, text=True)
        for name in _SANITIZERS
    ]
    preload = " ".join(answer.stdout.strip() for answer in found)
    return {**os.environ, **_OPTIONS, "LD_PRELOAD": preload, _IN_PLACE: "1"}


def load() -> Callable[[], int]:
    """Have the package use this build; return what tells how many edges of the C are new since it was last asked.

    To be called before anything of the package is imported.
    """
    assert MODULE not in sys.modules
    sys.modules[MODULE] = load_native(_LIBRARY)
    count: Callable[[], int] = ctypes.CDLL(str(_LIBRARY)).count_new_edges
    return count
