"""Alerts of the real daemon, and ``notify test``: as a process, to a web server on this machine."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.configuration import Written, write_configuration
from tests.support.sandboxes import make_sandbox
from tests.support.service import Answer, call, configure, get_status, run_service
from tests.support.sinks import Sink, run_web_sink

BAD = "event_name,time_stamp,user_id\nSold,1700000000\n"
GOOD = "event_name,time_stamp,user_id\nSold,1700000000,a\n"
SECRET = "Uu1dThatNobodyMaySee"


@pytest.fixture(name="sink")
def run_sink() -> Iterator[Sink]:
    """A web server that keeps what it is told."""
    with run_web_sink() as sink:
        yield sink


def _make_alerts(folder: Path, sink: Sink, **changes: Any) -> dict[str, Any]:
    urls = {"alerts.url": f"json://127.0.0.1:{sink.port}/alerts/{SECRET}", "ping.url": _get_ping(sink)}
    for name, url in urls.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(url, encoding="utf-8")
    alerts = {"urls": [{"file": "alerts.url"}], "ping": {"file": "ping.url"}, "group_seconds": 1, **changes}
    return {"alerts": alerts, "schedule": {"deliver": "on_arrival"}, "intake": {"rescan_seconds": 1}}


def _get_ping(sink: Sink) -> str:
    return f"http://127.0.0.1:{sink.port}/ping/{SECRET}"


async def _drop(written: Written, **files: str) -> None:
    for name, content in files.items():
        path = written.configuration.staging / f"purchases_{name}.csv"
        await asyncio.to_thread(path.write_text, content, encoding="utf-8")


async def test_quarantined_files_are_told_once_whatever_is_killed_and_so_is_their_end(
    tmp_path: Path, sink: Sink
) -> None:
    """Three files are one alert; a daemon that is killed tells of none twice; discarded, they are over."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        overrides = _make_alerts(tmp_path, sink)
        written = await asyncio.to_thread(configure, tmp_path, sandbox, overrides)
        await _drop(written, one=BAD, two=BAD + "x,y\n", three=BAD + "x\n")
        async with run_service(written.path) as service:
            await asyncio.to_thread(sink.wait_for, lambda told: "are quarantined" in told.body)
            await asyncio.to_thread(sink.wait_for, lambda told: told.path == f"/ping/{SECRET}")
            await service.wait_for("alert_sent")
            await service.stop(signal.SIGKILL)
        async with run_service(written.path) as service:
            await service.wait_for("daemon_started")
            for source in (await get_status(written.path)).values():
                assert (await call(written.path, "discard", source["id"])).code == 0
            await asyncio.to_thread(sink.wait_for, lambda told: "over: 3 files" in told.body)
            await service.wait_for("alert_sent")
            assert await service.stop() == 0
    first, over = sink.list_alerts()
    assert "3 files are quarantined" in first.title
    assert f"sftp-orchestrator --config {written.path} status" in first.message
    assert "discarded now" in over.message
    assert SECRET not in str(service.lines)


async def test_a_configuration_that_is_refused_is_told_and_so_is_that_a_good_one_was_read(
    tmp_path: Path, sink: Sink
) -> None:
    """Who changed it is gone, and nothing of the change is in effect: the place of what is wrong, and what to type."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, _make_alerts(tmp_path, sink))
        good = await asyncio.to_thread(written.path.read_text, encoding="utf-8")
        async with run_service(written.path) as service:
            await service.wait_for("daemon_started")
            await asyncio.to_thread(written.path.write_text, f"{good}schedul: {{}}\n", encoding="utf-8")
            service.process.send_signal(signal.SIGHUP)
            await service.wait_for("reload_refused")
            await asyncio.to_thread(sink.wait_for, lambda told: "configuration was refused" in told.body)
            await service.wait_for("alert_sent")
            await asyncio.to_thread(written.path.write_text, good, encoding="utf-8")
            service.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(sink.wait_for, lambda told: "over: the configuration is in effect" in told.body)
            await service.wait_for("alert_sent", count=2)
            assert await service.stop() == 0
    first, over = sink.list_alerts()
    assert first.title.endswith(": 1 configuration was refused")
    assert re.search(rf"\n    {re.escape(str(written.path))}:\d+ schedul: .*did you mean schedule\?\n", first.message)
    assert f"\n    sftp-orchestrator --config {written.path} check\n" in first.message
    assert "\n    systemctl reload sftp-orchestrator\n" in first.message
    assert over.message.startswith("the configuration: it was read, and the daemon goes by it")


async def test_a_pass_tells_at_its_end_of_a_receiver_that_is_away_and_the_first_success_after_it(
    tmp_path: Path, sink: Sink
) -> None:
    """As cron calls it: an alert and a failed ping; then it is over, and the ping is well. The exit codes stay."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        overrides = _make_alerts(tmp_path, sink) | {"destinations": {"production": {"attempts": 1}}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, overrides)
        port = sandbox.access.port
    await _drop(written, one=GOOD)
    assert (await call(written.path, "run", "--once")).code == 3
    (failed,) = sink.list_alerts()
    assert "1 delivery fails" in failed.title
    assert "production: its runs failed once" in failed.message
    (ping,) = (told for told in sink.told if told not in sink.list_alerts())
    assert (ping.method, ping.path) == ("POST", f"/ping/{SECRET}/fail")
    assert "production" in ping.body
    sink.told.clear()
    async with make_sandbox(tmp_path / "receiver", port=port):
        answer = await call(written.path, "run", "--once")
    assert answer.code == 0, answer.errors
    (over,) = sink.list_alerts()
    assert "over: production goes through again" in over.title
    assert [told.method for told in sink.told if told.path == f"/ping/{SECRET}"] == ["GET"]


async def test_a_file_that_was_delivered_without_some_rows_is_told_once(tmp_path: Path, sink: Sink) -> None:
    """Where the rows lie and what to do with them; of more on that day nothing is said, nor of their discarding."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        overrides = _make_alerts(tmp_path, sink) | {"feeds": {"purchases": {"max_bad_rows": 0.5}}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, overrides)
        await _drop(written, one=f"{GOOD}Sold,soon,a\n")
        assert (await call(written.path, "run", "--once")).code == 0
        (told,) = sink.list_alerts()
        (kept,) = (written.configuration.workspace / "rejected").iterdir()
        await _drop(written, two=f"{GOOD}Sold,later,b\n")
        assert (await call(written.path, "run", "--once")).code == 0
        assert (await call(written.path, "discard", kept.name)).code == 0
        assert (await call(written.path, "run", "--once")).code == 0
    assert told.title.endswith(": 1 file was delivered without all of its rows")
    rows = f"purchases_one.csv (feed purchases, id {kept.name}): 1 of 2 rows sent, 1 refused: {kept}/failed_rows.csv"
    assert rows in told.message
    assert f"    sftp-orchestrator --config {written.path} discard {kept.name}\n" in told.message
    assert sink.list_alerts() == [told]


async def _test(written: Written) -> Answer:
    answer = await call(written.path, "notify", "test")
    assert SECRET not in answer.out + answer.errors
    return answer


async def test_notify_test_says_which_channel_took_it(tmp_path: Path, sink: Sink, closed_port: int) -> None:
    """0 where all did, 3 where one did not, 2 where one is none, or none is there; nothing of it is secret."""
    changes = _make_alerts(tmp_path, sink)
    written = await asyncio.to_thread(write_configuration, tmp_path, changes)
    answer = await _test(written)
    assert (answer.code, answer.errors) == (0, "")
    assert [line.split()[0] for line in answer.out.splitlines()] == ["ok", "ok"]
    (told,) = sink.list_alerts()
    assert told.title.endswith(": test")
    secret = tmp_path / "alerts.url"
    both = f"json://127.0.0.1:{closed_port}/{SECRET}\n{secret.read_text(encoding='utf-8')}\n"
    await asyncio.to_thread(secret.write_text, both, encoding="utf-8")
    answer = await _test(written)
    assert answer.code == 3
    assert [line.split()[0] for line in answer.out.splitlines()] == ["FAILED", "ok", "ok"]
    await asyncio.to_thread(secret.write_text, f"nothing://{SECRET}\n", encoding="utf-8")
    assert (await _test(written)).code == 2
    answer = await call(written.path, "check")
    assert answer.code == 2
    assert re.search(r"^FAILED +alerts: use alerts\.urls\[0\] \(file ", answer.out, flags=re.MULTILINE)
    assert SECRET not in answer.out + (await call(written.path, "config", "show")).out
    none = await asyncio.to_thread(write_configuration, tmp_path)
    answer = await _test(none)
    assert (answer.code, "docs/how-to/alerts.md" in answer.errors) == (2, True)
