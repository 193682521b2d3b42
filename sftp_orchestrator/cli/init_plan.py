"""What ``init`` sets up, decided from options, answers and what the host shows, before anything is written."""

from __future__ import annotations

import datetime
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncssh
import typer

from sftp_orchestrator import threads
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.cli.questions import Asker, say_on_terminal
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.deliver.credentials import get_fingerprint
from sftp_orchestrator.deliver.receiver import Receiver
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.inference.proposal import Proposal
from sftp_orchestrator.inference.samples import Sample
from sftp_orchestrator.intake.matching import explain_mismatch, list_matching_feeds
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.prepare.given import require_file
from sftp_orchestrator.progress import Board
from sftp_orchestrator.setting_up import answers, feeds, host_keys
from sftp_orchestrator.setting_up.answers import Given
from sftp_orchestrator.setting_up.differing import list_differences
from sftp_orchestrator.setting_up.layout import Layout
from sftp_orchestrator.setting_up.login_key import provide_key
from sftp_orchestrator.setting_up.openpgp_key import read_openpgp_key
from sftp_orchestrator.setting_up.plan import Plan, make_receiver

DEFAULT_PORT = 22
_PINNING = ("--host-key-fingerprint", "--accept-new-host-key")


def decide(places: Layout, given: Given, asker: Asker) -> Plan:
    """Return what to write; asks first, and only then looks at files and at the host. Nothing is written.

    Raises:
        ConfigurationError: an option is wrong, or is missing where nobody can be asked.
        Failure: as reading the files and asking the host do.
    """
    host = asker.get(answers.HOST, given.host)
    port = _get_port(host, given, asker)
    username = asker.get(answers.USERNAME, given.username)
    client_email = asker.get(answers.CLIENT_EMAIL, given.client_email)
    samples, kind = _get_files(given, asker)
    openpgp = _get_openpgp(given, asker)
    receiver = make_receiver(host=host, port=port, username=username)
    pinned = [] if given.is_forced else host_keys.list_pinned(places.known_hosts, receiver)
    if not (pinned or given.host_key_fingerprints or given.accepts_new_host_key):
        asker.require_ability(" or ".join(_PINNING))
    asker.require_all()
    key = provide_key(places, given.private_key, given.passphrase_file)
    proposals = _infer(samples)
    encryption = read_openpgp_key(*openpgp, datetime.datetime.now(datetime.UTC)) if openpgp is not None else None
    return Plan(
        layout=places,
        receiver=receiver,
        client_email=client_email,
        key=key,
        host_keys=() if pinned else _pin(receiver, given, asker),
        openpgp=encryption,
        feeds=feeds.render_feeds(proposals) if proposals else feeds.render_plain_feed(kind),
        feeds_said=tuple(map(feeds.describe, proposals)),
    )


def describe_samples(paths: Sequence[Path], feeds_there: Mapping[str, Feed]) -> list[str]:
    """Return a line for each sample: whether ``infer`` proposes for it what the one feed has that takes it.

    Raises as reading the files does.
    """
    lines: list[str] = []
    for path in paths:
        fitting = list_matching_feeds(os.fsencode(path.name), feeds_there)
        if len(fitting) != 1:
            lines.append(f"--sample {path}: {explain_mismatch(fitting, feeds_there)}.")
            continue
        (proposal,) = _infer([path])
        found = list_differences(feeds_there[fitting[0]], proposal)
        command = f"`{COMMAND} infer {shlex.quote(str(path))}`"
        said = f"is left as it was, though {command} proposes another entry, to be pasted there: {'; '.join(found)}"
        lines.append(f"--sample {path}: feed {fitting[0]} {said if found else f'maps it as {command} proposes'}.")
    return lines


def _get_port(host: str, given: Given, asker: Asker) -> int:
    if given.port is not None or answers.is_clevertap(host) or not asker.may_ask:
        return given.port or DEFAULT_PORT
    return int(asker.get(answers.PORT, None))


def _get_files(given: Given, asker: Asker) -> tuple[Sequence[Path], FeedType]:
    """Return the samples; without any, the kind of file that stands for them."""
    samples = list(given.samples)
    if not samples and given.feed_type is None and asker.may_ask:
        while typed := asker.get(answers.ANOTHER_SAMPLE if samples else answers.SAMPLE, None):
            samples.append(Path(typed))
    if samples:
        return samples, FeedType.EVENT
    if given.feed_type is None and not asker.may_ask:
        asker.require_ability(f"{answers.SAMPLE.option} or {answers.KIND.option}")
        return (), FeedType.EVENT
    return (), FeedType(asker.get(answers.KIND, given.feed_type))


def _get_openpgp(given: Given, asker: Asker) -> tuple[Path, str] | None:
    """Return the OpenPGP key's file and its Key ID; None where files are sent plain."""
    if given.public_key is None and given.key_id is not None and not asker.may_ask:
        asker.require_ability(answers.PUBLIC_KEY.option)
    path = asker.get(answers.PUBLIC_KEY, str(given.public_key) if given.public_key is not None else None)
    return (Path(path), asker.get(answers.KEY_ID, given.key_id)) if path else None


def _infer(paths: Sequence[Path]) -> tuple[Proposal, ...]:
    # As for `infer`: a person may well name the file by a link.
    samples = [Sample(path=path.resolve(), name=display_path(os.fsencode(path.name))) for path in paths]
    for sample in samples:
        require_file("infer", sample.path)
    board = Board()
    with show_progress(board):
        return feeds.propose_feeds(samples, board)


def _pin(receiver: Receiver, given: Given, asker: Asker) -> Sequence[asyncssh.SSHKey]:
    """Return the host keys to pin: those with a given fingerprint, or those that somebody says yes to."""
    say_on_terminal(f"Asking {receiver.address} for its host keys …")
    offered = threads.run(host_keys.fetch_host_keys(receiver))
    if given.host_key_fingerprints:
        return host_keys.choose(offered, given.host_key_fingerprints, receiver)
    if given.accepts_new_host_key:
        return offered
    typer.echo("It shows:", err=True)
    for key in offered:
        typer.echo(f"  {get_fingerprint(key)}", err=True)
    said = asker.ask("Is it what the receiver published (yes, no, or its fingerprint)?", _take_word)
    if host_keys.is_fingerprint(said):
        return host_keys.choose(offered, [said], receiver)
    if said == "no":
        raise ConfigurationError(
            "trust", receiver.address, "you did not say yes to its host key", hint="nothing was written"
        )
    return offered


def _take_word(text: str) -> str:
    word = text.strip()
    if host_keys.is_fingerprint(word):
        return word
    # As with OpenSSH a mere "y" is no yes: it is typed too easily.
    if word.casefold() in {"yes", "no"}:
        return word.casefold()
    msg = "must be yes, no or a fingerprint that begins with SHA256:"
    raise ValueError(msg)
