"""What several commands do with their options."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
import typer
from rich.console import Console

from sftp_orchestrator.asking import get_url
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.cli import layout
from sftp_orchestrator.cli.arguments import Call
from sftp_orchestrator.config import kept, loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.places import VARIABLE
from sftp_orchestrator.errors import ConfigurationError, Failure, LocalFault
from sftp_orchestrator.intake.lock import Holder, find_holder
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.workspace import Workspace

_WRONG = "the configuration is wrong"


def load_configuration(context: typer.Context, option: Path | None) -> Configuration:
    """Return the configuration that the file has; raises ``ConfigurationError``."""
    return loading.load(find_configuration(context, option))


def load_to_decide(context: typer.Context, option: Path | None) -> Configuration:
    """Return the configuration that the file has, for a command that decides something.

    Raises ``ConfigurationError``; where a daemon goes on all the same, ``ExceptionGroup`` of that and what still goes.
    """
    try:
        return load_configuration(context, option)
    except ConfigurationError as error:
        daemon = find_daemon(context, option)
        if daemon is None:
            raise
        said = f"nothing was done; {_describe_going_on(daemon)}; `{COMMAND} status` shows the files"
        raise ExceptionGroup(_WRONG, [error, _tell(context, said, _describe_mending(daemon))]) from error


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a command that only looks goes by."""

    configuration: Configuration
    notice: str | None = None
    """that this is the configuration that was gone by last, since the file is wrong; None where it is the file's"""


@contextlib.contextmanager
def open_sight(context: typer.Context, option: Path | None) -> Iterator[Sight]:
    """Give the configuration to look by: the file's, or, while that is wrong, the one that was gone by last.

    What is wrong is raised at the end of the context, with what the body raises, or at once where nothing was kept.
    """
    path = find_configuration(context, option)
    try:
        sight, wrong = Sight(configuration=loading.load(path)), list[Failure]()
    except ConfigurationError as error:
        daemon = find_daemon(context, option)
        wrong = [error, *([_tell_of_going_on(context, daemon)] if daemon is not None else [])]
        found = kept.recall(path)
        # What was kept may be older than what the daemon has read, where the disk was full.
        if found is None or (daemon is not None and daemon.configuration not in {None, found.digest()}):
            raise (ExceptionGroup(_WRONG, wrong) if daemon is not None else error) from error
        whose = "that the daemon goes on with" if daemon is not None else "that was gone by last"
        sight = Sight(
            configuration=found,
            notice=f"The configuration file is wrong: this is told by the one {whose}. What is wrong: {COMMAND} check",
        )
    try:
        yield sight
    except Failure as failure:
        if not wrong:
            raise
        wrong.insert(0, failure)
    if wrong:
        raise ExceptionGroup(_WRONG, wrong)


def _tell_of_going_on(context: typer.Context, daemon: Holder) -> ConfigurationError:
    return _tell(context, _describe_going_on(daemon), _describe_mending(daemon))


def _tell(context: typer.Context, said: str, hint: str) -> ConfigurationError:
    return ConfigurationError(context.command_path.removeprefix(f"{COMMAND} "), "", said, hint=hint)


def _describe_going_on(daemon: Holder) -> str:
    place = f"its page tells what it does: {get_url(daemon.page)}" if daemon.page else "its log tells what it does"
    return f"the daemon (process {daemon.pid}) goes on with the configuration that it read before; {place}"


def _describe_mending(daemon: Holder) -> str:
    return f"correct the file till `{COMMAND} check` passes; {name_reload(daemon)}"


def name_reload(daemon: Holder) -> str:
    """Return how to have the daemon read its configuration anew. Pure."""
    return f"have it read: systemctl reload {COMMAND}, or kill -HUP {daemon.pid}"


def find_daemon(context: typer.Context, option: Path | None) -> Holder | None:
    """Return the daemon that runs by a configuration, even where that cannot be loaded any more; None where none does.

    Raises ConfigurationError where there is no such file.
    """
    workspace = loading.find_workspace(find_configuration(context, option))
    # Of a workspace that we may not look into nothing is known.
    with contextlib.suppress(LocalFault):
        holder = find_holder(Workspace(root=workspace).lock) if workspace is not None else None
        # For a moment after its start it says nothing of itself yet.
        return holder if holder is not None and holder.pid is not None and not holder.is_pass else None
    return None


def find_configuration(context: typer.Context, option: Path | None) -> Path:
    """Return the file named after the command, before it, or by the environment, or that lies in a usual place.

    Raises ConfigurationError.
    """
    call = context.find_root().obj
    if isinstance(call, Call):
        call.command = get_command(context, option)
    return loading.find(option or context.find_root().params.get("config"))


def get_command(context: typer.Context, option: Path | None, *, elsewhere: bool = False) -> str:
    """Return how to call us once more with the same configuration; with ``elsewhere`` from any folder."""
    named: Path | None = option or context.find_root().params.get("config")
    if named is None and elsewhere and VARIABLE in os.environ:
        # Whoever reads it elsewhere is not in the shell that has it.
        named = Path(os.environ[VARIABLE])
    if named is None:
        return COMMAND
    return f"{COMMAND} --config {shlex.quote(str(named.absolute() if elsewhere else named))}"


def open_ledger(configuration: Configuration) -> Ledger:
    """Open the ledger beside a daemon that may be running: its transactions keep the two apart. Raises LocalFault."""
    workspace = Workspace(root=configuration.workspace)
    workspace.prepare()
    return Ledger.open(configuration.ledger.url, workspace.root)


def open_ledger_to_look(configuration: Configuration) -> Ledger:
    """Do as ``open_ledger``; but a disk that is full, or turned read-only, keeps nobody from looking."""
    try:
        return open_ledger(configuration)
    except LocalFault:
        found = Ledger.open_for_reading(configuration.ledger.url, configuration.workspace)
        if found is None:
            raise
        return found


def quieten(context: typer.Context, level: int = logging.WARNING) -> None:
    """Keep what is below ``level`` out of the log of a command that answers by itself; ``--debug`` goes before."""
    if not context.find_root().params.get("debug"):
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))


def get_console() -> Console:
    """Return where answers go."""
    return layout.make_console()


def get_person() -> str:
    """Return who decides, for the history."""
    try:
        return f"{getpass.getuser()}"
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
