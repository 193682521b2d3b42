"""What a whole pass must do at every receiver, whatever software it runs: the same cases against each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.run import Verdict
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.progress import Board
from tests.support.configuration import KEY_ID, write_configuration
from tests.support.openpgp import KeyRing, open_keyring
from tests.support.paramiko_server import (
    DropBox,
    DropBoxLosesFirstManifestReply,
    Files,
    LosesFirstManifestReply,
    NoRename,
    ShowsLess,
    run_paramiko,
)
from tests.support.receivers import Receiver
from tests.support.remotes import KINDS, Kind, Note
from tests.support.tables import Table

LIMIT = 20_000
ROWS = 1_500


@pytest.fixture(scope="module")
def keyring() -> Iterator[KeyRing]:
    """The receiver's key."""
    with open_keyring() as ring:
        ring.make_key("receiver")
        yield ring


def _make(folder: Path, receiver: Receiver, public_key: bytes | None = None, **changes: Any) -> Configuration:
    found = receiver.get_destination()
    line = {
        "port": found.port,
        "username": found.username,
        "private_key": {"file": str(found.private_key.file)},
        "host_keys": list(found.host_keys),
        "known_hosts": None,
        "limits": {"plain_bytes": LIMIT, "encrypted_bytes": LIMIT},
        "attempts": 2,
        "timeout_seconds": 20,
        **changes,
    }
    return write_configuration(folder, {"destinations": {"production": line}}, public_key=public_key).configuration


def _drop(staging: Path) -> dict[str, bytes]:
    files = {
        "purchases.csv": "event_name,time_stamp,user_id,note\r\n"
        + "".join(f'Sold,{1_700_000_000 + n},u{n},"ß\r\n""{n}"""\r\n' for n in range(ROWS)),
        "customers.csv": "user_id,Name\n" + "".join(f"u{n},Zoë {n}\n" for n in range(ROWS)),
    }
    content = {name: text.encode() for name, text in files.items()}
    for name, data in content.items():
        (staging / name).write_bytes(data)
    return content


async def _run(configuration: Configuration) -> tuple[Verdict, list[Source]]:
    with open_daemon(configuration, Board()) as daemon:
        verdict = await daemon.run_once()
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        return verdict, ledger.sources.list_in(set(SourceState))


def _check_arrived(root: Path, dropped: dict[str, bytes], ring: KeyRing | None = None) -> None:
    suffix = ".csv" if ring is None else ".csv.asc"
    names = sorted(path.name for path in root.iterdir())
    data = [name for name in names if name.endswith(suffix)]
    assert names == sorted([*data, *(name.removesuffix(suffix) + ".manifest" for name in data)])
    for name in data:
        manifest = json.loads((root / (name.removesuffix(suffix) + ".manifest")).read_bytes())
        assert manifest["fileName"] == name
        assert manifest.get("keyId") == (None if ring is None else KEY_ID)
        assert (root / name).stat().st_size < LIMIT
    for feed, content in (("customers", dropped["customers.csv"]), ("purchases", dropped["purchases.csv"])):
        parts = [(root / name).read_bytes() for name in data if name.startswith(feed)]
        assert len(parts) > 1
        plain = parts if ring is None else [ring.decrypt(part) for part in parts]
        header = content.split(b"\n", 1)[0] + b"\n"
        assert all(part.startswith(header) for part in plain)
        joined = header + b"".join(part.removeprefix(header) for part in plain)
        assert hashlib.sha256(joined).hexdigest() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
async def test_everything_arrives_once_and_whole(
    tmp_path: Path, receiver: Receiver, kind: Kind, note: Note, keyring: KeyRing, *, encrypted: bool
) -> None:
    """Data and manifests lie there under final names, and the parts, joined, are the files that were dropped."""
    verify = "required" if kind.shows else "best_effort"
    configuration = _make(tmp_path, receiver, keyring.export() if encrypted else None, verify=verify)
    dropped = _drop(configuration.staging)
    verdict, sources = await _run(configuration)
    assert verdict.exit_code is ExitCode.DONE, verdict
    assert {source.state for source in sources} == {SourceState.ARCHIVED}
    _check_arrived(receiver.root, dropped, keyring if encrypted else None)
    note("encrypted" if encrypted else "plain", "delivered")


async def test_with_rename_only_final_names_remain(tmp_path: Path, receiver: Receiver, kind: Kind, note: Note) -> None:
    """With ``rename: true`` everything is put under a temporary name first; where that cannot be, a person is told."""
    configuration = _make(tmp_path, receiver, rename=True, verify="required" if kind.shows else "best_effort")
    dropped = _drop(configuration.staging)
    verdict, sources = await _run(configuration)
    if kind.renames:
        assert verdict.exit_code is ExitCode.DONE, verdict
        _check_arrived(receiver.root, dropped)
        note("`rename: true`", "delivered")
        return
    _check_refused(receiver.root, verdict, sources, setting="rename: false")
    note("`rename: true`", "refused")


async def test_what_is_not_shown_is_not_published(tmp_path: Path, receiver: Receiver, kind: Kind, note: Note) -> None:
    """``verify: required``: delivered where every size is shown, else no manifest leaves, and the setting is named."""
    configuration = _make(tmp_path, receiver, verify="required", attempts=1)
    dropped = _drop(configuration.staging)
    verdict, sources = await _run(configuration)
    if kind.shows:
        assert verdict.exit_code is ExitCode.DONE, verdict
        _check_arrived(receiver.root, dropped)
        note("`verify: required`", "delivered")
        return
    _check_refused(receiver.root, verdict, sources, setting="verify: best_effort")
    note("`verify: required`", "refused")


def _check_refused(root: Path, verdict: Verdict, sources: list[Source], *, setting: str) -> None:
    """Nothing is published, and the first in the order says why and which setting to change."""
    assert verdict.exit_code is ExitCode.RECEIVER
    assert setting in str(verdict.failures[0])
    assert [setting in (source.reason or "") for source in sources if source.name == "customers.csv"] == [True]
    assert not list(root.glob("*.manifest"))


def test_the_table_has_every_receiver_and_no_other(receivers_table: Table) -> None:
    """The page lists the receivers that this suite runs against, in its order."""
    assert list(receivers_table.read()[1]) == [kind.title for kind in KINDS.values()]


async def test_a_receiver_that_cannot_rename_is_told(tmp_path: Path) -> None:
    """``rename: true`` where the receiver has no rename: refused with the setting named, and nothing is published."""
    with run_paramiko(tmp_path / "receiver", files=NoRename) as receiver:
        configuration = _make(tmp_path, receiver, rename=True)
        _drop(configuration.staging)
        verdict, sources = await _run(configuration)
    assert verdict.exit_code is ExitCode.RECEIVER
    assert "rename" in str(verdict.failures[0])
    assert all(source.reason for source in sources if source.name == "customers.csv")
    assert not list(receiver.root.glob("*.manifest"))


@pytest.mark.parametrize("files", [DropBox, ShowsLess])
async def test_data_that_is_not_shown_in_full_is_not_published(tmp_path: Path, files: type[Files]) -> None:
    """``verify: required``: without its size confirmed no manifest leaves, and the reason is told."""
    with run_paramiko(tmp_path / "receiver", files=files) as receiver:
        configuration = _make(tmp_path, receiver, verify="required", attempts=1)
        _drop(configuration.staging)
        verdict, sources = await _run(configuration)
    assert verdict.exit_code is not ExitCode.DONE
    assert not list(receiver.root.glob("*.manifest"))
    assert not [source for source in sources if source.state is SourceState.ARCHIVED]
    assert verdict.failures


async def test_a_receiver_that_does_not_let_us_look_is_named_with_the_setting(tmp_path: Path) -> None:
    """``verify: required`` at a drop box: the refusal says which setting to change."""
    with run_paramiko(tmp_path / "receiver", files=DropBox) as receiver:
        configuration = _make(tmp_path, receiver, attempts=1)
        _drop(configuration.staging)
        verdict, _ = await _run(configuration)
    assert verdict.exit_code is ExitCode.RECEIVER
    assert "verify: best_effort" in str(verdict.failures[0])


@pytest.mark.parametrize("rename", [False, True])
async def test_with_best_effort_a_drop_box_takes_everything(tmp_path: Path, *, rename: bool) -> None:
    """``verify: best_effort``: a size that we may not ask for counts as one that is not shown."""
    with run_paramiko(tmp_path / "receiver", files=DropBox) as receiver:
        configuration = _make(tmp_path, receiver, verify="best_effort", rename=rename)
        dropped = _drop(configuration.staging)
        verdict, _ = await _run(configuration)
    assert verdict.exit_code is ExitCode.DONE, verdict
    _check_arrived(receiver.root, dropped)


@pytest.mark.parametrize("verify", ["never", "best_effort"])
async def test_a_manifest_whose_fate_a_drop_box_hides_is_uncertain(tmp_path: Path, verify: str) -> None:
    """The answer to a manifest of events is lost and nobody may look: a person decides, and nothing is sent twice."""
    with run_paramiko(tmp_path / "receiver", files=DropBoxLosesFirstManifestReply) as receiver:
        configuration = _make(tmp_path, receiver, verify=verify)
        _drop(configuration.staging)
        (configuration.staging / "customers.csv").unlink()
        verdict, (source,) = await _run(configuration)
    assert verdict.exit_code is ExitCode.NOT_ALL_DELIVERED
    assert source.state is SourceState.HELD
    assert "look there for" in (source.reason or "")
    assert len(list(receiver.root.glob("*.manifest"))) == 1


async def test_without_verification_a_drop_box_takes_everything(tmp_path: Path) -> None:
    """``verify: never`` asks for no size, so a receiver that shows nothing can be delivered to."""
    with run_paramiko(tmp_path / "receiver", files=DropBox) as receiver:
        configuration = _make(tmp_path, receiver, verify="never")
        dropped = _drop(configuration.staging)
        verdict, _ = await _run(configuration)
    assert verdict.exit_code is ExitCode.DONE, verdict
    _check_arrived(receiver.root, dropped)
    assert "stat" not in receiver.record.requests


async def test_a_lost_answer_to_a_manifest_is_looked_up_and_not_sent_again(tmp_path: Path) -> None:
    """The line dies after the manifest lies there in full and before we are told: it counts as delivered."""
    with run_paramiko(tmp_path / "receiver", files=LosesFirstManifestReply) as receiver:
        configuration = _make(tmp_path, receiver)
        dropped = _drop(configuration.staging)
        verdict, sources = await _run(configuration)
    assert verdict.exit_code is ExitCode.DONE, verdict
    assert {source.state for source in sources} == {SourceState.ARCHIVED}
    _check_arrived(receiver.root, dropped)
    manifests = [name for step, name in receiver.record.steps if step == "open" and name.endswith(".manifest")]
    assert len(manifests) == len(set(manifests)) == len(list(receiver.root.glob("*.manifest")))


async def test_manifests_go_one_by_one_in_order_after_their_data(tmp_path: Path) -> None:
    """No manifest is opened before its data is closed, nor before the manifest that precedes it is closed."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop(configuration.staging)
        verdict, _ = await _run(configuration)
    assert verdict.exit_code is ExitCode.DONE, verdict
    under_way: set[str] = set()
    closed: list[str] = []
    for step, name in receiver.record.steps:
        if step == "close":
            under_way.remove(name)
            closed.append(name)
            continue
        if name.endswith(".manifest"):
            assert name.replace(".manifest", ".csv") in closed
            assert not [other for other in under_way if other.endswith(".manifest")]
        under_way.add(name)
    manifests = [name for name in closed if name.endswith(".manifest")]
    assert len(manifests) > 4
    assert manifests == sorted(manifests)
