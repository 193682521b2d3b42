"""``sandbox``: the look-alike receiver, in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from sftp_orchestrator import threads
from sftp_orchestrator.sandbox import snippet
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import ENCRYPTED_LIMIT_BYTES, PLAIN_LIMIT_BYTES, Limits, Settings

RootOption = Annotated[Path, typer.Option(metavar="DIR", help="Where it keeps its keys, what it gets, and its log.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 = one that is free.")]
HostKeyOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Private host key, else one is made.")]
AuthorizedKeysOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Public keys that may log in, else one pair is made.")
]
OpenPGPOption = Annotated[
    Path | None,
    typer.Option(
        "--openpgp-private-key", metavar="FILE", help="Key to decrypt with, without passphrase, else one is made."
    ),
]
KeyIdOption = Annotated[str | None, typer.Option(metavar="UUID", help="What manifests call that key.")]
PlainOption = Annotated[int, typer.Option(min=1, help="A plain data file must stay below so many bytes.")]
EncryptedOption = Annotated[int, typer.Option(min=1, help="An encrypted data file must stay below so many bytes.")]
UsernameOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The one user name that may log in, else any.")
]


def sandbox(  # noqa: PLR0913 - typer makes each argument an option
    root: RootOption,
    port: PortOption,
    *,
    host_key: HostKeyOption = None,
    authorized_keys: AuthorizedKeysOption = None,
    openpgp_private_key: OpenPGPOption = None,
    key_id: KeyIdOption = None,
    plain_bytes: PlainOption = PLAIN_LIMIT_BYTES,
    encrypted_bytes: EncryptedOption = ENCRYPTED_LIMIT_BYTES,
    username: UsernameOption = None,
) -> None:
    """Run a receiver that behaves as CleverTap's SFTP import documents it, on this machine."""
    settings = Settings(
        root=root,
        port=port,
        host_key=host_key,
        authorized_keys=authorized_keys,
        openpgp_private_key=openpgp_private_key,
        key_id=key_id,
        limits=Limits(plain_bytes=plain_bytes, encrypted_bytes=encrypted_bytes),
        username=username,
    )
    threads.run(_run(settings))


async def _run(settings: Settings) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with Sandbox(settings) as running:
        _print_locations(running)
        typer.echo(f"sandbox is ready on {running.access.host}:{running.port}")
        await ended.wait()


def _print_locations(running: Sandbox) -> None:
    paths = running.paths
    places = {
        "files received": paths.inbox,
        "activity log": paths.activity,
        "failed rows": paths.failures,
        "keys": paths.keys,
        "known_hosts": paths.known_hosts,
    }
    for what, path in places.items():
        typer.echo(f"{what + ':':<16}{path}")
    typer.echo()
    typer.echo(snippet.render(running.access, running.settings.limits))
