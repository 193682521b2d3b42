"""``demo`` as a process in an empty folder: everything on this machine, from keys to what the receiver saw."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sftp_orchestrator.config.loading import VARIABLE
from sftp_orchestrator.sandbox.activity import Event, read_activity
from tests.support.service import COMMAND, Answer

DEADLINE_SECONDS = 100
SIZE = "300kB"
_NAMES = ("customers.csv", "purchases_old.csv", "purchases_new.csv", "purchases_broken.csv")


async def _execute(folder: Path, *arguments: str) -> Answer:
    """Run a command in ``folder``, where the environment names no configuration."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=folder, env={**environment, "TMPDIR": str(folder)}, stdout=pipe, stderr=pipe
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
    assert any(line.startswith("purchases_broken.csv: quarantined: line 2: ") for line in lines)
    assert any(line.startswith("Everything is as it should be") for line in lines)
    (folder,) = await asyncio.to_thread(lambda: list(tmp_path.glob("sftp-demo-*")))
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
    assert own.exists()
    assert (tmp_path / "here" / "receiver" / "activity.jsonl").exists()


async def test_profiles_of_ones_own_are_taken_too(tmp_path: Path) -> None:
    """``--feed-type profile`` needs an identity and nothing else."""
    own = tmp_path / "people.csv"
    own.write_text("user_id,Name\n1,Zoë\n2,山田\n")
    answer = await _execute(tmp_path, "demo", "--file", str(own), "--feed-type", "profile")
    assert (answer.code, answer.errors) == (0, ""), answer
    assert _get_first(answer).split()[1:3] == ["people.csv", "profile"]


async def test_what_the_demo_cannot_use_is_2_and_one_line(tmp_path: Path) -> None:
    """A size that is none, a file that is missing, or one without an identity: one line that says what to do."""
    (tmp_path / "strange.csv").write_text("a,b\n1,2\n")
    commands = {
        ("--size", "huge"): "such as 200MB or 2GB",
        ("--file", "missing.csv"): "missing.csv",
        ("--file", "strange.csv"): "no column looks like identity",
        ("--feed-type", "invoice"): "invoice",
    }
    answers = await asyncio.gather(*(_execute(tmp_path, "demo", *arguments) for arguments in commands))
    for (arguments, hint), answer in zip(commands.items(), answers, strict=True):
        assert (answer.code, answer.out) == (2, ""), (arguments, answer)
        assert answer.errors.count("\n") == 1, answer.errors
        assert hint in answer.errors
