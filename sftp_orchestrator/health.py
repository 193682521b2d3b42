"""What ``check`` looks at before a byte leaves: folders, ledger, space, keys and their expiry, and the receivers."""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
import tempfile
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path

from sftp_orchestrator import account, units
from sftp_orchestrator.alerts.channels import Channel, list_channels
from sftp_orchestrator.alerts.conditions import KEY_DAYS
from sftp_orchestrator.alerts.dead_man import DeadMan
from sftp_orchestrator.config import credentials, ledger_url
from sftp_orchestrator.config.findings import InvalidConfiguration, KeyPath
from sftp_orchestrator.config.model import Column, Configuration, Destination, Verify
from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.deliver import probe, sftp
from sftp_orchestrator.deliver.credentials import get_fingerprint, load_credentials
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.rules import RULES, Severity
from sftp_orchestrator.errors import Failure, LocalFault, ReceiverRefused, Unreachable
from sftp_orchestrator.folders import (
    Result,
    attempt,
    can_look_into,
    check_file_systems,
    check_folder,
    check_workspace,
)
from sftp_orchestrator.intake import pausing
from sftp_orchestrator.intake.pausing import Room
from sftp_orchestrator.ledger.database import examine_database
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.outlook import describe_taken
from sftp_orchestrator.prepare.checks.columns import get_mapping
from sftp_orchestrator.prepare.checks.header_checks import OBJECT_ID_RULE, TIME_RULE
from sftp_orchestrator.prepare.checks.severities import get_severity
from sftp_orchestrator.prepare.earlier import types_kept
from sftp_orchestrator.prepare.parts import planning
from sftp_orchestrator.workspace import Workspace

EXPIRY_WARNING_DAYS = max(KEY_DAYS)
"""An OpenPGP key that expires sooner is worth a line, as it is worth an alert."""
SPACE_WARNING_BYTES = 10_000_000_000
"""Less free space than two of the largest files is worth a line."""
_READ_ONLY_STAGING = "files are moved out of it: mount its file system writable"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def check_machine(configuration: Configuration, path: Path) -> Iterator[Result]:
    """Look at the configuration file ``path``, secrets, folders, ledger, space and keys; nothing is sent."""
    workspace = Workspace(root=configuration.workspace)
    yield Result(subject="configuration", said=str(path))
    yield from _check_writers(configuration, path)
    yield from _check_readers(configuration, path)
    secrets = attempt("secrets", lambda: _check_secrets(configuration))
    yield secrets
    told = _list_told(secrets.failure)
    yield from _check_as_owner(configuration, path)
    yield from _check_logins(configuration, told)
    yield from _check_alerts(configuration, told)
    yield attempt("staging", lambda: check_folder(configuration.staging, _READ_ONLY_STAGING))
    folder = check_workspace(workspace)
    yield folder
    yield from check_file_systems(configuration)
    yield from _check_mappings(configuration)
    # What cannot be written to may be looked into all the same; what cannot be entered has no more to tell.
    if can_look_into(workspace.root):
        ledger = attempt("ledger", lambda: _check_ledger(configuration, workspace))
        yield ledger
        if ledger.failure is None:
            yield from _check_types(configuration)
        yield from _check_space(configuration)
    with contextlib.ExitStack() as stack:
        home = workspace if folder.failure is None else stack.enter_context(_make_scratch())
        yield from _check_keys(configuration, home, told)


async def check_receiver(name: str, destination: Destination, *, took_until: datetime.datetime | None = None) -> Result:
    """Log in, and write and remove a probe that no receiver takes for a file of ours.

    Where it cannot be reached, it is told that it took files until then.
    """
    subject = f"destination {name}"
    try:
        remote = await sftp.connect(destination, name)
        try:
            facts = await probe.probe(remote)
        finally:
            await remote.close()
    except Failure as failure:
        now = datetime.datetime.now(datetime.UTC)
        taken = describe_taken(took_until, now, is_away=isinstance(failure, Unreachable))
        said = str(failure) if taken is None else f"{failure}; {taken}"
        return Result(subject=subject, said=said, failure=failure)
    if destination.verify is Verify.REQUIRED and not facts.shows_uploads:
        hidden = ReceiverRefused(
            "verify", name, "the receiver does not show what was put there", hint="set verify: best_effort"
        )
        return Result(subject=subject, said=str(hidden), failure=hidden)
    left = facts.left_behind
    return Result(
        subject=subject,
        said=f"logged in to {facts.server_version}, host key {facts.host_key}, {facts.cipher}; probe written"
        + (" and removed" if left is None else f"; it could not be removed: {left} lies there"),
        is_warning=left is not None,
    )


def list_last_deliveries(configuration: Configuration) -> dict[str, datetime.datetime]:
    """Return when each destination took a file last; nothing where the ledger cannot be asked, which others tell."""
    try:
        ledger = Ledger.open_for_reading(configuration.ledger.url, configuration.workspace)
        if ledger is None:
            return {}
        with ledger:
            return ledger.deliveries.list_last()
    except LocalFault:
        return {}


def _check_secrets(configuration: Configuration) -> str:
    credentials.require_secrets(configuration)
    return "all readable, private ones by us alone"


def _list_told(failure: Failure | None) -> frozenset[KeyPath]:
    """Return the keys of the configuration whose secrets are told of already, so that nothing is told twice."""
    return (
        frozenset(finding.path for finding in failure.findings)
        if isinstance(failure, InvalidConfiguration)
        else frozenset()
    )


def _check_writers(configuration: Configuration, path: Path) -> Iterator[Result]:
    """Warn of files that others may write to: whoever changes them chooses who gets the data."""
    files: dict[str, Path | None] = {"configuration": path}
    for name, destination in configuration.destinations.items():
        files[f"known_hosts of {name}"] = destination.known_hosts
        files[f"OpenPGP key of {name}"] = _get_public_key(destination)
    for subject, file in files.items():
        with contextlib.suppress(OSError):
            mode = file.stat().st_mode if file is not None else 0
            if mode & _WRITABLE_BY_OTHERS:
                said = (
                    f"the permissions {stat.S_IMODE(mode):04o} of {file} let others write to it; run: chmod go-w {file}"
                )
                yield Result(subject=subject, said=said, is_warning=True)


def _check_readers(configuration: Configuration, path: Path) -> Iterator[Result]:
    """Warn where everybody may read the ledger's password; a group may be the daemon's own."""
    url = configuration.ledger.url
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if ledger_url.hide_password(url) != url and mode & stat.S_IROTH:
            said = (
                f"the permissions {stat.S_IMODE(mode):04o} of {path} let everybody read the password in ledger.url;"
                f" run: chmod o-r {path}"
            )
            yield Result(subject="configuration", said=said, is_warning=True)


def _check_as_owner(configuration: Configuration, path: Path) -> Iterator[Result]:
    """Warn of files that the daemon cannot read, where root looks in its place, who may read them all."""
    owner = account.find_owner(configuration.workspace) if os.geteuid() == 0 else None
    if owner is None or owner.uid == 0:
        return
    found: dict[Path, tuple[account.Obstacle, list[str]]] = {}
    private = dict(_list_needed(configuration, path))
    for file in private:
        if obstacle := account.find_obstacle(file, owner):
            found.setdefault(obstacle.path, (obstacle, []))[1].append(file.name)
    for place, (obstacle, names) in found.items():
        if obstacle.is_folder:
            what, mend = f"enter {place}", f"chmod {obstacle.who}+x {place}, or keep elsewhere: {', '.join(names)}"
        else:
            is_mode = obstacle.who == "u" or not private[place]
            what = f"read {place}"
            mend = f"chmod {obstacle.who}+r {place}" if is_mode else f"chown {owner.name} {place}"
        said = f"{owner.name}, who owns the workspace, may not {what} ({obstacle.mode:04o}); run: {mend}"
        yield Result(subject="daemon's user", said=said, is_warning=True)


def _list_needed(configuration: Configuration, path: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the files that a daemon reads, each with whether nobody but their owner may."""
    yield path, False
    for _, reference, is_private in credentials.list_secrets(configuration):
        if reference.file is not None:
            yield reference.file, is_private
    for destination in configuration.destinations.values():
        if destination.known_hosts is not None:
            yield destination.known_hosts, False


def _get_public_key(destination: Destination) -> Path | None:
    return destination.encryption.public_key.file if destination.encryption is not None else None


def _check_logins(configuration: Configuration, told: Container[KeyPath]) -> Iterator[Result]:
    for name, destination in configuration.destinations.items():
        needed = ("private_key", "private_key_passphrase")
        if not any(("destinations", name, key) in told for key in needed):
            yield attempt(f"SSH key of {name}", partial(_check_login, destination, name))


def _check_login(destination: Destination, name: str) -> str:
    return get_fingerprint(load_credentials(destination, name).key)


def _check_alerts(configuration: Configuration, told: Container[KeyPath]) -> Iterator[Result]:
    """Look whether each channel is one that can be used; nothing is sent: ``notify test`` does that."""
    alerts = configuration.alerts
    if alerts.urls and not any(("alerts", "urls", index) in told for index in range(len(alerts.urls))):
        for channel in list_channels(configuration):
            if channel.same_as is None:
                yield attempt("alerts", partial(_check_channel, channel))
            else:
                said = f"{channel.name}: the same as {channel.same_as}, and told once"
                yield Result(subject="alerts", said=said, is_warning=True)
    if alerts.ping is not None and ("alerts", "ping") not in told:
        yield attempt("ping", partial(_check_ping, alerts.ping))


def _check_channel(channel: Channel) -> str:
    channel.require_known()
    return f"{channel.name}; sftp-orchestrator notify test sends one"


def _check_ping(reference: SecretReference) -> str:
    DeadMan(reference)
    return str(reference)


def _check_ledger(configuration: Configuration, workspace: Workspace) -> str:
    found = examine_database(configuration.ledger.url, workspace.root)
    if found.revision is None:
        return f"{found.place}; the first start makes it"
    if found.revision == found.newest:
        return f"{found.place}; up to date"
    return f"{found.place}; the next start migrates it from schema {found.revision} to {found.newest}"


def _check_types(configuration: Configuration) -> Iterator[Result]:
    """Warn of feeds whose types are not those that were delivered: every file of theirs would be held."""
    try:
        ledger = Ledger.open_for_reading(configuration.ledger.url, configuration.workspace)
        if ledger is None:
            return
        with ledger:
            found = types_kept.list_configured(configuration, ledger)
    except LocalFault as failure:
        yield Result(subject="types", said=str(failure), failure=failure)
        return
    for feed, contradictions in found.items():
        if contradictions:
            said = (
                f"{types_kept.explain(contradictions, feed)}; a file of it would be held:"
                " see docs/how-to/change-a-type.md"
            )
            yield Result(subject=f"feed {feed}", said=said, is_warning=True)


def _check_mappings(configuration: Configuration) -> Iterator[Result]:
    """Warn of feeds without objectId or time; by their configuration alone, for there may be no file yet."""
    wanted = {clevertap.OBJECT_ID: (OBJECT_ID_RULE, "it is missing, which the receiver's FAQ calls mandatory")}
    for_events = {clevertap.TIME: (TIME_RULE, "each event counts as of when it is processed")}
    for name, feed in configuration.feeds.items():
        headers = {*feed.columns, *feed.rename.values()}
        given = {(get_mapping(header, feed) or Column()).ct_name or header for header in headers}
        for column, (rule, otherwise) in (wanted | (for_events if feed.type is FeedType.EVENT else {})).items():
            if column not in given and get_severity(RULES[rule], feed) is not Severity.OFF:
                said = (
                    f"no column is mapped to {column}: unless a header is called so, {otherwise};"
                    f' map one, or say that you mean it by rules: {{{rule}: "off"}}'
                )
                yield Result(subject=f"feed {name}", said=said, is_warning=True)


def _check_space(configuration: Configuration) -> Iterator[Result]:
    try:
        room = pausing.look(configuration)
    except LocalFault as failure:
        yield Result(subject="space", said=str(failure), failure=failure)
        return
    yield _judge_space(room)
    if room.staging_free_bytes is not None:
        said = f"{units.format_bytes(room.staging_free_bytes)} free, for producers to write to"
        few = room.staging_free_bytes < SPACE_WARNING_BYTES
        yield Result(subject="space in staging", said=said, is_warning=few)


def _judge_space(room: Room) -> Result:
    """Say how much is free, and what follows. Pure."""
    if room.is_paused:
        return Result(subject="space", said=f"make room: {room.describe()}", is_warning=True)
    said = f"{units.format_bytes(room.free_bytes)} free"
    if room.pause_below_bytes:
        said += f"; the intake pauses below {units.format_bytes(room.pause_below_bytes)}"
    return Result(subject="space", said=said, is_warning=room.free_bytes < SPACE_WARNING_BYTES)


@contextlib.contextmanager
def _make_scratch() -> Iterator[Workspace]:
    """Give a workspace for gpg to import keys into, where that of the configuration cannot be written to."""
    with tempfile.TemporaryDirectory(prefix="sftp-orchestrator-") as folder:
        scratch = Workspace(root=Path(folder))
        scratch.prepare()
        yield scratch


def _check_keys(configuration: Configuration, workspace: Workspace, told: Container[KeyPath]) -> Iterator[Result]:
    for name, destination in configuration.destinations.items():
        if destination.encryption is not None and ("destinations", name, "encryption", "public_key") not in told:
            yield _check_key(configuration, workspace, name)


def _check_key(configuration: Configuration, workspace: Workspace, name: str) -> Result:
    subject = f"OpenPGP key of {name}"
    # One at a time, so that one that cannot be used does not hide another.
    alone = configuration.model_copy(update={"destinations": {name: configuration.destinations[name]}})
    try:
        encryptor = planning.open_encryptors(alone, workspace)[name]
    except Failure as failure:
        return Result(subject=subject, said=str(failure), failure=failure)
    ends = encryptor.expires_at
    if ends is None:
        return Result(subject=subject, said=f"{encryptor.fingerprint}, never expires")
    days = (ends - datetime.datetime.now(datetime.UTC)).days
    said = f"{encryptor.fingerprint}, expires on {ends:%Y-%m-%d}, in {days} days"
    return Result(subject=subject, said=said, is_warning=days < EXPIRY_WARNING_DAYS)
