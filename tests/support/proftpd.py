"""A real ProFTPD with mod_sftp for tests, as a process of its own on 127.0.0.1."""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import pwd
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftp_orchestrator.config.model import Destination
from tests.support.listening import find_program, run_listener
from tests.support.openssh import make_key, read_public_key
from tests.support.receivers import make_destination

_MODULES = Path("/usr/lib/proftpd")
"""Where Debian's packages proftpd-core and proftpd-mod-crypto put them."""


@dataclass(frozen=True, kw_only=True)
class ProFTPD:
    """A running server with keys of its own."""

    root: Path
    port: int
    private_key: Path
    host_key: str

    def get_destination(self, **overrides: Any) -> Destination:
        """Return the configuration that reaches it, with ``overrides``."""
        return make_destination(
            overrides,
            port=self.port,
            username=getpass.getuser(),
            private_key={"file": self.private_key},
            host_key=self.host_key,
        )


@contextlib.contextmanager
def run_proftpd(folder: Path, *, read_only: bool = False) -> Iterator[ProFTPD]:
    """Run it for the time of the context, with everything it needs in ``folder``, which need not exist."""
    root = folder / "root"
    root.mkdir(parents=True)
    host_key, private_key = make_key(folder / "host_ed25519"), make_key(folder / "id_ed25519")
    _write_user(folder, root, private_key)
    configuration = folder / "proftpd.conf"

    def get_command(port: int) -> list[str]:
        configuration.write_text("\n".join([f"Port {port}", *_get_settings(folder, read_only=read_only), ""]))
        return [find_program("proftpd"), "--nodaemon", "--config", str(configuration)]

    with run_listener(get_command, says=b"STARTUP", log=folder / "proftpd.log", says_early=True) as listener:
        yield ProFTPD(root=root, port=listener.port, private_key=private_key, host_key=read_public_key(host_key))


def _write_user(folder: Path, root: Path, private_key: Path) -> None:
    users = folder / "passwd"
    users.write_text(f"{getpass.getuser()}:x:{os.geteuid()}:{os.getegid()}::{root}:/bin/sh\n")
    users.chmod(0o600)
    # It reads public keys in the form of RFC 4716 only.
    export = ["ssh-keygen", "-e", "-m", "RFC4716", "-f", f"{private_key}.pub"]
    (folder / "authorized_keys").write_bytes(subprocess.run(export, check=True, capture_output=True).stdout)


def _get_settings(folder: Path, *, read_only: bool) -> list[str]:
    return [
        "ServerType standalone",
        "DefaultAddress 127.0.0.1",
        f"ModulePath {_MODULES}",
        "LoadModule mod_sftp.c",
        f"User {pwd.getpwuid(os.geteuid()).pw_name}",
        f"Group {grp.getgrgid(os.getegid()).gr_name}",
        "AuthPAM off",
        f"AuthUserFile {folder / 'passwd'}",
        "UseFtpUsers off",
        "RequireValidShell off",
        "RootLogin on",
        "UseReverseDNS off",
        "TransferLog none",
        "WtmpLog off",
        f"PidFile {folder / 'pid'}",
        "ScoreboardFile none",
        "DelayEngine off",
        "AllowOverwrite on",
        "SFTPEngine on",
        f"SFTPLog {folder / 'sftp.log'}",
        f"SFTPHostKey {folder / 'host_ed25519'}",
        "SFTPAuthMethods publickey",
        f"SFTPAuthorizedUserKeys file:{folder / 'authorized_keys'}",
        *(["<Limit WRITE>", "DenyAll", "</Limit>"] if read_only else []),
    ]
