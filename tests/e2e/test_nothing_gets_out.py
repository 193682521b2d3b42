"""What nobody else may see: secrets stand nowhere, and everything in the workspace is for its owner alone."""

from __future__ import annotations

import asyncio
import gzip
import os
import secrets
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.configuration import FEEDS, Written, merge, write_configuration, write_values
from tests.support.ledgers import make_postgresql
from tests.support.sandboxes import make_sandbox
from tests.support.service import Answer, call, configure, run_service

HEADER = "event_name,time_stamp,user_id,note\n"
GOOD = "Sold,1700000000,u1,first\nSold,1700000005,u2,second\n"
BAD = "Sold,soon,u3,third\n"
OTHER_USER = 12345
OPEN_TO_ALL = 0o000
"""A umask that takes no right away."""


@dataclass(kw_only=True)
class Told:
    """What must be said nowhere, and all that was said."""

    secrets: tuple[bytes, ...]
    said: dict[str, bytes] = field(default_factory=dict)

    def add(self, what: str, answer: Answer) -> None:
        """Keep what a command said."""
        self.said[f"{what}: stdout"] = answer.out.encode()
        self.said[f"{what}: stderr"] = answer.errors.encode()

    def check(self) -> None:
        """Check that no secret stands in any of it."""
        assert [(where, secret) for where, text in self.said.items() for secret in self.secrets if secret in text] == []


@dataclass(frozen=True, kw_only=True)
class Locked:
    """A private key under a passphrase, and how the configuration refers to both."""

    references: Mapping[str, Mapping[str, str | None]]
    environment: Mapping[str, str]
    secrets: tuple[bytes, ...]
    key: str
    """as it stands in its file"""


def _lock(folder: Path, private_key: Path, kind: str) -> Locked:
    """Put a copy of the key under a new passphrase, and both where a reference of this kind finds them."""
    passphrase = f"open-sesame-{secrets.token_hex(8)}"
    key = folder / "locked"
    shutil.copy(private_key, key)
    subprocess.run(["ssh-keygen", "-p", "-q", "-P", "", "-N", passphrase, "-f", str(key)], check=True)
    said = folder / "passphrase"
    said.touch(mode=0o600)
    said.write_text(passphrase)
    lines = [line for path in (key, private_key) for line in path.read_bytes().splitlines() if b"-----" not in line]
    hidden = (passphrase.encode(), *(line for line in lines if len(line) > 40))
    text = key.read_text()
    names = {"private_key": key, "private_key_passphrase": said}
    match kind:
        case "file":
            return Locked(
                references={name: {"file": str(path)} for name, path in names.items()},
                environment={},
                secrets=hidden,
                key=text,
            )
        case "env":
            return Locked(
                references={
                    "private_key": {"file": None, "env": "OUR_KEY"},
                    "private_key_passphrase": {"env": "OUR_PASSPHRASE"},
                },
                environment={"OUR_KEY": text, "OUR_PASSPHRASE": passphrase},
                secrets=hidden,
                key=text,
            )
        case _:
            return Locked(
                references={name: {"file": None, "credential": path.name} for name, path in names.items()},
                environment={"CREDENTIALS_DIRECTORY": str(folder)},
                secrets=hidden,
                key=text,
            )


def _watch_gpg(folder: Path) -> tuple[Path, dict[str, str]]:
    """Put a gpg before the real one that notes how it was called and with what around it; return the notes."""
    notes = folder / "called.txt"
    real = shutil.which("gpg")
    folder.mkdir()
    script = folder / "gpg"
    script.write_text(f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ >> {notes}\nexec {real} "$@"\n')
    script.chmod(0o700)
    return notes, {"PATH": f"{folder}:{os.environ['PATH']}"}


def _configure(root: Path, sandbox: Sandbox, overrides: Mapping[str, Any]) -> Written:
    access = sandbox.access
    destination = {"encryption": {"public_key": {"file": str(access.openpgp_public_key)}, "key_id": access.key_id}}
    feeds = {"purchases": {"max_bad_rows": 0.5}}
    values = merge({"destinations": {"production": destination}, "feeds": feeds}, overrides)
    return configure(root, sandbox, values)


def _read_files(folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        yield from ((str(path), path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def _read_tables(url: str) -> dict[str, bytes]:
    """Return every row of every table of a PostgreSQL ledger as text."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return {
            f"table {name}": "\n".join(
                connection.execute(sa.text(f'SELECT row::text FROM "{name}" AS row')).scalars()  # noqa: S608 - ours
            ).encode()
            for name in sa.inspect(connection).get_table_names()
        }


@pytest.mark.parametrize("kind", ["file", "env", "credential"])
async def test_no_secret_is_said_anywhere(tmp_path: Path, postgresql_url: str, kind: str, closed_port: int) -> None:
    """Passphrase, key, password and URLs of alerts stand in no output, log, file, table, argument, environment."""
    password = f"hunter2-{secrets.token_hex(8)}"
    server = await asyncio.to_thread(make_postgresql, postgresql_url)
    url = server.replace("postgresql:///", f"postgresql://postgres:{password}@/").replace("&user=postgres", "")
    notes, path = await asyncio.to_thread(_watch_gpg, tmp_path / "watched")
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        assert sandbox.access.private_key is not None
        (tmp_path / "keys").mkdir()
        locked = await asyncio.to_thread(_lock, tmp_path / "keys", sandbox.access.private_key, kind)
        token = f"t0ken-{secrets.token_hex(8)}"
        alerts = {"urls": [{"env": "ALERT_URL"}], "ping": {"env": "PING_URL"}}
        overrides = {"ledger": {"url": url}, "destinations": {"production": locked.references}, "alerts": alerts}
        written = await asyncio.to_thread(_configure, tmp_path, sandbox, overrides)
        # Nobody listens there: what fails has most to say.
        urls = {
            "ALERT_URL": f"json://user:{token}@127.0.0.1:{closed_port}/{token}?+x={token}",
            "PING_URL": f"http://127.0.0.1:{closed_port}/{token}",
        }
        environment = {**locked.environment, **path, **urls}
        told = Told(secrets=(password.encode(), token.encode(), *locked.secrets))
        (written.configuration.staging / "purchases_1.csv").write_text(HEADER + GOOD + BAD)
        sample = tmp_path / "purchases_2.csv"
        sample.write_text(HEADER + GOOD.replace("u1", "u9"))

        async def say(*arguments: str, code: int = 0) -> None:
            answer = await call(written.path, *arguments, environment=environment)
            assert answer.code == code, answer
            told.add(f"{arguments}: {code}", answer)

        commands = ("check --connect", f"plan {sample}", "run --once", "status --json", "history --json", "config show")
        for command in commands:
            await say("--debug", *command.split())
    sample.rename(written.configuration.staging / "purchases_2.csv")
    await say("--debug", "run", "--once", code=3)
    told.said |= dict(_read_files([written.configuration.workspace]))
    told.said |= await asyncio.to_thread(_read_tables, url)
    told.said["gpg"] = notes.read_bytes()
    assert b"--encrypt" in told.said["gpg"]
    assert any(b"alert_not_sent" in said and b"ping_failed" in said for said in told.said.values())
    assert len(told.said["table source"]) > 100
    told.check()


async def test_no_secret_is_said_where_it_does_not_fit(tmp_path: Path, closed_port: int) -> None:
    """A traceback shows neither a passphrase that is wrong, nor a key that is damaged, nor the password of a ledger."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        assert sandbox.access.private_key is not None
        locked = await asyncio.to_thread(_lock, tmp_path, sandbox.access.private_key, "file")
        wrong = f"wrong-{secrets.token_hex(8)}"
        lines = locked.key.splitlines()
        url = f"postgresql://someone:{wrong}@127.0.0.1:{closed_port}/ledger"
        told = Told(secrets=(wrong.encode(), *locked.secrets))
        damaged = "\n".join([*lines[:2], *lines[3:]])
        cases: list[tuple[Mapping[str, Any], str, int]] = [
            ({"destinations": {"production": {"private_key_passphrase": {"env": "WRONG", "file": None}}}}, "check", 2),
            ({"destinations": {"production": {"private_key": {"env": "DAMAGED", "file": None}}}}, "check", 2),
            ({"ledger": {"url": url}}, "status", 1),
            ({"ledger": {"url": url.replace("postgresql:", "postgres:")}}, "status", 2),
            ({"ledger": {"url": url}, "destinations": {"production": {"port": "no"}}}, "config show", 2),
        ]
        for overrides, command, code in cases:
            given = merge({"destinations": {"production": {**locked.references}}}, overrides)
            path = await asyncio.to_thread(_write, tmp_path, sandbox, given)
            environment = {"WRONG": wrong, "DAMAGED": damaged}
            answer = await call(path, "--debug", *command.split(), environment=environment)
            assert answer.code == code, answer
            told.add(f"{command} with {overrides}", answer)
    told.check()


def _write(root: Path, sandbox: Sandbox, overrides: Mapping[str, Any]) -> Path:
    """Write a configuration that need not be valid."""
    written = configure(root, sandbox)
    values = merge(yaml.safe_load(written.path.read_text()), overrides)
    return write_values(root, values)


async def test_a_key_that_others_may_read_lets_nothing_start(tmp_path: Path) -> None:
    """As ssh does: one line that names the file and what to type, and nothing is made, claimed or sent."""
    written = await asyncio.to_thread(write_configuration, tmp_path)
    written.private_key.chmod(0o640)
    (written.configuration.staging / "customers.csv").write_text("user_id\nu1\n")
    answer = await call(written.path, "run", "--once")
    assert answer.code == 2, answer
    (line,) = answer.errors.splitlines()
    assert f"{written.private_key}: its permissions 0640 let others touch it; run: chmod 600" in line
    assert list(written.configuration.workspace.iterdir()) == []
    assert [path.name for path in written.configuration.staging.iterdir()] == ["customers.csv"]


@pytest.mark.parametrize("is_encrypted", [True, False])
async def test_everything_of_ours_is_for_its_owner_alone(
    tmp_path: Path,
    is_encrypted: bool,  # noqa: FBT001 - a case
) -> None:
    """Whatever the shell's umask and the modes in staging: every file in the workspace is 0600, every folder 0700."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        feeds = {"purchases": {"max_bad_rows": 0.5, "sort_by_time": True, "files": ["purchases*.csv*"]}}
        feeds["purchases"]["deduplicate"] = {"columns": ["user_id"], "days": 3}
        overrides: dict[str, Any] = {"feeds": feeds}
        if not is_encrypted:
            overrides["destinations"] = {"production": {"encryption": None}}
        written = await asyncio.to_thread(_configure, tmp_path, sandbox, overrides)
        shutil.rmtree(written.configuration.workspace)
        staging = written.configuration.staging
        contents = {
            "purchases_rejected.csv": (HEADER + GOOD + BAD).encode(),
            "purchases_unpacked.csv.gz": gzip.compress((HEADER + GOOD.replace("u1", "u4")).encode()),
            "purchases_quarantined.csv": (HEADER + BAD + BAD).encode(),
            "purchases_broken.csv": b'event_name,time_stamp,user_id,note\nSold,1,"u\n',
            "customers.csv": b"user_id\nu1\n",
        }
        for name, content in contents.items():
            (staging / name).write_bytes(content)
            (staging / name).chmod(0o666)
            if os.geteuid() == 0:
                os.chown(staging / name, OTHER_USER, OTHER_USER)
        for arguments, code in (
            (("check", "--connect"), 0),
            (("plan", str(staging / "customers.csv")), 0),
            (("status",), 0),
            (("run", "--once"), 1),
        ):
            answer = await call(written.path, *arguments, umask=OPEN_TO_ALL)
            assert answer.code == code, answer
        async with run_service(written.path, umask=OPEN_TO_ALL) as service:
            (staging / "purchases_late.csv").write_text(HEADER + GOOD.replace("u", "late"))
            await service.wait_for("run_finished")
            modes = await asyncio.to_thread(_list_loose, written.configuration.workspace)
            await service.stop()
    assert modes + _list_loose(written.configuration.workspace) == []
    found = {path.name for path in written.configuration.workspace.rglob("*")}
    assert {"failed_rows.csv", "report.json", "ledger.db", "customers.csv", "purchases_quarantined.csv"} <= found


async def test_no_plaintext_stays_where_only_what_was_sent_is_kept(tmp_path: Path) -> None:
    """Once delivered, no file in the workspace has a cell of it; what is archived decrypts to what was dropped."""
    marker = f"plain-{secrets.token_hex(8)}"
    rows = [f"Sold,{1_700_000_000 + number},{marker}{number},{marker}\n" for number in range(300)]
    contents = {
        "purchases_parts.csv": HEADER + "".join(rows),
        "purchases_sorted.csv": HEADER + "".join(reversed(rows[:100])),
        "purchases_packed.csv.gz": HEADER + "".join(rows[:50]),
    }
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        columns = {"columns": ["user_id", "time_stamp"], "days": 3}
        files = {"purchases": {"files": ["purchases_p*.csv*"]}}
        also = {"files": ["purchases_s*.csv"], "sort_by_time": True, "deduplicate": columns}
        overrides = {
            "archive": {"keep": "encrypted"},
            "destinations": {"production": {"limits": {"encrypted_bytes": 6000}}},
            "feeds": {**files, "sorted": {**FEEDS["purchases"], **also}},
        }
        written = await asyncio.to_thread(_configure, tmp_path, sandbox, overrides)
        for name, content in contents.items():
            packed = gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()
            (written.configuration.staging / name).write_bytes(packed)
        answer = await call(written.path, "--debug", "run", "--once")
        assert answer.code == 0, answer
        workspace = written.configuration.workspace
        told = Told(secrets=(marker.encode(),), said=dict(_read_files([workspace])))
        told.add("run", answer)
        told.check()
        pieces = await asyncio.to_thread(_decrypt_all, sandbox.paths.gnupg_home, workspace / "archive")
    kept = sorted(
        HEADER + "".join(piece.removeprefix(HEADER) for piece in of_one) for of_one in pieces.values() if of_one
    )
    assert kept == sorted(
        [contents["purchases_parts.csv"], HEADER + "".join(rows[:100]), contents["purchases_packed.csv.gz"]]
    )
    assert any(len(of_one) > 1 for of_one in pieces.values())


def _decrypt_all(home: Path, archive: Path) -> dict[str, list[str]]:
    """Return the plaintext of every archived file by the folder of its source, in the order of their names."""
    found: dict[str, list[str]] = {}
    for path in sorted(file for file in archive.rglob("*") if file.is_file()):
        command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--decrypt", str(path)]
        plain = subprocess.run(command, check=True, capture_output=True).stdout.decode()
        found.setdefault(path.parent.name, []).append(plain)
    return found


def _list_loose(workspace: Path) -> list[str]:
    """Return what others than the owner may touch, but for sockets, which a folder of ours hides."""
    found = []
    for path in (workspace, *workspace.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if mode != (0o700 if path.is_dir() else 0o600):
            found.append(f"{path} {mode:04o}")
    return found
