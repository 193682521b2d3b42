"""Tells on stderr what went wrong: a line for each failure, with the commands as they were called."""

from __future__ import annotations

from collections.abc import Iterator

from sftp_orchestrator.calling import spell_out
from sftp_orchestrator.errors import ExitCode, Failure, get_exit_code


def complain_of(error: Failure | BaseExceptionGroup[Failure], command: str) -> ExitCode:
    """Tell of a failure, or of each in a group; return the highest exit code. ``command`` is how we were called."""
    from sftp_orchestrator.cli import layout  # noqa: PLC0415 - needed where something is wrong alone, and slow to read

    failures = list(_flatten(error))
    for failure in failures:
        for line in spell_out(str(failure), command).splitlines():
            layout.complain(f"sftp-orchestrator: {line}")
    return max(get_exit_code(failure) for failure in failures)


def _flatten(error: Failure | BaseExceptionGroup[Failure]) -> Iterator[Failure]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _flatten(one)
    else:
        yield error
