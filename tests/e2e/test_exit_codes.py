"""How the command ends: an exit code of the contract, one clear line where something is wrong, and nothing lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sftp_orchestrator.config.places import VARIABLE
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.sandbox.activity import Entry, Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Settings
from tests.support.configuration import generate_host_key, get_values, merge, write_configuration, write_values
from tests.support.openssh import make_key
from tests.support.sandboxes import make_sandbox
from tests.support.service import (
    COMMAND,
    DEADLINE_SECONDS,
    Answer,
    Service,
    call,
    configure,
    get_status,
    run_service,
)

EVENTS = "event_name,time_stamp,user_id\nSold,1700000000,a\n"
PROFILES = "user_id,Name\na,Ada\n"
BROKEN_PROFILES = "user_id,Name\na\n"
LONG_PAUSE = timedelta(seconds=8)
"""Longer than a command and the daemon's look for decisions take, on a machine that is shared."""


def _drop(folder: Path, **contents: str) -> None:
    """Drop files in the order of the arguments."""
    for name, content in contents.items():
        (folder / "staging" / f"{name}.csv").write_text(content, encoding="utf-8")


async def _configure(folder: Path, sandbox: Sandbox, **destination: Any) -> Path:
    """Write the configuration for a running sandbox; ``destination`` is what differs in it."""
    overrides = {"destinations": {"production": destination}}
    return (await asyncio.to_thread(configure, folder, sandbox, overrides)).path


def _rename_feed(config: Path, before: str, after: str) -> None:
    values = yaml.safe_load(config.read_text())
    values["feeds"][after] = values["feeds"].pop(before)
    write_values(config.parent, values)


async def _run_once(config: Path) -> Answer:
    answer = await call(config, "run", "--once")
    assert "Traceback" not in answer.errors
    return answer


async def _execute(folder: Path, *arguments: str) -> Answer:
    """Run a command in ``folder``, where the environment names no configuration."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=folder, env=environment, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return Answer(code=process.returncode, out=out.decode(), errors=errors.decode())


def _get_lines(answer: Answer, event: str) -> list[dict[str, Any]]:
    """Return the log lines of ``event``."""
    lines = [json.loads(line) for line in answer.errors.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def _list_taken(sandbox: Sandbox) -> list[str]:
    """Return the names of the data that was taken, in order."""
    entries = read_activity(sandbox.paths.activity)
    return [str(entry.details["data"]) for entry in entries if entry.event is Event.TAKEN]


# 0 and 1.


async def test_0_when_all_is_delivered_and_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    """A pass that delivers everything, and a pass that finds nothing, end with 0."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, purchases=EVENTS, customers=PROFILES)
        answers = [await _run_once(config), await _run_once(config)]
        await sandbox.wait_until_idle()
        assert [answer.code for answer in answers] == [0, 0], answers
        assert [name.split("_")[0] for name in _list_taken(sandbox)] == ["customers", "purchases"]


async def test_1_when_a_file_is_quarantined_and_while_others_wait_for_it(tmp_path: Path) -> None:
    """A refused file makes it 1, and so does every pass in which events still wait for it."""
    config = (await asyncio.to_thread(write_configuration, tmp_path)).path
    _drop(tmp_path, customers=BROKEN_PROFILES, purchases=EVENTS)
    first, second = await _run_once(config), await _run_once(config)
    assert (first.code, second.code) == (1, 1), (first, second)
    assert len(_get_lines(first, "source_quarantined")) == 1
    assert (_get_lines(second, "source_quarantined"), len(_get_lines(second, "events_wait"))) == ([], 1)


async def test_1_when_a_file_is_held_and_3_when_the_receiver_is_away(tmp_path: Path, closed_port: int) -> None:
    """3 while nobody answers, 1 when the file's feed is gone as well; put back, it is delivered by itself."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, port=closed_port, attempts=1)
        _drop(tmp_path, purchases=EVENTS)
        answer = await _run_once(config)
        assert answer.code == 3, answer.errors
        (failed,) = _get_lines(answer, "destination_failed")
        assert f"127.0.0.1:{closed_port}" in failed["error"]
        _rename_feed(config, "purchases", "orders")
        answer = await _run_once(config)
        assert answer.code == 1, answer.errors
        (held,) = _get_lines(answer, "source_held")
        assert "the configuration has no feed 'purchases' any more" in held["reason"]
        await _configure(tmp_path, sandbox)
        answer = await _run_once(config)
        assert answer.code == 0, answer.errors
        assert [line["source"] for line in _get_lines(answer, "source_resumed")] == [held["source"]]
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 1


# 2.


async def test_2_with_every_configuration_error_at_once(tmp_path: Path) -> None:
    """Wrong values and unknown keys: one line each with file, line, key and what to do; no traceback but on demand."""
    values = merge(get_values(), {"destinations": {"production": {"port": 0, "usernam": "x"}}, "stagin": "y"})
    config = await asyncio.to_thread(write_values, tmp_path, values)
    plain, debug = await asyncio.gather(call(config, "run", "--once"), call(config, "--debug", "run", "--once"))
    assert (plain.code, plain.out) == (2, ""), plain
    assert "Traceback" not in plain.errors
    numbers = {line.split(":")[0].strip(): at for at, line in enumerate(config.read_text().splitlines(), start=1)}
    lines = plain.errors.splitlines()
    assert len(lines) == 3, plain.errors
    for key, hint in (("port", "0"), ("usernam", "username"), ("stagin", "staging")):
        (line,) = (found for found in lines if f"{config}:{numbers[key]} " in found)
        assert hint in line.partition(key)[2], line
    assert "Traceback" in debug.errors
    assert debug.code == 2, debug.errors


async def test_2_for_what_cannot_be_understood(tmp_path: Path) -> None:
    """An unknown option or command, a configuration that is missing or not named: one line that says what to do."""
    commands = {
        ("run", "--onc"): "--once",
        ("rum",): "--help",
        ("--config", "missing.yml", "run", "--once"): "missing.yml",
        ("status",): "--config",
    }
    answers = await asyncio.gather(*(_execute(tmp_path, *command) for command in commands))
    for (command, hint), answer in zip(commands.items(), answers, strict=True):
        assert (answer.code, answer.out) == (2, ""), (command, answer)
        assert answer.errors.count("\n") == 1, answer.errors
        assert hint in answer.errors


@pytest.mark.parametrize("wrong", ["public", "locked", "missing"])
async def test_2_for_a_key_that_cannot_be_used_with_nothing_to_do(tmp_path: Path, wrong: str) -> None:
    """An unusable SSH key ends the daemon and a pass at the start, with one line, before anything is made."""
    config = (await asyncio.to_thread(write_configuration, tmp_path)).path
    key = tmp_path / "id_ed25519"
    key.unlink()
    if wrong != "missing":
        passphrase = "open sesame" if wrong == "locked" else ""
        await asyncio.to_thread(make_key, key, passphrase=passphrase)
    if wrong == "public":
        key.write_bytes(key.with_name("id_ed25519.pub").read_bytes())
    for command in (("run",), ("run", "--once")):
        answer = await call(config, *command)
        assert (answer.code, answer.out, answer.errors.count("\n")) == (2, "", 1), answer
        assert "destinations.production.private_key" in answer.errors
    assert list((tmp_path / "workspace").iterdir()) == []


# 3.


@pytest.mark.parametrize("wrong", ["host key", "login"])
async def test_3_when_the_receiver_and_we_do_not_trust_each_other(tmp_path: Path, wrong: str) -> None:
    """One line shows both sides' key and what to do; nothing is sent or lost, and once mended it is delivered."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        other = generate_host_key()
        host_key = {"host_keys": [other], "known_hosts": None}
        config = await _configure(
            tmp_path, sandbox, **(host_key if wrong == "host key" else {"private_key": {"file": "id_ed25519"}})
        )
        _drop(tmp_path, customers=PROFILES)
        answer = await _run_once(config)
        assert answer.code == 3, answer.errors
        (failed,) = _get_lines(answer, "destination_failed")
        assert "\n" not in failed["error"]
        words = (
            ["it shows host key", "pinned: ssh-ed25519 SHA256:", "host_keys"]
            if wrong == "host key"
            else ["does not accept our key", "registered"]
        )
        assert all(word in failed["error"] for word in words), failed
        (waiting,) = (await get_status(config)).values()
        assert waiting["reason"] == failed["error"]
        assert list(sandbox.paths.inbox.iterdir()) == []
        await _configure(tmp_path, sandbox)
        answer = await _run_once(config)
        assert answer.code == 0, answer.errors
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 1


async def _drop_for_nobody(folder: Path, port: int, service: Service) -> None:
    """Deliver to a receiver that goes away then, and drop a file that nobody takes."""
    async with make_sandbox(folder / "receiver", port=port) as sandbox:
        _drop(folder, customers=PROFILES)
        await service.wait_for("run_finished", verdict="done")
        await sandbox.wait_until_idle()
    _drop(folder, purchases=EVENTS)


async def test_a_receiver_that_comes_back_gets_what_waited_by_itself(tmp_path: Path) -> None:
    """A receiver goes away and comes back while the daemon runs: what was dropped meanwhile is delivered once."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config, port = await _configure(tmp_path, sandbox), sandbox.port
    async with run_service(config) as service:
        await _drop_for_nobody(tmp_path, port, service)
        await service.wait_for("step_retried")
        async with make_sandbox(tmp_path / "receiver", port=port) as sandbox:
            await service.wait_for("source_delivered", file="purchases.csv")
            await service.wait_for("run_finished", count=2, verdict="done")
            await sandbox.wait_until_idle()
            assert [name.split("_")[0] for name in _list_taken(sandbox)] == ["customers", "purchases"]
        assert await service.stop() == ExitCode.DONE


async def test_a_persons_retry_does_not_wait_for_the_pause_after_a_failed_run(tmp_path: Path) -> None:
    """``retry`` is now: with the receiver back, what waits for the end of a pause is delivered before that."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, attempts=1)
        port = sandbox.port
    async with run_service(config) as service:
        _drop(tmp_path, purchases=EVENTS)
        failures = 1
        while (pause_end := await _get_pause_end(service, failures)) < datetime.now(UTC) + LONG_PAUSE:
            failures += 1
        async with make_sandbox(tmp_path / "receiver", port=port) as sandbox:
            source_id = (await service.wait_for("source_planned"))["source"]
            assert (await call(config, "retry", source_id)).code == 0
            delivered = await service.wait_for("source_delivered")
            await sandbox.wait_until_idle()
            assert len(_list_taken(sandbox)) == 1
    assert datetime.fromisoformat(delivered["timestamp"]) < pause_end


async def _get_pause_end(service: Service, failures: int) -> datetime:
    event = "destination_failed" if failures == 1 else "destination_still_fails"
    failed = await service.wait_for(event, failures=failures)
    return datetime.fromisoformat(failed["retry_at"])


# Signals.


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
async def test_a_stopped_daemon_says_whether_it_was_interrupted(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """``run`` ends with 0 on SIGTERM, as a service manager stops it, with 130 on Ctrl-C; no traceback."""
    config = (await asyncio.to_thread(write_configuration, tmp_path)).path
    async with run_service(config) as service:
        await service.wait_for("daemon_started")
        assert await service.stop(number) == code
    assert [(line["event"], line["signal"]) for line in service.lines[-2:]] == [
        ("stopping", number.name),
        ("stopped", number.name),
    ]
    assert not [line for line in service.lines if "Traceback" in line.get("text", "")]


async def test_130_when_one_pass_is_interrupted(tmp_path: Path) -> None:
    """Ctrl-C in the middle of an upload ends ``run --once`` with 130; the next pass delivers it, once."""
    running: list[asyncio.subprocess.Process] = []

    def interrupt(entry: Entry) -> None:
        if entry.event is Event.OPENED and running:
            running.pop().send_signal(signal.SIGINT)

    settings = Settings(root=tmp_path / "receiver", openpgp_algorithm=CURVE_25519)
    async with Sandbox(settings, listener=interrupt) as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, purchases=EVENTS)
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "--config", str(config), "run", "--once", stderr=asyncio.subprocess.PIPE
        )
        running.append(process)
        _, errors = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
        assert process.returncode == 130, errors
        assert b"Traceback" not in errors
        answer = await _run_once(config)
        assert answer.code == 0, answer.errors
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 1
