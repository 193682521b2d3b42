"""What the sandbox makes of the files it gets."""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path
from typing import Any

import paramiko
import pytest

from sftp_orchestrator.sandbox import refusals
from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.settings import Limits, Traits
from tests.support.paramiko_client import get, list_sizes, put
from tests.support.sandboxes import EVENTS, PROFILES, encrypt, list_decisions, make_manifest, make_sandbox, send, use

UNKNOWN_KEY_ID = "ec491319-9823-48cd-b6a1-6bb0bc666d75"


async def test_plain_data_is_taken(tmp_path: Path) -> None:
    """Data and then its manifest is an import, and the log tells what was in it."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        taken = await send(sandbox, "purchases")
        held = await use(sandbox, list_sizes)
    assert taken.event is Event.TAKEN
    assert {key: value for key, value in taken.details.items() if key != "arrival"} == {
        "manifest": "purchases.manifest",
        "data": "purchases.csv",
        "type": "event",
        "rows": 2,
        "failed_rows": 0,
        "failed_rules": {},
        "bytes": len(EVENTS),
        "sha256": hashlib.sha256(EVENTS).hexdigest(),
        "decrypted": False,
        "earliest_ts": 1700000000,
        "latest_ts": 1700000001,
        "columns": ["evtName", "ts", "identity"],
        "violations": [],
    }
    assert held == {"purchases.csv": len(EVENTS), "purchases.manifest": len(make_manifest("purchases.csv"))}
    events = [entry.event for entry in read_activity(sandbox.paths.activity)]
    assert events == ["started", "login", "opened", "closed", "opened", "closed", "taken", "login", "stopped"]


async def test_encrypted_data_is_taken(tmp_path: Path) -> None:
    """What gpg encrypts to the key comes out as it went in, however deep the folder lies."""
    root = tmp_path / ("deep" * 30)
    content = EVENTS + b"".join(b"Sold,%d,u\n" % number for number in range(100_000))
    async with make_sandbox(root) as sandbox:
        armored = encrypt(sandbox.paths, content, tmp_path)
        taken = await send(sandbox, "a", armored, suffix=".csv.asc", keyId=sandbox.key_id)
        assert list(sandbox.paths.work.iterdir()) == []
    assert taken.event is Event.TAKEN
    assert (taken.details["decrypted"], taken.details["rows"]) == (True, 100_002)
    assert taken.details["sha256"] == hashlib.sha256(content).hexdigest()


async def test_data_alone_is_left_alone(tmp_path: Path) -> None:
    """Nothing is looked at before a manifest comes."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        await use(sandbox, lambda client: put(client, "a.csv", EVENTS))
        assert list_decisions(sandbox.paths.activity) == []


async def test_order_of_arrival(tmp_path: Path) -> None:
    """Manifests are looked at in the order in which they came, whatever their data's order and names."""
    names = ["c", "a", "d", "b"]

    def upload(client: paramiko.SFTPClient) -> None:
        for name in sorted(names):
            put(client, f"{name}.csv", EVENTS)
        for name in names:
            put(client, f"{name}.manifest", make_manifest(f"{name}.csv"))

    async with make_sandbox(tmp_path / "s") as sandbox:
        await use(sandbox, upload)
        decisions = list_decisions(sandbox.paths.activity)
    assert [entry.details["manifest"] for entry in decisions] == [f"{name}.manifest" for name in names]
    assert {entry.event for entry in decisions} == {Event.TAKEN}


async def test_a_rename_is_an_arrival(tmp_path: Path) -> None:
    """A manifest may come under a temporary name and be renamed, and so may data."""

    def upload(client: paramiko.SFTPClient) -> None:
        put(client, "a.csv.part", EVENTS)
        client.rename("a.csv.part", "a.csv")
        put(client, "a.manifest.part", make_manifest("a.csv"))
        client.posix_rename("a.manifest.part", "a.manifest")

    async with make_sandbox(tmp_path / "s") as sandbox:
        await use(sandbox, upload)
        decisions = list_decisions(sandbox.paths.activity)
    assert [(entry.event, entry.details["violations"]) for entry in decisions] == [(Event.TAKEN, [])]


@pytest.mark.parametrize("rename", ["rename", "posix_rename"])
async def test_nothing_is_overwritten_by_a_rename(tmp_path: Path, rename: str) -> None:
    """A rename to a name that exists fails, and both files stay as they are."""

    def collide(client: paramiko.SFTPClient) -> bytes:
        put(client, "a", b"a")
        put(client, "b", b"b")
        with pytest.raises(OSError, match="exists"):
            getattr(client, rename)("a", "b")
        return get(client, "a") + get(client, "b")

    async with make_sandbox(tmp_path / "s") as sandbox:
        assert await use(sandbox, collide) == b"ab"


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [(b'{"fileName": "a.csv" // key\n}', "invalid JSON"), (make_manifest("a.csv", clientEmail="me"), "clientEmail")],
)
async def test_silence(tmp_path: Path, manifest: bytes, reason: str) -> None:
    """A manifest that nobody can be told about is met with silence, noted in the log alone."""

    def upload(client: paramiko.SFTPClient) -> None:
        put(client, "a.csv", EVENTS)
        put(client, "a.manifest", manifest)

    async with make_sandbox(tmp_path / "s") as sandbox:
        await use(sandbox, upload)
        (ignored,) = list_decisions(sandbox.paths.activity)
    assert ignored.event is Event.MANIFEST_IGNORED
    assert reason in ignored.details["reason"]


@pytest.mark.parametrize(
    ("content", "changes", "vendor"),
    [
        (EVENTS, {"fileName": "b.csv"}, refusals.NO_DATA_FILE),
        (EVENTS, {"fileName": "../keys/host_ed25519"}, refusals.NO_DATA_FILE),
        (EVENTS, {"suffix": ".txt"}, refusals.UNREADABLE),
        (EVENTS, {"type": "user"}, refusals.INCORRECT_MANIFEST),
        (EVENTS, {"columns": {"ts": {"dataType": "int"}}}, refusals.INCORRECT_MANIFEST),
        (EVENTS, {"columns": {"ts": {"dateFormat": "epoch"}}}, refusals.INCORRECT_MANIFEST),
        (EVENTS, {"keyId": UNKNOWN_KEY_ID}, refusals.INCORRECT_MANIFEST),
        (EVENTS, {"suffix": ".csv.asc"}, refusals.INCORRECT_MANIFEST),
        (EVENTS, {"suffix": ".csv.asc", "keyId": UNKNOWN_KEY_ID}, refusals.INCORRECT_MANIFEST),
        (PROFILES, {}, refusals.EVENT_NAME_MANDATORY),
        (b"evtName,ts\nSold,1\n", {}, refusals.IDENTITY_MANDATORY),
        (b'identity,evtName\n"a', {}, refusals.UNREADABLE),
        (b"identity,evtName\n\xff,Sold\n", {}, refusals.UNREADABLE),
        (EVENTS + b"x" * 2000, {}, None),
    ],
)
async def test_refusals(tmp_path: Path, content: bytes, changes: dict[str, Any], vendor: str | None) -> None:
    """Each mistake is refused in the vendor's words, where it has any; what comes next is looked at all the same."""
    async with make_sandbox(tmp_path / "s", limits=Limits(plain_bytes=2000)) as sandbox:
        refused = await send(sandbox, "a", content, **changes)
        assert (await send(sandbox, "right")).event is Event.TAKEN
    assert refused.event is Event.REFUSED
    assert refused.details["vendor"] == vendor
    assert refused.details["reason"]


@pytest.mark.parametrize("damage", ["plain", "cut", "changed", "another key"])
async def test_what_cannot_be_decrypted(tmp_path: Path, damage: str) -> None:
    """Data that is not encrypted to this key, or damaged, cannot be read, however much there is of it."""
    content = EVENTS + os.urandom(2_000_000).hex().encode()
    async with make_sandbox(tmp_path / "other") as other, make_sandbox(tmp_path / "s") as sandbox:
        armored = encrypt((other if damage == "another key" else sandbox).paths, content, tmp_path)
        middle = len(armored) // 2
        given = {
            "plain": content,
            "cut": armored[:middle],
            "changed": armored[:middle] + armored[middle : middle + 4].swapcase() + armored[middle + 4 :],
            "another key": armored,
        }[damage]
        refused = await send(sandbox, "a", given, suffix=".csv.asc", keyId=sandbox.key_id)
        assert list(sandbox.paths.work.iterdir()) == []
    assert (refused.event, refused.details["vendor"]) == (Event.REFUSED, refusals.UNREADABLE)


@pytest.mark.parametrize("surplus", [0, 1])
async def test_limits_are_strict(tmp_path: Path, surplus: int) -> None:
    """A file of exactly the limit is refused, plain and encrypted; the armored size is what counts."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        armored = encrypt(sandbox.paths, EVENTS, tmp_path)
    limits = Limits(plain_bytes=len(EVENTS) + surplus, encrypted_bytes=len(armored) + surplus)
    async with make_sandbox(tmp_path / "s", limits=limits) as sandbox:
        plain = await send(sandbox, "plain")
        encrypted = await send(sandbox, "encrypted", armored, suffix=".csv.asc", keyId=sandbox.key_id)
    expected = Event.TAKEN if surplus else Event.REFUSED
    assert (plain.event, encrypted.event) == (expected, expected)


async def test_a_name_is_used_once(tmp_path: Path) -> None:
    """A manifest's name is never good again, over restarts too, even if the first one was refused."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        assert (await send(sandbox, "a")).event is Event.TAKEN
        assert (await send(sandbox, "b", type="user")).event is Event.REFUSED
    async with make_sandbox(tmp_path / "s") as sandbox:
        for name in ("a", "b"):
            again = await send(sandbox, name)
            assert again.event is Event.REFUSED
            assert "came before" in again.details["reason"]


async def test_a_manifest_before_its_data(tmp_path: Path) -> None:
    """A manifest is no good before its data, even if the data comes before anybody looks."""

    def upload(client: paramiko.SFTPClient) -> None:
        with client.open("a.csv", "wb") as data:
            data.write(EVENTS)
            put(client, "a.manifest", make_manifest("a.csv"))

    async with make_sandbox(tmp_path / "s") as sandbox:
        await use(sandbox, upload)
        (refused,) = list_decisions(sandbox.paths.activity)
    assert (refused.event, refused.details["vendor"]) == (Event.REFUSED, refusals.NO_DATA_FILE)
    assert refused.details["violations"] == ["data_not_closed_before_manifest"]


async def test_failed_rows_are_given_back(tmp_path: Path) -> None:
    """Rows that break a rule fail alone, in a CSV as the vendor sends it."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        taken = await send(sandbox, "a", EVENTS + b"Sold,3\nSold,4,\n")
        failed = sandbox.paths.failures / "a.csv.csv"
    assert (taken.details["rows"], taken.details["failed_rows"]) == (4, 2)
    with failed.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["ts"] for row in rows] == ["3", "4"]
    assert rows[1]["Failure Description"] == refusals.IDENTITY_MANDATORY


async def test_failed_rows_are_counted_by_rule(tmp_path: Path) -> None:
    """The log says how often each rule was broken, and where first; the manifest's types and our clock count."""
    content = b"evtName,ts,identity,paid\nSold,1000,a,true\nSold,87401,b,yes\nSold,87400,c,no\nStayed,-1,d,\n"
    columns = {"paid": {"dataType": "Boolean"}}
    async with make_sandbox(tmp_path / "s", clock=lambda: 1000.0) as sandbox:
        taken = await send(sandbox, "a", content, columns=columns)
    assert (taken.event, taken.details["rows"], taken.details["failed_rows"]) == (Event.TAKEN, 4, 3)
    assert taken.details["failed_rules"] == {
        "time_in_future": {"rows": 1, "first_row": 2},
        "value_not_boolean": {"rows": 2, "first_row": 2},
        "event_name_restricted": {"rows": 1, "first_row": 4},
        "time_before_1970": {"rows": 1, "first_row": 4},
    }
    assert (taken.details["earliest_ts"], taken.details["latest_ts"]) == (1000, 1000)


async def test_wrong_columns_are_refused(tmp_path: Path) -> None:
    """Columns that break a rule are the whole file's fault; the log has our reason and the rules."""
    columns = {"x": {"ctName": "X"}, "Name": {"ctName": "identity"}}
    async with make_sandbox(tmp_path / "s") as sandbox:
        refused = await send(sandbox, "a", b"evtName,ts,identity,Name\nSold,1,a,b\n", columns=columns)
        assert list(sandbox.paths.failures.iterdir()) == []
    assert (refused.event, refused.details["vendor"]) == (Event.REFUSED, refusals.INCORRECT_MANIFEST)
    assert refused.details["rules"] == ["column_not_in_data", "property_repeated"]
    assert "2 columns become the property 'identity'" in refused.details["reason"]


async def test_odd_mappings_are_noted(tmp_path: Path) -> None:
    """What the vendor does not speak of is taken, and noted."""
    columns = {"ts": {"ctName": "ts", "dateFormat": "UNIX"}}
    async with make_sandbox(tmp_path / "s") as sandbox:
        taken = await send(sandbox, "a", columns=columns)
    assert (taken.event, taken.details["violations"]) == (Event.TAKEN, ["date_format_unused"])


async def test_data_sent_twice_is_noted(tmp_path: Path) -> None:
    """Two manifests for the same data double its events, and the log says so."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        await send(sandbox, "a")
        await use(sandbox, lambda client: put(client, "b.manifest", make_manifest("a.csv")))
        taken = list_decisions(sandbox.paths.activity)[-1]
    assert (taken.event, taken.details["violations"]) == (Event.TAKEN, ["data_taken_before"])


async def test_taken_files_may_vanish(tmp_path: Path) -> None:
    """A receiver of that kind removes what it took, and nothing else."""
    async with make_sandbox(tmp_path / "s", traits=Traits(removes_taken=True)) as sandbox:
        await send(sandbox, "a")
        await send(sandbox, "b", type="user")
        assert set(await use(sandbox, list_sizes)) == {"b.csv", "b.manifest"}
        removed = [entry for entry in read_activity(sandbox.paths.activity) if entry.event is Event.REMOVED]
    assert [(entry.details["name"], entry.details["by"]) for entry in removed] == [
        ("a.csv", "receiver"),
        ("a.manifest", "receiver"),
    ]


async def test_sessions_go_on_while_it_works(tmp_path: Path) -> None:
    """Decrypting and reading one file holds nobody up: the next is uploaded and listed meanwhile."""
    seen: list[Event] = []
    async with make_sandbox(tmp_path / "s") as sandbox:
        content = b"evtName,ts,identity\n" + b"Sold,1700000000,somebody\n" * 1_000_000
        armored = encrypt(sandbox.paths, content, tmp_path)

        def upload(client: paramiko.SFTPClient) -> None:
            put(client, "big.csv.asc", armored)
            put(client, "big.manifest", make_manifest("big.csv.asc", keyId=sandbox.key_id))
            put(client, "small.csv", EVENTS)
            client.listdir()
            seen.extend(entry.event for entry in read_activity(sandbox.paths.activity))

        await use(sandbox, upload)
        (taken,) = list_decisions(sandbox.paths.activity)
    assert (taken.event, taken.details["rows"]) == (Event.TAKEN, 1_000_000)
    assert seen.count(Event.CLOSED) == 3
    assert Event.TAKEN not in seen


async def test_folders(tmp_path: Path) -> None:
    """Folders may be made, but there is no way out of the login folder, and no link in it."""

    def look_around(client: paramiko.SFTPClient) -> list[str]:
        client.mkdir("below")
        put(client, "below/a.csv", EVENTS)
        for name in ("../activity.jsonl", "/../../activity.jsonl", "below/../../activity.jsonl"):
            with pytest.raises(FileNotFoundError):
                client.stat(name)
        with pytest.raises(OSError, match="no links"):
            client.symlink("../keys", "keys")
        with pytest.raises(OSError, match="only files"):
            client.rename("below", "above")
        return [client.normalize("."), *client.listdir("..")]

    async with make_sandbox(tmp_path / "s") as sandbox:
        assert await use(sandbox, look_around) == ["/", "below"]
