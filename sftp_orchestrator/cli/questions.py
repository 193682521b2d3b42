"""Questions to a person at a terminal; elsewhere, what no option answers is told all at once."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.setting_up.answers import Question


class Asker:
    """Gets answers: from options, from a person, from defaults."""

    def __init__(self, subject: str, *, may_ask: bool) -> None:
        self._subject = subject
        self.may_ask = may_ask and sys.stdin.isatty()
        self._missing: list[str] = []

    def get(self, question: Question, given: str | None) -> str:
        """Return the answer; raises ConfigurationError where an option's is none.

        Where nobody can be asked and there is no default, it is noted for ``require_all``, and empty.
        """
        if given is not None:
            try:
                return question.take(given)
            except ValueError as error:
                raise ConfigurationError("read", f"{question.option} {given}", str(error)) from error
        if self.may_ask:
            return self.ask(question.text, question.take, default=question.default)
        if question.default is None:
            self._missing.append(question.option)
        return question.default or ""

    def require_ability(self, options: str) -> None:
        """Note that one of ``options`` is missing, where nobody can be asked."""
        if not self.may_ask:
            self._missing.append(options)

    def require_all(self) -> None:
        """Return where every question was answered; raises ConfigurationError with the options that do."""
        if self._missing:
            cause = f"it is not said, and nobody can be asked: {', '.join(self._missing)}"
            raise ConfigurationError("set up", self._subject, cause, hint="give these options")

    def ask(self, text: str, take: Callable[[str], str], *, default: str | None = None) -> str:
        """Ask until the answer is one, and return it."""
        while True:
            typed = typer.prompt(text, default=default, show_default=bool(default), err=True)
            try:
                return take(str(typed))
            except ValueError as error:
                typer.echo(f"{typed}: {error}", err=True)


def say_on_terminal(text: str) -> None:
    """Say what takes a while, where somebody looks on; on stderr, for stdout is for answers."""
    if sys.stderr.isatty():
        typer.echo(text, err=True)
