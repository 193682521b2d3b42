"""``init``: from nothing to a configuration that is checked, with or without questions."""

from __future__ import annotations

from dataclasses import replace

import typer

from sftp_orchestrator.calling import COMMAND, spell_out
from sftp_orchestrator.cli import init_options, init_plan, layout, options
from sftp_orchestrator.cli.check import look, print_results
from sftp_orchestrator.cli.questions import Asker, say_on_terminal
from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.credentials import get_fingerprint, load_credentials
from sftp_orchestrator.errors import ExitCode, KeyRefused
from sftp_orchestrator.setting_up import again, answers, feeds, plan
from sftp_orchestrator.setting_up.answers import Given
from sftp_orchestrator.setting_up.layout import Layout, find_layout, put
from sftp_orchestrator.setting_up.login_key import show_public


def init(  # noqa: PLR0913 - typer makes each argument an option
    context: typer.Context,
    folder: init_options.FolderArgument = None,
    *,
    host: init_options.HostOption = None,
    port: init_options.PortOption = None,
    username: init_options.UsernameOption = None,
    client_email: init_options.ClientEmailOption = None,
    sample: init_options.SampleOption = None,
    feed_type: init_options.FeedTypeOption = None,
    private_key: init_options.PrivateKeyOption = None,
    passphrase_file: init_options.PassphraseFileOption = None,
    host_key_fingerprint: init_options.HostKeyFingerprintOption = None,
    accept_new_host_key: init_options.AcceptNewHostKeyOption = False,
    public_key: init_options.PublicKeyOption = None,
    key_id: init_options.KeyIdOption = None,
    staging: init_options.StagingOption = None,
    workspace: init_options.WorkspaceOption = None,
    yes: init_options.YesOption = False,
    force: init_options.ForceOption = False,
) -> int:
    """Set everything up: asks what it needs, makes or takes in keys, pins the host key, and checks the result.

    Called again it goes on where it stopped, such as once the public key is registered. Without a terminal it asks
    nothing, and options say everything.
    """
    options.quieten(context)
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
        staging=staging,
        workspace=workspace,
        is_forced=force,
    )
    return _set_up(find_layout(folder, staging, workspace), given, may_ask=not yes)


def _set_up(places: Layout, given: Given, *, may_ask: bool) -> int:
    asker = Asker(str(places.folder), may_ask=may_ask)
    if places.config.exists() and not given.is_forced:
        return _conclude(places, _resume(places, given, asker))
    decided = init_plan.decide(places, given, asker)
    configuration = put(places, decided.list_contents(), force=given.is_forced, load=loading.load)
    _say_what_was_made(decided)
    errors = feeds.count_errors(places.config.read_text(encoding="utf-8"))
    code = _conclude(places, configuration, has_new_key=decided.key.is_new, errors=errors)
    return max(code, ExitCode.NOT_ALL_DELIVERED) if errors else code


def _resume(places: Layout, given: Given, asker: Asker) -> Configuration:
    """Return the configuration of an earlier call; raises ConfigurationError where options contradict it."""
    configuration = loading.load(places.config)
    if given.host is not None:
        given = replace(given, host=asker.get(answers.HOST, given.host))
    again.require_same(places, configuration, given)
    samples = init_plan.describe_samples(given.samples, configuration.feeds)
    typer.echo(f"{places.config} is there and is kept; --force writes it anew.")
    for line in samples:
        layout.say(options.get_console(), line)
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


def _conclude(places: Layout, configuration: Configuration, *, has_new_key: bool = False, errors: int = 0) -> int:
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
        warned = [result.subject for result in results.all if result.is_warning]
        doubts = feeds.count_doubts(places.config.read_text(encoding="utf-8"))
        steps = list(plan.list_beginning(configuration, warned=warned, doubts=doubts, errors=errors))
    if steps:
        typer.echo("\nNext:")
    command = plan.get_command(places.config)
    for number, step in enumerate(steps, start=1):
        layout.say(console, f"  {number}. {step if f'{COMMAND} init' in step else spell_out(step, command)}")
    return results.exit_code
