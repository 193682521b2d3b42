"""The options of ``init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sftp_orchestrator.destination.clevertap import FeedType

FolderArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FOLDER]",
        help="Where configuration and keys lie; /etc/sftp-orchestrator where we may write there,"
        " else sftp-orchestrator in the current folder.",
    ),
]
HostOption = Annotated[
    str | None,
    typer.Option("--host", metavar="HOST", help="The receiver's host, or a region of CleverTap such as eu1."),
]
PortOption = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Its port, else 22.")]
UsernameOption = Annotated[
    str | None, typer.Option("--username", metavar="NAME", help="The user name there; CleverTap: the account id.")
]
ClientEmailOption = Annotated[
    str | None, typer.Option("--client-email", metavar="ADDRESS", help="Where CleverTap's notices go.")
]
SampleOption = Annotated[
    list[Path] | None,
    typer.Option("--sample", metavar="FILE", help="A typical file, to map its columns by; may be repeated."),
]
FeedTypeOption = Annotated[
    FeedType | None, typer.Option("--feed-type", help="Without a sample: what the rows of your files are.")
]
PrivateKeyOption = Annotated[
    Path | None, typer.Option("--private-key", metavar="FILE", help="An SSH key to take in, else one is made.")
]
PassphraseFileOption = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Where the passphrase of that key lies.")
]
HostKeyFingerprintOption = Annotated[
    list[str] | None,
    typer.Option(
        "--host-key-fingerprint",
        metavar="SHA256:…",
        help="Pin the host key with this fingerprint, and no other; may be repeated.",
    ),
]
AcceptNewHostKeyOption = Annotated[
    bool,
    typer.Option("--accept-new-host-key", help="Pin whatever the host shows now: whoever stands in between, too."),
]
PublicKeyOption = Annotated[
    Path | None, typer.Option("--public-key", metavar="FILE", help="The OpenPGP key to encrypt with, else none.")
]
KeyIdOption = Annotated[
    str | None, typer.Option("--key-id", metavar="UUID", help="What CleverTap calls that OpenPGP key.")
]
StagingOption = Annotated[
    Path | None, typer.Option("--staging", metavar="DIR", help="Where producers drop files, else beside the rest.")
]
WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", metavar="DIR", help="Where ledger and archive lie, else beside it.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Ask nothing: what no option says has its default.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Write configuration and pins anew; an SSH key only with --private-key.")
]
