"""``init``: from nothing to a configuration that is checked, with or without questions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from sftp_orchestrator.calling import COMMAND, spell_out
from sftp_orchestrator.cli import init_plan, layout, options
from sftp_orchestrator.cli.check import look, print_results
from sftp_orchestrator.cli.init_plan import Given
from sftp_orchestrator.cli.questions import Asker, say_on_terminal
from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.credentials import get_fingerprint, load_credentials
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ExitCode, KeyRefused
from sftp_orchestrator.setting_up import answers, plan
from sftp_orchestrator.setting_up.layout import Layout, find_layout, put
from sftp_orchestrator.setting_up.login_key import show_public

FolderArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FOLDER]",
        help="Where configuration and keys lie; /etc/sftp-orchestrator where we may write there,"
        " else sftp-orchestrator in the current folder.",
    ),
]


def init(  # noqa: PLR0913 - typer makes each argument an option
    context: typer.Context,
    folder: FolderArgument = None,
    *,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="HOST", help="The receiver's host, or a region of CleverTap such as eu1."),
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Its port, else 22.")] = None,
    username: Annotated[
        str | None, typer.Option("--username", metavar="NAME", help="The user name there; CleverTap: the account id.")
    ] = None,
    client_email: Annotated[
        str | None, typer.Option("--client-email", metavar="ADDRESS", help="Where CleverTap's notices go.")
    ] = None,
    sample: Annotated[
        list[Path] | None,
        typer.Option("--sample", metavar="FILE", help="A typical file, to map its columns by; may be repeated."),
    ] = None,
    feed_type: Annotated[
        FeedType | None, typer.Option("--feed-type", help="Without a sample: what the rows of your files are.")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option("--private-key", metavar="FILE", help="An SSH key to take in, else one is made.")
    ] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Where the passphrase of that key lies.")
    ] = None,
    host_key_fingerprint: Annotated[
        list[str] | None,
        typer.Option(
            "--host-key-fingerprint",
            metavar="SHA256:…",
            help="Pin the host key with this fingerprint, and no other; may be repeated.",
        ),
    ] = None,
    accept_new_host_key: Annotated[
        bool,
        typer.Option("--accept-new-host-key", help="Pin whatever the host shows now: whoever stands in between, too."),
    ] = False,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="FILE", help="The OpenPGP key to encrypt with, else none.")
    ] = None,
    key_id: Annotated[
        str | None, typer.Option("--key-id", metavar="UUID", help="What CleverTap calls that OpenPGP key.")
    ] = None,
    staging: Annotated[
        Path | None, typer.Option("--staging", metavar="DIR", help="Where producers drop files, else beside the rest.")
    ] = None,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", metavar="DIR", help="Where ledger and archive lie, else beside it.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: what no option says has its default.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write configuration and pins anew; an SSH key only with --private-key.")
    ] = False,
) -> int:
    """Set everything up: asks what it needs, makes or takes in keys, pins the host key, and checks the result.

    Called again it goes on where it stopped, such as once the public key is registered. Without a terminal it asks
    nothing, and options say everything.
    """
    options.quieten(context)
    places = find_layout(folder, staging, workspace)
    if places.config.exists() and not force:
        said = {"--host": host and answers.get_host(host), "--port": port, "--username": username}
        said |= {"--client-email": client_email, "--key-id": key_id}
        return _conclude(places, _resume(places, said))
    given = Given(
        host=host,
        port=port,
        username=username,
        client_email=client_email,
        samples=tuple(sample or ()),
        feed_type=feed_type,
        private_key=private_key,
        passphrase_file=passphrase_file,
        host_key_fingerprints=tuple(host_key_fingerprint or ()),
        accepts_new_host_key=accept_new_host_key,
        public_key=public_key,
        key_id=key_id,
        is_forced=force,
    )
    decided = init_plan.decide(places, given, Asker(str(places.folder), may_ask=not yes))
    configuration = put(places, decided.list_contents(), force=force, load=loading.load)
    _say_what_was_made(decided)
    return _conclude(places, configuration, has_new_key=decided.key.is_new)


def _resume(places: Layout, given: Mapping[str, str | int | None]) -> Configuration:
    """Return the configuration of an earlier call; raises ConfigurationError where options contradict it."""
    configuration = loading.load(places.config)
    plan.require_same(places.config, next(iter(configuration.destinations.values())), given)
    typer.echo(f"{places.config} is there and is kept; --force writes it anew.")
    return configuration


def _say_what_was_made(decided: plan.Plan) -> None:
    key = decided.key
    told = [
        ("SSH key", f"{key.fingerprint}, {key.origin}"),
        *(("pinned", get_fingerprint(one)) for one in decided.host_keys),
    ]
    if decided.openpgp is not None:
        told.append(("OpenPGP key", decided.openpgp.describe()))
    told += [("feed", said) for said in decided.feeds_said]
    told.append(("written", str(decided.layout.config)))
    layout.print_entries(options.get_console(), [layout.Entry(cells=(word,), name=said) for word, said in told])


def _conclude(places: Layout, configuration: Configuration, *, has_new_key: bool = False) -> int:
    """Check everything, the receiver too, and say what to do next."""
    console = options.get_console()
    say_on_terminal("Checking all of it, and logging in …")
    results = look(configuration, places.config, connect=True)
    typer.echo()
    print_results(console, results)
    # A receiver that does not know the user yet may well hang up, in place of saying no to the key.
    unknown = [
        name
        for name, result in results.destinations.items()
        if isinstance(result.failure, KeyRefused) or (has_new_key and result.failure is not None)
    ]
    steps: list[str] = []
    if unknown:
        destination = configuration.destinations[unknown[0]]
        typer.echo("\nThe public key to register with the receiver:\n")
        typer.echo(show_public(load_credentials(destination, unknown[0]).key))
        steps = list(plan.list_registering(destination, places.folder))
    elif results.exit_code is ExitCode.DONE:
        steps = list(plan.list_beginning(configuration))
    if steps:
        typer.echo("\nNext:")
    command = plan.get_command(places.config)
    for number, step in enumerate(steps, start=1):
        layout.say(console, f"  {number}. {step if f'{COMMAND} init' in step else spell_out(step, command)}")
    return results.exit_code
