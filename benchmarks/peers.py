"""How people upload without us: the command-line clients, and the script that most write first."""

from __future__ import annotations

import csv
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import paramiko

from benchmarks.measuring import Facts

TRANSFERS = 8
"""What rclone and lftp send side by side."""
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, kw_only=True)
class Account:
    """How a client reaches the server; each measurement has a remote folder of its own."""

    port: int
    username: str
    private_key: str
    known_hosts: str
    folder: str

    @property
    def ssh_options(self) -> list[str]:
        """For ssh and sftp."""
        known = ["-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
        return ["-i", self.private_key, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", *known]

    def describe(self) -> dict[str, object]:
        """Return it as what a measured function takes."""
        return asdict(self)


def put_with_sftp(account: dict[str, object], paths: Sequence[str]) -> Facts:
    """Put files one after the other with OpenSSH's client."""
    reach = Account(**account)  # type: ignore[arg-type]  # as describe gave it
    batch = "".join(f'put "{path}" "{reach.folder}/"\n' for path in paths)
    command = ["sftp", "-q", "-b", "-", "-P", str(reach.port), *reach.ssh_options, f"{reach.username}@127.0.0.1"]
    subprocess.run(command, input=batch.encode(), stdout=subprocess.DEVNULL, check=True)
    return {}


def copy_with_rclone(account: dict[str, object], folder: str) -> Facts:
    """Copy a folder with rclone; without the remote checksums, which the receiver has not."""
    reach = Account(**account)  # type: ignore[arg-type]  # as describe gave it
    remote = {"host": "127.0.0.1", "port": reach.port, "user": reach.username, "key-file": reach.private_key}
    options = [f"--sftp-{name}={value}" for name, value in remote.items()]
    options += [f"--sftp-known-hosts-file={reach.known_hosts}", "--sftp-disable-hashcheck", "--config=/dev/null"]
    command = ["rclone", "copy", f"--transfers={TRANSFERS}", *options, folder, f":sftp:{reach.folder}"]
    subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
    return {}


def mirror_with_lftp(account: dict[str, object], folder: str) -> Facts:
    """Copy a folder with lftp."""
    reach = Account(**account)  # type: ignore[arg-type]  # as describe gave it
    program = shlex.join(["ssh", "-a", "-x", *reach.ssh_options])
    lines = [
        f'set sftp:connect-program "{program}"',
        "set sftp:auto-confirm no",
        f"open -u {reach.username}, -p {reach.port} sftp://127.0.0.1",
        f"mirror --reverse --parallel={TRANSFERS} {shlex.quote(folder)} {shlex.quote(reach.folder)}",
    ]
    subprocess.run(["lftp", "-c", "; ".join(lines)], stdout=subprocess.DEVNULL, check=True)
    return {}


def encrypt_then_put(account: dict[str, object], path: str, home: str, recipient: str) -> Facts:
    """Do as the receiver's page says: ``gpg --encrypt --armor``, then ``sftp``."""
    target = f"{path}.asc"
    options = ["--homedir", home, "--batch", "--yes", "--trust-model", "always", "--recipient", recipient]
    subprocess.run(["gpg", *options, "--output", target, "--encrypt", "--armor", path], check=True)
    try:
        return put_with_sftp(account, [target])
    finally:
        Path(target).unlink()


def check_then_put(account: dict[str, object], path: str, identity: str) -> Facts:
    """Do as a script does: check each row's identity with the csv module, write it again, and put it with paramiko."""
    reach = Account(**account)  # type: ignore[arg-type]  # as describe gave it
    target = Path(f"{path}.checked.csv")
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream, target.open("w", encoding="utf-8") as out:
            reader, writer = csv.reader(stream), csv.writer(out, lineterminator="\n")
            header = next(reader)
            writer.writerow(header)
            place = header.index(identity)
            writer.writerows(row for row in reader if row[place].strip())
        _put_with_paramiko(reach, target, Path(path).name)
    finally:
        target.unlink(missing_ok=True)
    return {}


def _put_with_paramiko(account: Account, path: Path, name: str) -> None:
    with paramiko.SSHClient() as client:
        client.load_host_keys(account.known_hosts)
        client.connect(
            "127.0.0.1",
            port=account.port,
            username=account.username,
            key_filename=account.private_key,
            look_for_keys=False,
            allow_agent=False,
        )
        with client.open_sftp() as sftp:
            sftp.put(str(path), f"{account.folder}/{name}")
