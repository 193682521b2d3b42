"""``notify test``: whether alerts arrive, tried with one that says that it is a test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from functools import partial

import typer

from sftp_orchestrator import threads
from sftp_orchestrator.alerts import wording
from sftp_orchestrator.alerts.channels import SEND_SECONDS, open_channels
from sftp_orchestrator.alerts.dead_man import NAME, DeadMan
from sftp_orchestrator.cli import endings, layout, options
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.cli.help import Command, Group
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import ConfigurationError, ExitCode, Failure, Unreachable, get_exit_code

app = typer.Typer(
    name="notify",
    cls=Group,
    help="Alerts: whether they arrive.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def prepare() -> None:
    """Alerts: whether they arrive."""


@app.command(name="test", cls=Command, epilog=endings.render(endings.BY_COMMAND["notify test"]))
def send_a_test(context: typer.Context, config: ConfigOption = None) -> int:
    """Send a test by each channel of alerts, ask the dead-man's switch, and say which took it."""
    options.quieten(context)
    configuration = options.load_configuration(context, config)
    tries = list(_list_tries(configuration, options.get_command(context, config, elsewhere=True)))
    if not tries:
        raise ConfigurationError(
            "test", "alerts", "none is configured", hint="set alerts.urls or alerts.ping: docs/how-to/alerts.md"
        )
    console, codes = options.get_console(), [ExitCode.DONE]
    for name, attempt in tries:
        try:
            _try(name, attempt)
        except Failure as failure:
            codes.append(get_exit_code(failure))
            entry = layout.Entry(cells=("FAILED",), name=str(failure))
        else:
            entry = layout.Entry(cells=("ok",), name=f"{name} took it")
        layout.print_entries(console, [entry])
    return max(codes)


def _try(name: str, attempt: Callable[[], None]) -> None:
    """Make ``attempt``; raises ``Failure`` where it fails, or a service drags it out."""
    try:
        threads.begin(attempt, name="notify").result(SEND_SECONDS)
    except TimeoutError:
        raise Unreachable("send a test by", name, f"no whole answer within {SEND_SECONDS:g} s") from None


def _list_tries(configuration: Configuration, command: str) -> Iterator[tuple[str, Callable[[], None]]]:
    alerts = configuration.alerts
    text = wording.write_test(socket.gethostname(), command, alerts.page_url)
    for channel in open_channels(configuration):
        yield channel.name, partial(channel.send, text)
    if alerts.ping is not None:
        yield f"{NAME} ({alerts.ping})", partial(DeadMan(alerts.ping).ping, None)
