"""Names that nobody would choose, through a whole delivery to a real sshd, and wherever they are read."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.desk import Desk
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.progress import Board
from sftp_orchestrator.web.app import make_app
from sftp_orchestrator.web.pulse import Pulse
from tests.support.configuration import Written, write_configuration
from tests.support.openssh import OpenSSH
from tests.support.pages import serve
from tests.support.service import Answer, call

NAMES = [
    b"purchases_a\nb.csv",
    b"purchases_'a\"b.csv",
    "purchases_🦊.csv".encode(),
    b"purchases_\xff\xfe.csv",
    b"-purchases.csv",
    b"--config=purchases.csv",
    b"..purchases..%2f...csv",
    b"purchases_\r\x1b[2J.csv",
    b"purchases_<img src=x onerror=alert(1)>.csv",
    b"purchases_{{7*7}}.csv",
    b"purchases" + b"x" * 242 + b".csv",
    b"sub\n..folder/..purchases.csv",
]
"""Relative to staging; the last lies in a folder."""
HEADER = "event_name,time_stamp,user_id\n"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def _drop(staging: Path, name: bytes, number: int, rows: str) -> None:
    path = staging / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(f"{HEADER}Sold,{1700000000 + number},u{number}\n{rows}".encode())


@pytest.fixture
def written(tmp_path: Path, openssh: OpenSSH) -> Written:
    """A configuration for a real sshd, that takes files from anywhere in staging."""
    found = openssh.get_destination()
    line = {
        "port": found.port,
        "username": found.username,
        "private_key": {"file": str(openssh.private_key)},
        "host_keys": list(found.host_keys),
        "known_hosts": None,
    }
    overrides = {
        "intake": {"ignore": []},
        "destinations": {"production": line},
        "feeds": {"purchases": {"files": ["**/*purchases*.csv"], "max_bad_rows": 0.5}},
    }
    return write_configuration(tmp_path / "ours", overrides)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    """A place beside the server's own."""
    (tmp_path / "ours").mkdir()


def _list_told(answer: Answer) -> Iterator[dict[str, Any]]:
    """Yield the log's lines, each of which is one object."""
    for line in answer.errors.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
        else:
            assert line.startswith("sftp-orchestrator: "), line


def _check_readable(text: str) -> None:
    """No control character reaches a terminal or a log, and what is printed can be encoded."""
    assert not CONTROL.search(text)
    text.encode()


async def _check_page(configuration: Configuration) -> None:
    with Ledger.open("sqlite", configuration.workspace) as ledger:
        app = make_app(Desk(configuration, ledger), Board(), Pulse())
        async with serve(app) as page:
            html = (await page.get("/")).body
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "{{7*7}}" in html


async def test_hostile_names_reach_a_real_sshd_and_are_told_in_one_line(written: Written, openssh: OpenSSH) -> None:
    """Each arrives under a plain name of ours, and log, `status`, JSON and `history` tell it escaped."""
    staging = written.configuration.staging
    for number, name in enumerate(NAMES):
        await asyncio.to_thread(_drop, staging, name, number, "")
    answer = await call(written.path, "run", "--once")
    assert answer.code == 0, answer.errors
    told = {str(line["file"]) for line in _list_told(answer) if line["event"] == "source_delivered"}
    assert len(told) == len(NAMES)
    _check_readable(answer.errors + answer.out)
    arrived = sorted(path.name for path in openssh.root.iterdir())
    assert len(arrived) == 2 * len(NAMES)
    assert [name for name in arrived if not re.fullmatch(r"purchases_[0-9A-Za-z_]+\.(csv|manifest)", name)] == []
    assert [path for path in staging.rglob("*") if path.is_file()] == []
    archived = {os.fsencode(path.name) for path in (written.configuration.workspace / "archive").rglob("*.csv")}
    assert archived == {name.rpartition(b"/")[2] for name in NAMES}
    for arguments in (["history"], ["history", "--json"]):
        answer = await call(written.path, *arguments)
        assert answer.code == 0
        _check_readable(answer.out)


async def test_hostile_names_of_refused_files_are_told_in_one_line(written: Written) -> None:
    """In quarantine, its report, `status`, its JSON and the page a name is escaped and never read as anything else."""
    configuration = written.configuration
    for number, name in enumerate(NAMES):
        await asyncio.to_thread(_drop, configuration.staging, name, number, "too,few\n")
    answer = await call(written.path, "run", "--once")
    assert answer.code == 1, answer.errors
    refused = [line for line in _list_told(answer) if line["event"] == "source_quarantined"]
    assert len(refused) == len(NAMES)
    _check_readable(answer.errors + answer.out)
    status = await call(written.path, "status")
    _check_readable(status.out)
    found = (await call(written.path, "status", "--json")).json["sources"]
    assert {source["file"] for source in found} == {line["file"] for line in refused}
    quarantine = configuration.workspace / "quarantine"
    for source in found:
        _check_readable(source["file"])
        report = json.loads(await asyncio.to_thread((quarantine / source["id"] / "report.json").read_text))
        assert report["file"] == source["file"]
    kept = {os.fsencode(path.name) for path in quarantine.rglob("*.csv")}
    assert kept == {name.rpartition(b"/")[2] for name in NAMES}
    await _check_page(configuration)
