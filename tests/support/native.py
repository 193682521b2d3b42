"""The package's part in C, compiled in other ways than the one that is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sysconfig
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
MODULE = "sftp_orchestrator.prepare.rows._native"


def compile_native(library: Path, *arguments: str, macros: Sequence[str] = ()) -> None:
    """Compile it to ``library``; raises ``CalledProcessError`` where the compiler complains."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        (extension,) = tomllib.load(stream)["tool"]["setuptools"]["ext-modules"]
    defined = [*(f"{name}={value}" for name, value in extension["define-macros"]), *macros]
    sources = [str(ROOT / source) for source in extension["sources"]]
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run(
        ["gcc", *arguments, *(f"-D{macro}" for macro in defined), include, "-shared", *sources, "-o", str(library)],
        check=True,
    )


def load_native(library: Path) -> ModuleType:
    """Return the module in ``library``; the one that the package uses stays what it is."""
    spec = importlib.util.spec_from_file_location(MODULE, library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
