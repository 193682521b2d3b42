"""The command ``infer`` as a process: no configuration, an entry on stdout that is pasted, one line where it fails."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sftp_orchestrator.config.places import VARIABLE
from sftp_orchestrator.demo.files import generate
from tests.support.inferring import paste
from tests.support.service import COMMAND, DEADLINE_SECONDS, Answer, call


async def _infer(folder: Path, *files: str) -> Answer:
    """Run the command in ``folder``, where nothing names a configuration."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "infer", *files, cwd=folder, env=environment, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return Answer(code=process.returncode, out=out.decode(), errors=errors.decode())


async def test_what_it_prints_is_pasted_and_the_files_pass(tmp_path: Path) -> None:
    """From a folder with nothing but files to a configuration by which ``validate`` finds every rule kept."""
    await asyncio.to_thread(generate, tmp_path, size=300_000)
    events = await _infer(tmp_path, "purchases_old.csv", "purchases_new.csv")
    profiles = await _infer(tmp_path, "customers.csv")
    assert (events.code, events.errors, profiles.code, profiles.errors) == (0, "", 0, "")
    configuration = await asyncio.to_thread(paste, tmp_path, profiles.out + events.out)
    assert {name: feed.type for name, feed in configuration.feeds.items()} == {
        "customers": "profile",
        "purchases": "event",
    }
    files = [str(tmp_path / name) for name in ("purchases_old.csv", "customers.csv")]
    validated = await call(tmp_path / "config.yml", "validate", *files)
    assert validated.code == 0, validated
    assert validated.out.count("It keeps to every rule.") == 2, validated.out


async def test_what_cannot_be_inferred_is_one_line_on_stderr(tmp_path: Path) -> None:
    """A file that is refused is 1, one that is missing and none at all are 2; stdout stays empty."""
    (tmp_path / "bad.csv").write_bytes(b"a,b\n1\n")
    answers = await asyncio.gather(_infer(tmp_path, "bad.csv"), _infer(tmp_path, "gone.csv"), _infer(tmp_path))
    assert [answer.code for answer in answers] == [1, 2, 2]
    causes = ("infer bad.csv: line 2: ", "gone.csv: there is no such file", "FILE")
    for answer, said in zip(answers, causes, strict=True):
        assert answer.out == ""
        assert answer.errors.count("\n") == 1
        assert said in answer.errors
