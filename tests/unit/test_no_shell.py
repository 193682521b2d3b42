"""No way from data to code: no shell, no evaluation, no unpickling, and no YAML that can make objects."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "sftp_orchestrator"
CALLS = frozenset({"eval", "exec", "compile", "__import__"})
MODULES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "commands", "pty", "code"})
ATTRIBUTES = {
    "os": ("system", "popen", "exec", "spawn", "posix_spawn", "startfile"),
    "asyncio": ("create_subprocess_shell",),
    "subprocess": ("getoutput", "getstatusoutput"),
    "yaml": ("load", "unsafe_", "full_", "Loader", "CLoader", "FullLoader", "UnsafeLoader", "BaseLoader"),
}
"""By module, what attributes begin with that make code or a shell out of text."""
SAFE = frozenset({("yaml", "safe_load"), ("yaml", "SafeLoader"), ("yaml", "CSafeLoader")})


def _find_dangers(text: str) -> Iterator[str]:
    """Yield what in a module's text could run what it reads."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield name
            case ast.Call(keywords=keywords):
                # Whatever its value: a switch is one slip away from the other position.
                yield from (f"{word.arg}=" for word in keywords if word.arg == "shell")
            case ast.Attribute(value=ast.Name(id=module), attr=attribute):
                yield from _judge(module, attribute)
            case ast.Import(names=names):
                yield from (found.name for found in names if found.name.partition(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (module for _ in names[:1] if module.partition(".")[0] in MODULES)
                for found in names:
                    yield from _judge(module, found.name)


def _judge(module: str, attribute: str) -> Iterator[str]:
    if (module, attribute) not in SAFE and attribute.startswith(ATTRIBUTES.get(module, ("\0",))):
        yield f"{module}.{attribute}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_that_is_read_can_run(path: Path) -> None:
    """No module has a shell, evaluates text, unpickles, or loads YAML by anything but the safe loader."""
    assert list(_find_dangers(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "subprocess.run(command, shell=True)",
        "subprocess.Popen(command, shell=flag)",
        "subprocess.getoutput('ls')",
        "os.system('ls')",
        "os.popen('ls')",
        "os.execvp('sh', ['sh'])",
        "from os import system",
        "await asyncio.create_subprocess_shell('ls')",
        "from asyncio import create_subprocess_shell",
        "eval('1')",
        "exec('1')",
        "import pickle",
        "from pickle import loads",
        "import marshal as m",
        "yaml.load(text)",
        "yaml.load_all(text, Loader=yaml.SafeLoader)",
        "yaml.unsafe_load(text)",
        "yaml.full_load(text)",
        "loader = yaml.FullLoader",
        "from yaml import UnsafeLoader",
    ],
)
def test_what_could_run_is_found(text: str) -> None:
    """The look at the package sees each way from text to code; else its silence would mean nothing."""
    assert list(_find_dangers(text))
