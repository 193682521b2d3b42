"""``demo`` as a process in an empty folder: everything on this machine, from keys to what the receiver saw."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sftp_orchestrator.config.places import VARIABLE
from sftp_orchestrator.sandbox.activity import Event, read_activity
from tests.support.service import COMMAND, Answer

DEADLINE_SECONDS = 100
PIPE = asyncio.subprocess.PIPE
SIZE = "300kB"
_NAMES = ("customers.csv", "purchases_old.csv", "purchases_new.csv", "purchases_broken.csv")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a short path, for it becomes TMPDIR: where that is long, gpg-agent's socket fits nowhere."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        yield Path(folder)


async def _execute(folder: Path, *arguments: str) -> Answer:
    """Run a command in ``folder``, where the environment names no configuration."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=folder, env={**environment, "TMPDIR": str(folder)}, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Answer(code=process.returncode, out=out.decode(), errors=errors.decode())


async def _list_folders(folder: Path) -> list[Path]:
    """Return the fresh folders that demos made there."""
    return await asyncio.to_thread(lambda: list(folder.glob("sftp-demo-*")))


def _get_first(answer: Answer) -> str:
    """Return the line of the file that was taken first."""
    return next(line for line in answer.out.splitlines() if line.startswith("1  "))


async def test_the_demo_shows_the_main_job_and_that_it_went_right(tmp_path: Path) -> None:
    """From an empty folder: profiles before events, old events before new ones, a broken file kept back, code 0."""
    answer = await _execute(tmp_path, "demo", "--size", SIZE)
    assert (answer.code, answer.errors) == (0, ""), answer
    lines = answer.out.splitlines()
    places = [next(at for at, line in enumerate(lines) if f"  {name}  " in line) for name in _NAMES]
    assert places == sorted(places)
    assert [lines[at].split()[-1] for at in places] == ["delivered", "delivered", "delivered", "back"]
    taken_as = [tuple(map(int, lines[at].split()[0].split("-"))) for at in places[:3]]
    assert [place[0] for place in taken_as] == [1, *(place[-1] + 1 for place in taken_as[:2])]
    assert any(line.startswith("purchases_broken.csv: quarantined: line 2: ") for line in lines)
    assert any(line.startswith("Everything is as it should be") for line in lines)
    (folder,) = await _list_folders(tmp_path)
    assert lines[-1] == f"When you are done: rm -rf {folder}"
    entries = read_activity(folder / "receiver" / "activity.jsonl")
    assert not [entry for entry in entries if entry.event in {Event.REFUSED, Event.MANIFEST_IGNORED}]
    assert all(entry.details["decrypted"] for entry in entries if entry.event is Event.TAKEN)


async def test_the_demo_takes_a_file_of_ones_own_and_leaves_it_where_it_is(tmp_path: Path) -> None:
    """``--file`` delivers a copy, whatever its columns are called among those known; each row is counted."""
    own = tmp_path / "mine [x].csv"
    own.write_text("email,event,timestamp,note\n" + 'a@example.com,Sold,1700000000,"two\nlines"\n' * 50)
    answer = await _execute(tmp_path, "demo", "--file", own.name, "--root", "here")
    assert (answer.code, answer.errors) == (0, ""), answer
    line = _get_first(answer)
    assert "mine _x_.csv" in line
    assert line.split()[-3:] == ["50", "50", "delivered"]
    assert "Your file was delivered: rows in = rows out." in answer.out.splitlines()
    assert "rm -rf" not in answer.out
    assert own.exists()
    assert (tmp_path / "here" / "receiver" / "activity.jsonl").exists()


async def test_columns_of_ones_own_file_may_be_called_anything(tmp_path: Path) -> None:
    """``--map`` says what a column is, before its name does."""
    own = tmp_path / "orders.csv"
    own.write_text("what,when,id,customer=no\nSold,1700000000,order1,u1\n")
    chosen = ("--map", "what=evtName", "--map", "when=ts", "--map", "customer=no=identity")
    answer = await _execute(tmp_path, "demo", "--file", str(own), *chosen, "--root", "here")
    assert (answer.code, answer.errors) == (0, ""), answer
    assert _get_first(answer).split()[-3:] == ["1", "1", "delivered"]
    (manifest,) = await asyncio.to_thread(lambda: list((tmp_path / "here/receiver/inbox").glob("*.manifest")))
    columns = json.loads(manifest.read_text())["columns"]
    assert {name: column["ctName"] for name, column in columns.items()} == {
        "what": "evtName",
        "when": "ts",
        "customer=no": "identity",
    }


async def test_a_file_of_ones_own_that_is_kept_back_is_1_and_says_why(tmp_path: Path) -> None:
    """Whatever is wrong with it, the service's own words say it, with what to do and where the report lies."""
    head = b"event_name,time_stamp,user_id\n"
    files = {
        "dates.csv": (head + b"Sold,2024-01-01,u1\n", "time_stamp"),
        "latin.csv": (head + b"K\xf6ln,1700000000,u1\n", "save the file as UTF-8"),
        "semicolons.csv": (head.replace(b",", b";") + b"Sold;1700000000;u1\n", "separated by semicolons"),
        "empty.csv": (b"", "the file is empty"),
    }
    for name, (content, _) in files.items():
        (tmp_path / name).write_bytes(content)
    commands = [("demo", "--file", name, "--root", name.removesuffix(".csv")) for name in files]
    answers = await asyncio.gather(*(_execute(tmp_path, *command) for command in commands))
    for (name, (_, why)), answer in zip(files.items(), answers, strict=True):
        assert (answer.code, answer.errors) == (1, ""), answer
        (verdict,) = (line for line in answer.out.splitlines() if line.startswith("Your file was kept back: nothing"))
        report = Path(verdict.partition(" See ")[2])
        assert json.loads((tmp_path / report).read_text())["file"] == name
        assert why in answer.out
        assert "as it should be" not in answer.out


async def test_refused_rows_of_ones_own_file_are_told_of(tmp_path: Path) -> None:
    """A file that is delivered but for some rows ends with 0, and with where these are."""
    own = tmp_path / "purchases.csv"
    rows = "".join(f"Sold,{1_700_000_000 + number},u{number}\n" for number in range(200))
    own.write_text(f"event_name,time_stamp,user_id\n{rows}Sold,1700000000,null\n")
    answer = await _execute(tmp_path, "demo", "--file", str(own), "--root", "here")
    assert (answer.code, answer.errors) == (0, ""), answer
    (verdict,) = (
        line for line in answer.out.splitlines() if line.startswith("Your file was delivered, but for the row")
    )
    assert "that break a rule (1)" in verdict
    assert (tmp_path / verdict.partition(" See ")[2]).read_text().count("\n") == 2


async def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C while files are delivered: code 130, a line that says so, no traceback, and the fresh folder is gone."""
    # The log, which --debug shows, tells when it is under way.
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--debug", "demo", env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=PIPE, stderr=PIPE
    )
    assert process.stderr is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        while b"daemon_started" not in (line := await process.stderr.readline()):
            assert line, "it ended before it was under way"
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert errors.splitlines()[-1].startswith(b"sftp-orchestrator: interrupted; ")
    assert await _list_folders(tmp_path) == []


async def test_profiles_of_ones_own_are_taken_too(tmp_path: Path) -> None:
    """``--feed-type profile`` needs an identity and nothing else."""
    own = tmp_path / "people.csv"
    own.write_text("user_id,Name\n1,Zoë\n2,山田\n")
    answer = await _execute(tmp_path, "demo", "--file", str(own), "--feed-type", "profile")
    assert (answer.code, answer.errors) == (0, ""), answer
    assert _get_first(answer).split()[1:3] == ["people.csv", "profile"]


async def test_what_the_demo_cannot_use_is_2_and_one_line(tmp_path: Path) -> None:
    """No size, no such file, nobody's rows, options that do not go together: one line that says what to do.

    Nothing is left behind.
    """
    (tmp_path / "strange.csv").write_text("a,b\n1,2\n")
    (tmp_path / "played" / "workspace").mkdir(parents=True)
    commands = {
        ("--root", "played"): "a demo has run there before; name a fresh folder",
        ("--size", "huge"): "such as 200MB or 2GB",
        ("--file", "missing.csv"): "missing.csv",
        ("--file", "strange.csv"): "no column looks like identity",
        ("--file", "strange.csv", "--map", "c=identity"): "it has: a, b",
        ("--file", "strange.csv", "--map", "a"): "HEADER=PROPERTY",
        ("--file", "strange.csv", "--size", "5MB"): "--size 5MB",
        ("--file", "strange.csv.gz"): "plain CSV",
        ("--size", "0"): "less than 1.0 kB",
        ("--feed-type", "profile"): "give --file",
        ("--map", "a=identity"): "give --file",
        ("--feed-type", "invoice"): "invoice",
    }
    answers = await asyncio.gather(*(_execute(tmp_path, "demo", *arguments) for arguments in commands))
    for (arguments, hint), answer in zip(commands.items(), answers, strict=True):
        assert (answer.code, answer.out) == (2, ""), (arguments, answer)
        assert answer.errors.count("\n") == 1, answer.errors
        assert hint in answer.errors
    assert await _list_folders(tmp_path) == []
