"""A set-up, decided in full before anything is written; and what a person does next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config import loading, sample
from sftp_orchestrator.config.model import Configuration, Destination
from sftp_orchestrator.deliver.receiver import Receiver
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.inference import rendering
from sftp_orchestrator.setting_up import answers, host_keys
from sftp_orchestrator.setting_up.layout import Content, Layout
from sftp_orchestrator.setting_up.login_key import LoginKey
from sftp_orchestrator.setting_up.openpgp_key import OpenPGPKey

TIMEOUT_SECONDS = 60.0
"""As a destination's own default: a receiver that does not answer within it is told of."""
_HEAD = f"""\
# The configuration of SFTP orchestrator, begun by `{COMMAND} init`. Every other key has its default:
# `{COMMAND} config sample` shows them all. Relative paths are relative to this file.
"""


def make_receiver(*, host: str, port: int, username: str) -> Receiver:
    """Return the receiver of a set-up as errors name it. Pure."""
    return Receiver(
        name=answers.DESTINATION,
        host=host,
        port=port,
        username=username,
        remote_dir=".",
        timeout_seconds=TIMEOUT_SECONDS,
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is to be written."""

    layout: Layout
    receiver: Receiver
    client_email: str
    key: LoginKey
    host_keys: Sequence[asyncssh.SSHKey]
    """to pin; none where the folder's known_hosts has some for this receiver already"""
    openpgp: OpenPGPKey | None
    feeds: str
    """what stands below ``feeds:``"""
    feeds_said: Sequence[str] = ()
    """what was proposed, for people"""

    def render_config(self) -> str:
        """Return the configuration. Pure."""
        show = self.layout.show
        sections: tuple[dict[str, Any], ...] = (
            {"staging": show(self.layout.staging), "workspace": show(self.layout.workspace)},
            {"destinations": {answers.DESTINATION: self._describe_destination()}},
            {"schedule": {"deliver": "on_arrival"}},
        )
        return "\n".join([_HEAD, *map(sample.render_given, sections), f"feeds:\n{self.feeds}"])

    def list_contents(self) -> dict[Path, Content]:
        """Return the files to write, the configuration last: it tells that the rest is there."""
        contents = self.key.list_contents()
        if self.host_keys:
            contents[self.layout.known_hosts] = Content(content=host_keys.render(self.receiver, self.host_keys))
        if self.openpgp is not None:
            contents[self.layout.openpgp_key] = self.openpgp.content
        contents[self.layout.config] = Content(content=self.render_config().encode(), mode=0o640)
        return contents

    def _describe_destination(self) -> dict[str, Any]:
        show = self.layout.show
        passphrase, openpgp = self.key.passphrase, self.openpgp
        return {
            "host": self.receiver.host,
            "port": self.receiver.port,
            "username": self.receiver.username,
            "private_key": {"file": show(self.key.path)},
            **({"private_key_passphrase": {"file": show(passphrase)}} if passphrase is not None else {}),
            "known_hosts": show(self.layout.known_hosts),
            "client_email": self.client_email,
            **(
                {"encryption": {"public_key": {"file": show(self.layout.openpgp_key)}, "key_id": openpgp.key_id}}
                if openpgp is not None
                else {}
            ),
        }


def get_command(config: Path) -> str:
    """Return how the program is called with this configuration from any folder. Pure."""
    return COMMAND if config == loading.DEFAULT_PATHS[-1] else f"{COMMAND} --config {shlex.quote(str(config))}"


def list_registering(destination: Destination, folder: Path) -> Iterator[str]:
    """Yield what a person does with the public key that is printed above, a step each. Pure."""
    if answers.is_clevertap(destination.host):
        yield "In CleverTap's dashboard: Settings > Partner > Import > SFTP, tab Saved Keys, Add key."
        yield (
            f"Paste the line above as the SSH public key. The user name shown there must be {destination.username},"
            f" and the server's address, below the saved keys, {destination.host}."
        )
    else:
        yield f"Register the line above with the receiver, as a public key of user {destination.username}."
    yield f"Then look again: {COMMAND} init {shlex.quote(str(folder))}"


def list_beginning(
    configuration: Configuration, *, warned: Sequence[str], doubts: int, errors: int = 0
) -> Iterator[str]:
    """Yield what a person does once all is in place, a step each. Pure.

    ``warned`` are the subjects of what was warned of, ``doubts`` how many comments of the configuration tell of some,
    ``errors`` how many tell why no file of a feed could be sent.
    """
    if errors:
        yield f"Put right first what stands below {Severity.ERROR} in the configuration: else no file of it is sent"
    if warned:
        yield f"Read first what is warned of above: {', '.join(dict.fromkeys(warned))}"
    if doubts:
        which = "the comment" if doubts == 1 else f"the {doubts} comments"
        yield f"Read first {which} in the configuration that begin{'s' * (doubts == 1)} with {rendering.DOUBTFUL}"
    yield f"Drop files into {configuration.staging}"
    yield f"Deliver once: {COMMAND} run --once"
    yield f"Or begin the service: {COMMAND} run"
