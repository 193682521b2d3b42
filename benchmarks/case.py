"""What a case is: something of ours that is measured, what it is measured against, and what is promised of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import data
from benchmarks.measuring import Measurement
from benchmarks.verdicts import Budget

QUICK_DIVISOR = 8
"""How much smaller the files of a quick run are."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where cases find their files."""

    work: Path
    is_quick: bool
    tell: Callable[[str], None]
    """shows a person what is being done"""

    def make(self, recipe: data.Recipe) -> Path:
        """Return a file by ``recipe``; in a quick run a smaller one. May be repeated.

        Raises:
            LocalFault: the disk has not enough space.
        """
        if self.is_quick:
            recipe = recipe.shrink(QUICK_DIVISOR)
        self.tell(f"the file {recipe.name}")
        return data.make(self.work, recipe)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work of a case."""

    name: str
    measure: Callable[[], Measurement]
    """does the work once; called in each round"""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A case that is ready to be measured."""

    bytes: int
    """that each contender goes through"""
    contenders: tuple[Contender, ...]
    """ours first"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something that is measured."""

    name: str
    rounds: int
    budgets: tuple[Budget, ...]
    is_quick: bool = True
    """whether it is measured every day: not where only its size makes it another case than the others"""
    set_up: Callable[[Bench], AbstractContextManager[Stage]]
    """makes the files, starts the servers that contenders need, and takes down what it started"""
