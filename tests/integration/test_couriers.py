"""Channels that hang, drip, refuse or stay away: each has the others, the looks and the deliveries go on."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import apprise
import pytest
import structlog.testing

from sftp_orchestrator.alerts import alerting, courier
from sftp_orchestrator.alerts.alerting import Alerting
from sftp_orchestrator.alerts.channels import Channel, open_channels
from sftp_orchestrator.alerts.courier import Courier, get_pause_seconds
from sftp_orchestrator.cli import execute, notify
from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.errors import Unreachable
from sftp_orchestrator.health import check_machine
from sftp_orchestrator.ledger import alerts as ledger_alerts
from sftp_orchestrator.ledger.ledger import Ledger
from tests.support.alerts import (
    TOKEN,
    WRITE_SUBSTITUTE,
    configure_alerts,
    make_courier,
    make_json_url,
    note_messages,
    quarantine,
    write_secret,
)
from tests.support.sinks import Drip, Sink, run_dripping_sink, run_web_sink

DEADLINE_SECONDS = 60
AT = datetime.datetime.now(datetime.UTC)
POISON = "P0ison"
SUBSTITUTE = WRITE_SUBSTITUTE()


@pytest.fixture(autouse=True)
def _try_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits before an alert is tried once more."""
    monkeypatch.setattr(courier, "AGAIN_SECONDS", 0.0)


@pytest.fixture(name="sink")
def run_sink() -> Iterator[Sink]:
    """A web server that keeps what it is told."""
    with run_web_sink() as sink:
        yield sink


@pytest.fixture(name="drip")
def run_drip() -> Iterator[Drip]:
    """A service that never ends its answer; no thread waits for it when the test has ended."""
    with run_dripping_sink() as drip:
        yield drip
        drip.let_go.set()
        for thread in threading.enumerate():
            if thread.name in {"alert", "ping"}:
                thread.join(DEADLINE_SECONDS)


@pytest.fixture(name="ledger")
def open_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """The ledger of the workspace."""
    (tmp_path / "workspace").mkdir()
    with Ledger.open("sqlite", tmp_path / "workspace") as ledger:
        yield ledger


def _make_courier(ledger: Ledger, port: int, *, place: str = "here") -> Courier:
    channel = Channel(name="alerts.urls[0]", place=place, url=make_json_url(port))
    return make_courier(ledger, channel)


def _note(ledger: Ledger, *titles: str, at: datetime.datetime = AT, place: str = "here") -> None:
    """Put messages on their way to the channel of a courier, each of a look of its own."""
    note_messages(ledger, Channel(name="", place=place, url=""), *titles, at=at)


@contextlib.asynccontextmanager
async def _running(station: Alerting) -> AsyncIterator[None]:
    task = asyncio.create_task(station.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


# Services that hang.


async def test_a_service_that_drips_takes_one_thread_however_often_it_is_tried_and_no_other_channel(
    ledger: Ledger, sink: Sink, drip: Drip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty tries: it was asked once, is told of as silent, and another channel has its message at once."""
    before = set(threading.enumerate())
    dripping, other = _make_courier(ledger, drip.port), _make_courier(ledger, sink.port, place="there")
    await asyncio.to_thread(_note, ledger, "one")
    await asyncio.to_thread(_note, ledger, "two", place="there")
    with structlog.testing.capture_logs() as log:
        async with asyncio.timeout(DEADLINE_SECONDS):
            monkeypatch.setattr(courier, "SEND_SECONDS", 0.01)
            for _ in range(40):
                assert await dripping.bring() > 0
            await asyncio.to_thread(drip.wait)
            monkeypatch.setattr(courier, "SEND_SECONDS", DEADLINE_SECONDS)
            assert await other.bring() == 0
    assert drip.asked == 1
    assert [told.title for told in sink.told] == ["two"]
    (error,) = [line["error"] for line in log if line["event"] == "alert_not_sent"]
    assert "it gave no sign of life" in error
    # None of Apprise's own threads, which all channels would share.
    names = [thread.name for thread in threading.enumerate() if thread not in before]
    assert [name for name in names if not name.startswith(("asyncio", "Thread-"))] == ["alert"]


async def test_while_one_channel_hangs_looks_go_on_and_so_do_the_other_channels_and_deliveries(
    tmp_path: Path, ledger: Ledger, sink: Sink, drip: Drip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes up after it has begun to hang is told by the others; no thread of the event loop's is taken."""
    monkeypatch.setattr(courier, "SEND_SECONDS", 600.0)
    monkeypatch.setattr(courier, "STOP_GRACE_SECONDS", 0.0)
    monkeypatch.setattr(alerting, "LOOK_SECONDS", 0.01)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as lone, ThreadPoolExecutor(2) as own:
        # What the deliveries share: with one thread, whoever keeps it stops them all.
        loop.set_default_executor(lone)
        configuration = configure_alerts(tmp_path, make_json_url(drip.port), make_json_url(sink.port))
        quarantine(ledger, "s0")
        async with _running(Alerting(configuration, ledger, key_ends=dict)):
            await loop.run_in_executor(own, drip.wait)
            await loop.run_in_executor(own, sink.wait_until, 1)
            await loop.run_in_executor(own, quarantine, ledger, "s1")
            await loop.run_in_executor(own, sink.wait_until, 2)
        assert drip.asked == 1
    assert "id s1)" in sink.list_alerts()[1].message


def test_notify_test_says_of_a_service_that_drips_that_it_does_not_answer(
    tmp_path: Path, drip: Drip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It waits for no channel for longer than the daemon does."""
    monkeypatch.setattr(notify, "SEND_SECONDS", 0.1)
    configure_alerts(tmp_path, make_json_url(drip.port))
    assert execute(["notify", "test", "--config", str(tmp_path / "config.yml")]) == 3
    printed = " ".join(capsys.readouterr().out.split())
    assert "FAILED send a test by alerts.urls[0]" in printed
    assert "no whole answer within 0.1 s" in printed


async def test_what_a_slow_service_took_at_last_is_not_sent_again(
    ledger: Ledger, drip: Drip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as failed until then, and what it says is heeded when it comes."""
    monkeypatch.setattr(courier, "SEND_SECONDS", 0.1)
    bringing = _make_courier(ledger, drip.port)
    await asyncio.to_thread(_note, ledger, "one")
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await bringing.bring() > 0
        assert await bringing.bring() > 0
        await asyncio.to_thread(drip.wait)
        drip.let_go.set()
        for thread in [thread for thread in threading.enumerate() if thread.name == "alert"]:
            await asyncio.to_thread(thread.join, DEADLINE_SECONDS)
        assert await bringing.bring() == 0
    assert drip.asked == 1
    assert await asyncio.to_thread(ledger.alerts.count_messages) == 0


# Pauses.


def test_a_channel_that_fails_is_left_alone_for_longer_and_longer() -> None:
    """Twice as long each time, up to a quarter of an hour."""
    assert [get_pause_seconds(failures) for failures in range(1, 9)] == [15, 30, 60, 120, 240, 480, 900, 900]
    assert get_pause_seconds(10**6) == 900


async def test_once_it_took_one_it_is_soon_tried_again_when_it_fails(ledger: Ledger, sink: Sink) -> None:
    """What failed before that is over."""
    bringing = _make_courier(ledger, sink.port)
    await asyncio.to_thread(_note, ledger, "one")
    pauses = []
    for status in (500, 500, 200):
        sink.status = status
        pauses.append(await bringing.bring())
    await asyncio.to_thread(_note, ledger, "two")
    sink.status = 500
    pauses.append(await bringing.bring())
    assert pauses == [15, 30, 0, 15]


# Alerts that are refused.


async def test_an_alert_that_is_refused_for_what_it_says_does_not_keep_the_next_ones(
    ledger: Ledger, sink: Sink
) -> None:
    """After some tries another stands in its place, it is tried again, the log has it, and what is newer goes."""
    sink.refuses = POISON
    bringing = _make_courier(ledger, sink.port)
    await asyncio.to_thread(_note, ledger, POISON, "newer")
    with structlog.testing.capture_logs() as log:
        for _ in range(courier.TRIES - 1):
            assert await bringing.bring() > 0
        assert [told.title for told in sink.told] == [POISON] * (courier.TRIES - 1)
        assert await bringing.bring() == 0
    assert [told.title for told in sink.told][courier.TRIES - 1 :] == [
        POISON,
        # Once with the title, which is what it refuses.
        SUBSTITUTE.title,
        SUBSTITUTE.title,
        POISON,
        "newer",
    ]
    assert await asyncio.to_thread(ledger.alerts.count_messages) == 0
    (given_up,) = [line for line in log if line["event"] == "alert_given_up"]
    assert (given_up["title"], given_up["channel"], given_up["log_level"]) == (POISON, "alerts.urls[0]", "error")
    assert "400" in given_up["error"]


async def test_nothing_is_given_up_while_a_service_is_down(ledger: Ledger, sink: Sink) -> None:
    """However long that lasts: it takes nothing else in its place."""
    sink.status = 503
    bringing = _make_courier(ledger, sink.port)
    titles = [f"title {number}" for number in range(7)]
    await asyncio.to_thread(_note, ledger, *titles, at=AT - datetime.timedelta(days=3))
    for _ in range(3 * courier.TRIES):
        before = len(sink.told)
        assert await bringing.bring() > 0
        assert len(sink.told) - before <= 4
    assert await asyncio.to_thread(ledger.alerts.count_messages) == len(titles)
    sink.status = 200
    sink.told.clear()
    assert await bringing.bring() == 0
    (told,) = sink.told
    assert told.title == "7 alerts that could not be told before"


async def test_of_many_that_are_refused_as_one_all_arrive_but_those_that_are_refused_alone(
    ledger: Ledger, sink: Sink
) -> None:
    """Whichever of them it is, without a message for each; one is given up each time."""
    sink.refuses = POISON
    bringing = _make_courier(ledger, sink.port)
    titles = [f"title {number}" for number in range(32)]
    titles[2] = f"{POISON} one"
    titles[3] = f"{POISON} two"
    await asyncio.to_thread(_note, ledger, *titles, at=AT - 2 * courier.OVERDUE)
    turns = 0
    with structlog.testing.capture_logs() as log:
        while await asyncio.to_thread(ledger.alerts.count_messages):
            await bringing.bring()
            turns += 1
    assert turns == 2
    assert [line["title"] for line in log if line["event"] == "alert_given_up"] == titles[2:4]
    assert len(sink.told) < len(titles)
    taken = [told for told in sink.told if POISON not in told.body]
    assert [told.title for told in taken].count(SUBSTITUTE.title) == 2


# Alerts for a channel that is dead.


async def test_of_what_is_more_than_may_wait_the_oldest_is_told_as_a_number(
    tmp_path: Path, ledger: Ledger, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the log at once, by the channel once it takes something, and only then."""
    monkeypatch.setattr(ledger_alerts, "MOST_WAITING", 2)
    sink.status = 500
    configuration = await asyncio.to_thread(configure_alerts, tmp_path, make_json_url(sink.port))
    with structlog.testing.capture_logs() as log:
        for number in range(5):
            await asyncio.to_thread(quarantine, ledger, f"s{number}")
            await Alerting(configuration, ledger, key_ends=dict).tell_now()
    dropped = [line for line in log if line["event"] == "alerts_dropped"]
    assert [line["messages"] for line in dropped] == [1, 1, 1]
    assert TOKEN not in str(dropped)
    sink.status = 200
    sink.told.clear()
    station = Alerting(configuration, ledger, key_ends=dict)
    await station.tell_now()
    first, second = sink.list_alerts()
    assert "id s3)" in first.message
    assert first.message.endswith("… and 3 earlier alerts that could not be sent.")
    assert "id s4)" in second.message
    assert "earlier" not in second.message
    await asyncio.to_thread(quarantine, ledger, "s5")
    await station.tell_now()
    assert "earlier" not in sink.list_alerts()[-1].message


# The same URL twice.


async def test_a_url_that_is_given_twice_is_told_once(tmp_path: Path, ledger: Ledger, sink: Sink) -> None:
    """In one secret or in two; the log and ``check`` say which one is too many."""
    url = make_json_url(sink.port)

    def configure() -> list[str]:
        found = configure_alerts(tmp_path, url, url)
        again = SecretReference(file=write_secret(tmp_path, "again.url", url))
        alerts = found.alerts.model_copy(update={"urls": (*found.alerts.urls, again)})
        configuration = found.model_copy(update={"alerts": alerts})
        with structlog.testing.capture_logs() as log:
            names = [channel.name for channel in open_channels(configuration)]
            quarantine(ledger, "s1")
            asyncio.run(Alerting(configuration, ledger, key_ends=dict).tell_now())
        repeated = [line["channel"] for line in log if line["event"] == "alert_channel_repeated"][:2]
        checked = [one for one in check_machine(configuration, tmp_path / "config.yml") if one.subject == "alerts"]
        assert [one.is_warning for one in checked] == [False, True, True]
        assert all(f"the same as {names[0]}" in one.said for one in checked[1:])
        assert TOKEN not in str(checked) + str(log)
        return [*names, *repeated]

    names = await asyncio.to_thread(configure)
    first = f"alerts.urls[0] (file {tmp_path}/alerts.url, line 1)"
    assert names == [first, first.replace("line 1", "line 2"), f"alerts.urls[1] (file {tmp_path}/again.url)"]
    assert len(sink.list_alerts()) == 1


# What is hidden of a URL.


@pytest.mark.parametrize(
    ("written", "repeated"),
    [
        ("se%2Fcr%40et", "se/cr@et"),
        ("se%2Fcr%40et", "se%2fcr%40et"),
        ("se%20cr", "se+cr"),
        ("se~cr!et", "se~cr%21et"),
        ("s@cret", "s%40cret"),
        ("SeCrEt%21", "secret!"),
        ("K%C3%B6nig", "K\\u00f6nig"),
        ("K%C3%B6nig", "K&ouml;nig"),
        ("K%C3%B6nig", "K&#246;nig"),
        ("K%C3%B6nig", "K&#xF6;nig"),
        ("K%C3%B6nig", "K\\xc3\\xb6nig"),
        ("cr<et>", "cr&lt;et&gt;"),
        ("cr%26et", "cr&amp;et"),
        ("cr%22et", 'cr\\"et'),
        ("cr%22et", "cr\\u0022et"),
        ("se%2Fcr", "se\\/cr"),
        ("cr'et", "cr&#39;et"),
        ("cr'et", "cr&apos;et"),
    ],
)
def test_a_secret_is_hidden_however_a_service_writes_it(written: str, repeated: str) -> None:
    """Encoded in the URL and told plain, the other way round, in other letters, and as JSON or HTML."""
    schema = f"say{hashlib.sha256((written + repeated).encode()).hexdigest()[:8]}"

    def refuse(*_: object, **__: object) -> bool:
        logging.getLogger("apprise").warning("no such place: %s is unknown", repeated)
        return False

    apprise.decorators.notify(on=schema)(refuse)  # type: ignore[no-untyped-call] # it has no types
    channel = Channel(name="alerts.urls[0]", place="here", url=f"{schema}://user:{written}@host/{written}")
    with pytest.raises(Unreachable, match=r"no such place: \*\*\* is unknown"):
        channel.send(replace(SUBSTITUTE, is_good=True))
