"""The command line: one module a command; prints, exits; no logic of its own."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from sftp_orchestrator import threads
from sftp_orchestrator.cli import app
from sftp_orchestrator.cli.arguments import Call
from sftp_orchestrator.cli.complaints import complain_of
from sftp_orchestrator.errors import ExitCode, Failure


def main() -> None:
    """Run the command line and exit with a code of the contract. A traceback is shown under ``--debug`` alone."""
    # Any command may make files in the workspace, and gpg and SQLite make some with the modes they are given.
    os.umask(0o077)
    threads.leave(execute(sys.argv[1:]))


def execute(arguments: list[str]) -> int:
    """Run one command; return its exit code. Errors go to stderr, one line each."""
    call = Call()
    try:
        result = app.app(arguments, prog_name="sftp-orchestrator", standalone_mode=False, obj=call)
    except typer.TyperException as error:
        # Needed for a mistake alone, and slow to read.
        from sftp_orchestrator.cli import layout, usage  # noqa: PLC0415

        said = usage.describe(error)
        # A help is laid out already.
        typer.echo(said, err=True) if "\n" in said else layout.complain(said)
        return ExitCode.USAGE
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except BaseExceptionGroup as group:
        failures = group.subgroup(Failure)
        if failures is None:
            raise
        _show_traceback(arguments)
        return complain_of(failures, call.command)
    except Failure as error:
        _show_traceback(arguments)
        return complain_of(error, call.command)
    except BrokenPipeError:
        # Whoever read our answer has seen enough (`… | head`); a second complaint at exit helps nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    return int(result) if isinstance(result, int) else ExitCode.DONE


def _show_traceback(arguments: list[str]) -> None:
    if "--debug" in arguments:
        traceback.print_exc()
