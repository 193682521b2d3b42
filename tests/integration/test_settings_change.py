"""The configuration changes while files are on their way: nothing is sent by settings that do not belong together."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.sftp import SFTP_PERMISSION_DENIED

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.run import Verdict
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.progress import Board
from tests.support.configuration import FEEDS, KEY_ID, write_configuration
from tests.support.openpgp import KeyRing, open_keyring
from tests.support.paramiko_server import Files, ParamikoServer, run_paramiko

ROWS = 1_000
CONTENT = b"user_id,Name\n" + b"".join(b"user%d,Ada\n" % number for number in range(ROWS))


class SecondManifestClosed(Files):
    """Fault: while a file ``closed`` lies beside its root, no second manifest may be opened."""

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        """Refuse it."""
        known = [name for _, name in self.record.steps if name.endswith(".manifest")]
        if path.endswith(".manifest") and known and (self.root.parent / "closed").exists():
            return SFTP_PERMISSION_DENIED
        return super().open(path, flags, attr)


@pytest.fixture(scope="module")
def keyring() -> Iterator[KeyRing]:
    """The receiver's key."""
    with open_keyring() as ring:
        ring.make_key("receiver")
        yield ring


def _configure(
    folder: Path,
    receiver: ParamikoServer,
    *,
    public_key: bytes | None = None,
    feeds: dict[str, Any] | None = None,
    **changes: Any,
) -> Configuration:
    found = receiver.get_destination()
    line = {
        "port": found.port,
        "username": found.username,
        "private_key": {"file": str(receiver.private_key)},
        "host_keys": list(found.host_keys),
        "known_hosts": None,
        "attempts": 1,
        **changes,
    }
    return write_configuration(
        folder, {"destinations": {"production": line}}, public_key=public_key, feeds=feeds
    ).configuration


async def _run(configuration: Configuration) -> tuple[Verdict, Source]:
    with open_daemon(configuration, Board()) as daemon:
        verdict = await daemon.run_once()
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        (source,) = ledger.sources.list_in(set(SourceState))
    return verdict, source


async def _leave_ready(folder: Path, receiver: ParamikoServer, public_key: bytes | None = None) -> None:
    """Drop a file and have it made ready; the receiver is away."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = _configure(folder, receiver, public_key=public_key, port=nobody.getsockname()[1])
        (away.staging / "customers.csv").write_bytes(CONTENT)
        verdict, source = await _run(away)
    assert verdict.exit_code is ExitCode.RECEIVER
    assert source.state in {SourceState.PLANNED, SourceState.READY}


def _read_manifests(receiver: ParamikoServer) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(receiver.root.glob("*.manifest"))]


async def test_encryption_that_is_switched_on_holds_for_what_was_planned_plain(
    tmp_path: Path, keyring: KeyRing
) -> None:
    """A part that was ready to go in plain text goes encrypted, with the key id in its manifest."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        await _leave_ready(tmp_path, receiver)
        verdict, _ = await _run(_configure(tmp_path, receiver, public_key=keyring.export()))
    assert verdict.exit_code is ExitCode.DONE, verdict
    (manifest,) = _read_manifests(receiver)
    assert manifest["keyId"] == KEY_ID
    assert keyring.decrypt((receiver.root / manifest["fileName"]).read_bytes()) == CONTENT


async def test_encryption_that_is_switched_off_leaves_nothing_half(tmp_path: Path, keyring: KeyRing) -> None:
    """A part that was ready as an encrypted piece goes in plain text, under a plain name, without a key id."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        await _leave_ready(tmp_path, receiver, keyring.export())
        verdict, _ = await _run(_configure(tmp_path, receiver))
    assert verdict.exit_code is ExitCode.DONE, verdict
    (manifest,) = _read_manifests(receiver)
    assert "keyId" not in manifest
    assert (receiver.root / manifest["fileName"]).read_bytes() == CONTENT


async def test_a_limit_that_is_lowered_holds_for_what_was_planned(tmp_path: Path) -> None:
    """A part that was ready and is too large now is cut anew."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        await _leave_ready(tmp_path, receiver)
        verdict, _ = await _run(_configure(tmp_path, receiver, limits={"plain_bytes": 5_000}))
    assert verdict.exit_code is ExitCode.DONE, verdict
    sizes = [(receiver.root / manifest["fileName"]).stat().st_size for manifest in _read_manifests(receiver)]
    assert len(sizes) > 1
    assert max(sizes) < 5_000


async def test_a_feed_whose_type_is_corrected_has_its_files_sent_as_that(tmp_path: Path) -> None:
    """A file quarantined as profiles is events after the correction: in its manifest, and in how it is treated."""
    events = b"event_name,time_stamp,user_id\nSold,1700000000,user1\n"
    with run_paramiko(tmp_path / "receiver") as receiver:
        before = _configure(tmp_path, receiver)
        (before.staging / "customers.csv").write_bytes(events.replace(b"user_id", b"somebody"))
        verdict, source = await _run(before)
        assert (verdict.exit_code, source.state) == (ExitCode.NOT_ALL_DELIVERED, SourceState.QUARANTINED)
        feeds = {"customers": {**FEEDS["purchases"], "files": ["customers*.csv"]}}
        after = _configure(tmp_path, receiver, feeds=feeds)
        (after.workspace / "quarantine" / source.id / "customers.csv").write_bytes(events)
        with Ledger.open(after.ledger.url, after.workspace) as ledger:
            ledger.sources.retry(source.id, by="anna")
        verdict, source = await _run(after)
    assert verdict.exit_code is ExitCode.DONE, verdict
    assert source.type.value == "event"
    assert [manifest["type"] for manifest in _read_manifests(receiver)] == ["event"]


async def test_settings_that_change_in_mid_delivery_hold_the_rest(tmp_path: Path, keyring: KeyRing) -> None:
    """Some manifests have left: the others wait until the settings are as they were, and then go, each once."""
    limits = {"plain_bytes": 5_000}
    with run_paramiko(tmp_path / "receiver", files=SecondManifestClosed) as receiver:
        (tmp_path / "receiver" / "closed").touch()
        first = _configure(tmp_path, receiver, limits=limits)
        (first.staging / "customers.csv").write_bytes(CONTENT)
        verdict, source = await _run(first)
        assert verdict.exit_code is ExitCode.RECEIVER, verdict
        (tmp_path / "receiver" / "closed").unlink()
        (sent,) = _read_manifests(receiver)
        other = _configure(tmp_path, receiver, limits=limits, public_key=keyring.export())
        for _ in range(2):
            verdict, source = await _run(other)
            assert source.state is SourceState.HELD
            assert "planned" in str(source.reason)
            assert _read_manifests(receiver) == [sent]
            with Ledger.open(other.ledger.url, other.workspace) as ledger:
                ledger.sources.retry(source.id, by="anna")
        verdict, source = await _run(_configure(tmp_path, receiver, limits=limits))
    assert verdict.exit_code is ExitCode.DONE, verdict
    names = [manifest["fileName"] for manifest in _read_manifests(receiver)]
    assert len(names) == len(set(names)) > 2
    parts = [(receiver.root / name).read_bytes().removeprefix(b"user_id,Name\n") for name in names]
    assert b"user_id,Name\n" + b"".join(parts) == CONTENT
