"""Alerts on their way: by Apprise to a web server and a mail server on this machine, and to a dead-man's switch."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from sftp_orchestrator.alerts import channels, courier, pinging
from sftp_orchestrator.alerts.alerting import Alerting
from sftp_orchestrator.alerts.channels import Channel
from sftp_orchestrator.alerts.dead_man import DeadMan, make_fail_url
from sftp_orchestrator.alerts.pinging import Pinging
from sftp_orchestrator.alerts.wording import Text
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.errors import ConfigurationError, LocalFault, Unreachable
from sftp_orchestrator.ledger import alerts as ledger_alerts
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.progress import Board
from tests.support.alerts import (
    TOKEN,
    PlannedChannel,
    claim,
    configure_alerts,
    make_json_url,
    note_messages,
    quarantine,
    write_secret,
)
from tests.support.configuration import write_configuration
from tests.support.records import make_pause
from tests.support.sinks import Sink, run_dripping_sink, run_mail_sink, run_web_sink

TEXT = Text(title="SFTP orchestrator on h: 1 file is held", body="a <b>.csv: why\n    & what", is_good=False)


@pytest.fixture(name="sink")
def run_sink() -> Iterator[Sink]:
    """A web server that keeps what it is told."""
    with run_web_sink() as sink:
        yield sink


def _tell(configuration: Configuration, ledger: Ledger) -> None:
    """Look and tell once, as a new process does."""
    asyncio.run(Alerting(configuration, ledger, key_ends=dict).tell_now())


@pytest.fixture(name="ledger")
def open_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """The ledger of the workspace."""
    (tmp_path / "workspace").mkdir()
    with Ledger.open("sqlite", tmp_path / "workspace") as ledger:
        yield ledger


def test_many_of_a_kind_are_one_alert_and_their_end_is_another(tmp_path: Path, ledger: Ledger, sink: Sink) -> None:
    """By whatever process, each is told once; with ids, reasons and what to type."""
    configuration = configure_alerts(tmp_path, make_json_url(sink.port))
    names = [f"s{number}" for number in range(7)]
    quarantine(ledger, *names)
    for _ in range(2):
        _tell(configuration, ledger)
    (told,) = sink.list_alerts()
    assert "7 files are quarantined" in told.title
    assert [name for name in names if f"id {name})" in told.message] == names[:5]
    assert "sftp-orchestrator discard s0" in told.message
    for name in names:
        ledger.discards.discard(name, by="anna")
    for _ in range(2):
        _tell(configuration, ledger)
    (_, over) = sink.list_alerts()
    assert "over: 7 files are not quarantined any more" in over.title
    assert "s0.csv (feed purchases, id s0): discarded now" in over.message


def test_each_channel_gets_each_alert_and_one_that_fails_gets_it_later(
    tmp_path: Path, ledger: Ledger, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel that does not take it is logged once and asked again; the other one is told once."""
    monkeypatch.setattr(courier, "FIRST_PAUSE_SECONDS", 0.0)
    with run_web_sink() as other:
        other.status = 500
        configuration = configure_alerts(tmp_path, make_json_url(sink.port), make_json_url(other.port))
        quarantine(ledger, "s1")
        station = Alerting(configuration, ledger, key_ends=dict)
        with structlog.testing.capture_logs() as log:
            for _ in range(3):
                asyncio.run(station.tell_now())
            other.status = 200
            asyncio.run(station.tell_now())
        assert len(sink.list_alerts()) == 1
        assert len(other.list_alerts()) == 4
    events = [(line["event"], line["channel"].partition(" (")[2]) for line in log]
    first, second = (f"file {tmp_path}/alerts.url, line {number})" for number in (1, 2))
    assert [event for event, channel in events if channel == first] == ["alert_sent"]
    assert [event for event, channel in events if channel == second] == [
        "alert_not_sent",
        "alert_sent",
        "alerts_sent_again",
    ]
    assert "500" in next(line["error"] for line in log if line["event"] == "alert_not_sent")
    assert TOKEN not in str(log)
    assert ledger.alerts.count_messages() == 0


def test_a_channel_that_was_away_for_long_gets_all_of_it_as_one(
    tmp_path: Path, ledger: Ledger, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No storm after a night without the service."""
    monkeypatch.setattr(courier, "FIRST_PAUSE_SECONDS", 0.0)
    configuration = configure_alerts(tmp_path, make_json_url(sink.port))
    sink.status = 503
    for number in range(6):
        quarantine(ledger, f"s{number}")
        _tell(configuration, ledger)
    sink.told.clear()
    sink.status = 200
    _tell(configuration, ledger)
    (told,) = sink.list_alerts()
    assert told.title == "6 alerts that could not be told before"
    assert told.message.count("1 file is quarantined") >= 5
    assert ledger.alerts.count_messages() == 0


def test_what_a_channel_that_is_gone_did_not_take_is_forgotten(tmp_path: Path, ledger: Ledger, sink: Sink) -> None:
    """A secret in another place is another channel: it is not told of what was."""
    sink.status = 500
    quarantine(ledger, "s1")
    configuration = configure_alerts(tmp_path, make_json_url(sink.port))
    _tell(configuration, ledger)
    assert ledger.alerts.count_messages() == 1
    sink.status = 200
    elsewhere = write_secret(tmp_path, "other.url", make_json_url(sink.port, "alerts/new"))
    (reference,) = configuration.alerts.urls
    moved = configuration.alerts.model_copy(update={"urls": (reference.model_copy(update={"file": elsewhere}),)})
    _tell(configuration.model_copy(update={"alerts": moved}), ledger)
    assert ledger.alerts.count_messages() == 0
    assert [told.path for told in sink.list_alerts()] == ["/alerts"]


def test_what_a_channel_that_is_gone_was_not_told_is_forgotten_also_where_nothing_waits(
    tmp_path: Path, ledger: Ledger, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of what was lost for it, of which nobody is left to hear."""
    monkeypatch.setattr(ledger_alerts, "MOST_WAITING", 1)
    gone = PlannedChannel()
    note_messages(ledger, gone, "one", "two")
    ledger.alerts.finish(gone.key, ledger.alerts.list_messages(gone.key), at=datetime.datetime.now(datetime.UTC))
    assert (ledger.alerts.count_messages(), ledger.alerts.count_lost(gone.key)) == (0, 1)
    _tell(configure_alerts(tmp_path, make_json_url(sink.port)), ledger)
    assert ledger.alerts.count_lost(gone.key) == 0


def test_what_waits_goes_out_by_a_url_that_was_put_right(tmp_path: Path, ledger: Ledger, sink: Sink) -> None:
    """A token was revoked, and the secret has another one now: nothing that waited is lost."""
    sink.status = 500
    quarantine(ledger, "s1")
    _tell(configure_alerts(tmp_path, make_json_url(sink.port)), ledger)
    sink.status = 200
    _tell(configure_alerts(tmp_path, make_json_url(sink.port, "alerts/new")), ledger)
    assert ledger.alerts.count_messages() == 0
    assert [told.path for told in sink.list_alerts()] == ["/alerts", "/alerts/new"]


def test_what_was_taken_is_not_sent_again_where_the_ledger_cannot_be_told(
    tmp_path: Path, ledger: Ledger, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for some looks: one message leaves, and is noted once there is room."""
    quarantine(ledger, "s1")
    finish = ledger.alerts.finish
    alerting = Alerting(configure_alerts(tmp_path, make_json_url(sink.port)), ledger, key_ends=dict)

    def fail(*_: object, **__: object) -> None:
        raise LocalFault("note", "alerts", "the disk is full")

    async def tell() -> None:
        monkeypatch.setattr(ledger.alerts, "finish", fail)
        for _ in range(3):
            await alerting.tell_now()
        monkeypatch.setattr(ledger.alerts, "finish", finish)
        await alerting.tell_now()

    with structlog.testing.capture_logs() as log:
        asyncio.run(tell())
    assert len(sink.list_alerts()) == 1
    assert ledger.alerts.count_messages() == 0
    assert "alerts_crashed" not in [line["event"] for line in log]


def test_without_a_channel_nothing_is_noted(tmp_path: Path, ledger: Ledger) -> None:
    """Whoever asks for alerts later is told of all that needs a person then."""
    configuration = write_configuration(tmp_path).configuration
    quarantine(ledger, "s1")
    _tell(configuration, ledger)
    assert ledger.alerts.list_all() == []


def test_a_missing_file_a_failing_destination_a_key_and_a_full_disk_are_told(
    tmp_path: Path, ledger: Ledger, sink: Sink
) -> None:
    """Each in a message of its kind; a source that fails again and again, too."""
    now = datetime.datetime.now(datetime.UTC)
    configuration = configure_alerts(
        tmp_path, make_json_url(sink.port), feeds={"purchases": {"expected": {"by": "03:00"}}}
    )
    space = configuration.space.model_copy(update={"pause_below_bytes": 10**18})
    configuration = configuration.model_copy(update={"space": space})
    ledger.missing.note("purchases", now)
    claim(ledger, "s1")
    for _ in range(5):
        ledger.sources.note_wait("s1", "the disk says no", retry_at=now)
    ends = {"production": now + datetime.timedelta(days=29)}
    asyncio.run(Alerting(configuration, ledger, key_ends=lambda: ends).tell_now())
    titles = sorted(told.title.partition(": ")[2] for told in sink.list_alerts())
    assert titles == [
        "1 OpenPGP key expires soon",
        "1 delivery fails",
        "1 disk runs short",
        "1 expected file is missing",
    ]
    (failing,) = (told for told in sink.list_alerts() if "delivery" in told.title)
    assert "s1.csv (feed purchases, id s1): the disk says no" in failing.message


def test_a_ledger_or_disk_that_cannot_be_asked_is_told_of_once(
    tmp_path: Path, ledger: Ledger, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And deliveries know nothing of it."""
    station = Alerting(configure_alerts(tmp_path, make_json_url(sink.port)), ledger, key_ends=dict)

    def fail() -> Mapping[str, Any]:
        raise LocalFault("use", "the ledger", "the disk is gone")

    monkeypatch.setattr(ledger.alerts, "list_all", fail)
    with structlog.testing.capture_logs() as log:
        for _ in range(3):
            asyncio.run(station.tell_now())
    assert [line["event"] for line in log] == ["alerts_not_noted"]


def test_a_defect_in_telling_is_logged_and_ends_nothing(
    tmp_path: Path, ledger: Ledger, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take the daemon with it, and every delivery."""
    station = Alerting(configure_alerts(tmp_path, make_json_url(sink.port)), ledger, key_ends=dict)

    def fail() -> Mapping[str, Any]:
        msg = "a defect"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr(station, "_key_ends", fail)
    with structlog.testing.capture_logs() as log:
        asyncio.run(station.tell_now())
    assert [line["event"] for line in log] == ["alerts_crashed"]


@pytest.mark.parametrize("step", ["list_channels", "list_messages"])
def test_a_defect_at_any_step_of_telling_ends_nothing(
    tmp_path: Path, ledger: Ledger, sink: Sink, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Also before the first look, and in what brings the messages."""
    station = Alerting(configure_alerts(tmp_path, make_json_url(sink.port)), ledger, key_ends=dict)

    def fail(*_: object) -> None:
        msg = "a defect"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr(ledger.alerts, step, fail)
    with structlog.testing.capture_logs() as log:
        asyncio.run(station.tell_now())
    assert [line["event"] for line in log] == ["alerts_crashed"]


def test_of_what_is_not_watched_any_more_nobody_is_told_that_it_is_over(
    tmp_path: Path, ledger: Ledger, sink: Sink
) -> None:
    """A file that is not expected any more, a destination that is gone, a key that is not used: the log has them."""
    now = datetime.datetime.now(datetime.UTC)
    urls = [make_json_url(sink.port)]
    feeds = {"purchases": {"expected": {"by": "03:00"}}, "customers": {"expected": {"by": "03:00"}}}
    before = configure_alerts(tmp_path, *urls, feeds=feeds)
    ledger.missing.note("purchases", now)
    ledger.missing.note("customers", now)
    ledger.pauses.note(make_pause(destination="elsewhere"))
    ends = {"elsewhere": now + datetime.timedelta(days=3)}
    asyncio.run(Alerting(before, ledger, key_ends=lambda: ends).tell_now())
    titles = sorted(told.title.partition(": ")[2] for told in sink.list_alerts())
    assert titles == ["1 OpenPGP key expires soon", "1 delivery fails", "2 expected files are missing"]
    ledger.pauses.forget("elsewhere")
    after = configure_alerts(tmp_path, *urls, feeds={"customers": {"expected": {"by": "03:00"}}})
    with structlog.testing.capture_logs() as log:
        for _ in range(2):
            _tell(after, ledger)
    assert len(sink.list_alerts()) == 3
    forgotten = [(line["kind"], line["subject"]) for line in log if line["event"] == "alert_forgotten"]
    assert sorted(forgotten) == [
        ("file_missing", "purchases"),
        ("key_expiring", "elsewhere"),
        ("retries_exhausted", "destination elsewhere"),
    ]
    assert [alert.subject for alert in ledger.alerts.list_all()] == ["customers"]


def test_a_file_that_fails_is_not_over_as_nothing_gets_through_any_more(
    tmp_path: Path, ledger: Ledger, sink: Sink
) -> None:
    """Its destination is told of in its place; that the file goes through again is told once it does."""
    configuration = configure_alerts(tmp_path, make_json_url(sink.port))
    claim(ledger, "s1")
    for _ in range(5):
        ledger.sources.note_wait("s1", "the disk says no", retry_at=datetime.datetime.now(datetime.UTC))
    _tell(configuration, ledger)
    ledger.pauses.note(make_pause())
    _tell(configuration, ledger)
    titles = [told.title.partition(": ")[2] for told in sink.list_alerts()]
    assert titles == ["1 delivery fails"] * 2


def test_a_file_that_fails_is_told_of_once_however_often_its_destination_fails_as_a_whole(
    tmp_path: Path, ledger: Ledger, sink: Sink
) -> None:
    """A line that flaps is no storm: of the file nothing is told, nor forgotten, until it goes through."""
    kinds = ["retries_exhausted", "recovered"]
    configuration = configure_alerts(tmp_path, make_json_url(sink.port), kinds=kinds)
    claim(ledger, "s1")
    for _ in range(5):
        ledger.sources.note_wait("s1", "the disk says no", retry_at=datetime.datetime.now(datetime.UTC))
    _tell(configuration, ledger)
    (alert,) = ledger.alerts.list_all()
    with structlog.testing.capture_logs() as log:
        for _ in range(3):
            ledger.pauses.note(make_pause())
            _tell(configuration, ledger)
            assert alert in ledger.alerts.list_all()
            ledger.pauses.forget("production")
            _tell(configuration, ledger)
            assert ledger.alerts.list_all() == [alert]
    assert [told for told in sink.list_alerts() if "s1" in told.message] == sink.list_alerts()[:1]
    assert "alert_forgotten" not in [line["event"] for line in log]
    ledger.sources.quarantine("s1", "it breaks a rule")
    _tell(configuration, ledger)
    assert "s1" in sink.list_alerts()[-1].message
    assert ledger.alerts.list_all() == []


async def test_a_pass_that_ends_by_an_error_tells_its_alerts_all_the_same(tmp_path: Path, sink: Sink) -> None:
    """Staging is gone, and the disk is short, besides."""
    configuration = await asyncio.to_thread(configure_alerts, tmp_path, make_json_url(sink.port))
    space = configuration.space.model_copy(update={"pause_below_bytes": 10**18})
    configuration = configuration.model_copy(update={"space": space})
    with open_daemon(configuration, Board(), once=True) as daemon:
        await asyncio.to_thread(shutil.rmtree, configuration.staging)
        with pytest.raises(LocalFault):
            await daemon.run_once()
    (told,) = sink.list_alerts()
    assert "1 disk runs short" in told.title


async def test_a_stop_waits_for_a_message_under_way_and_notes_it(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not told once more by the next start."""
    await asyncio.to_thread(quarantine, ledger, "s1")
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def send(_channel: Channel, _text: Text) -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(60)

    monkeypatch.setattr(Channel, "send", send)
    configuration = await asyncio.to_thread(configure_alerts, tmp_path, "json://127.0.0.1:1/")
    task = asyncio.create_task(Alerting(configuration, ledger, key_ends=dict).run())
    await begun.wait()
    assert await asyncio.to_thread(ledger.alerts.count_messages) == 1
    task.cancel()
    loop.call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ledger.alerts.count_messages) == 0


# Channels.


def test_an_alert_is_a_mail(tmp_path: Path) -> None:
    """By SMTP, with the title as its subject, in plain text: what would be markup in a file's name is none."""
    with run_mail_sink() as (port, mails):
        url = f"mailto://127.0.0.1:{port}?from=etl@example.com&to=data-team@example.com"
        (channel,) = channels.open_channels(configure_alerts(tmp_path, url))
        channel.send(TEXT)
    (mail,) = mails
    body = mail.get_body()
    assert body is not None
    assert body.get_content_type() == "text/plain"
    assert mail["subject"] == TEXT.title
    assert "data-team@example.com" in mail["to"]
    assert "a <b>.csv: why" in body.get_content()


@pytest.mark.parametrize("url", ["nothing", "slack://a", "unknown://host/path"])
def test_a_url_that_is_none_is_told_without_it(tmp_path: Path, url: str) -> None:
    """As a fault of the configuration, named by where it stands."""
    (channel,) = channels.open_channels(configure_alerts(tmp_path, url))
    for use in (channel.require_known, lambda: channel.send(TEXT)):
        with pytest.raises(ConfigurationError, match=r"alerts\.urls\[0\]") as caught:
            use()
        assert f" {url}" not in str(caught.value)


def test_a_channel_that_is_away_is_told_without_its_secrets(tmp_path: Path, closed_port: int) -> None:
    """Neither in the error nor in what the channel shows of itself."""
    url = f"json://{TOKEN}:{TOKEN}@127.0.0.1:{closed_port}/{TOKEN}?x={TOKEN}"
    (channel,) = channels.open_channels(configure_alerts(tmp_path, url))
    with pytest.raises(Unreachable) as caught:
        channel.send(TEXT)
    assert TOKEN not in str(caught.value) + repr(channel) + channel.key
    assert str(caught.value).startswith("send an alert by alerts.urls[0] (file ")
    assert "\n" not in str(caught.value)


def test_a_service_that_crashes_is_one_that_did_not_take_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a library of one of a hundred services raises."""
    import apprise  # noqa: PLC0415 - as the program does

    def crash(*_: object, **__: object) -> None:
        msg = TOKEN
        raise RuntimeError(msg)

    monkeypatch.setattr(apprise.Apprise, "notify", crash)
    (channel,) = channels.open_channels(configure_alerts(tmp_path, "json://127.0.0.1:1/"))
    with pytest.raises(Unreachable, match="RuntimeError") as caught:
        channel.send(TEXT)
    assert TOKEN not in str(caught.value)


# The dead-man's switch.


def _make_dead_man(folder: Path, url: str) -> DeadMan:
    return DeadMan(SecretReference(file=write_secret(folder, "ping.url", url)))


def test_all_is_well_is_a_get_and_trouble_is_a_post_with_its_reason(tmp_path: Path, sink: Sink) -> None:
    """As healthchecks.io has it; a query stays where it belongs."""
    dead_man = _make_dead_man(tmp_path, f"http://127.0.0.1:{sink.port}/ping/{TOKEN}?a=b\n")
    dead_man.ping(None)
    dead_man.ping("production: nothing listens")
    assert [(told.method, told.path, told.body) for told in sink.told] == [
        ("GET", f"/ping/{TOKEN}?a=b", ""),
        ("POST", f"/ping/{TOKEN}/fail?a=b", "production: nothing listens"),
    ]
    assert make_fail_url("https://hc-ping.com/uuid/") == "https://hc-ping.com/uuid/fail"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "file:///etc/passwd",
        "hc-ping.com/uuid",
        "http://",
        "https://a b/",
        "https://hc..example.com/uuid",
        f"https://{'a' * 64}.example.com/uuid",
        "https://[hc-ping.com/uuid",
        "https://hc-ping.com:99999/uuid",
        "https://hc-ping.com:port/uuid",
        "https://hc-ping.com/\N{LATIN SMALL LETTER U WITH DIAERESIS}uid",
    ],
)
def test_what_is_no_address_of_the_web_is_refused_without_being_told(tmp_path: Path, url: str) -> None:
    """At the start, as any other secret that cannot be used."""
    with pytest.raises(ConfigurationError, match=r"alerts\.ping \(file ") as caught:
        _make_dead_man(tmp_path, url)
    assert url not in str(caught.value)
    assert caught.value.hint


def test_one_that_leads_to_what_is_no_address_did_not_take_it(tmp_path: Path, sink: Sink) -> None:
    """Whatever the library raises of it: it would take the daemon with it."""
    sink.status, sink.location = 302, "http://hc..example.com/"
    with pytest.raises(Unreachable) as caught:
        _make_dead_man(tmp_path, f"http://127.0.0.1:{sink.port}/{TOKEN}").ping(None)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("kind", [ValueError, OverflowError])
def test_one_of_which_the_library_makes_nothing_did_not_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """Such as a redirect to half an address, or to a port that is none."""

    def lead_astray(*_: object, **__: object) -> None:
        msg = TOKEN
        raise kind(msg)

    monkeypatch.setattr(urllib.request, "urlopen", lead_astray)
    with pytest.raises(Unreachable, match=kind.__name__) as caught:
        _make_dead_man(tmp_path, f"https://hc-ping.com/{TOKEN}").ping("a file called \udcff")
    assert TOKEN not in str(caught.value)


def test_one_that_does_not_answer_is_told_without_its_address(tmp_path: Path, sink: Sink, closed_port: int) -> None:
    """Refused, or with an error of its own."""
    sink.status = 404
    for port, said in ((sink.port, "it answered 404"), (closed_port, "Connection refused")):
        with pytest.raises(Unreachable, match=said) as caught:
            _make_dead_man(tmp_path, f"http://127.0.0.1:{port}/{TOKEN}").ping(None)
        assert TOKEN not in str(caught.value)


async def test_pings_tell_what_is_wrong_and_a_switch_that_fails_is_told_of_once(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look decides anew; where the ledger cannot be asked, that is what is wrong."""
    monkeypatch.setattr(pinging, "LEAST_SECONDS", 0.0)
    troubles: list[str | Exception | None] = [None, "stuck: intake", LocalFault("use", "the ledger", "gone")]

    def find() -> str | None:
        found = troubles.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    dead_man = await asyncio.to_thread(_make_dead_man, tmp_path, f"http://127.0.0.1:{sink.port}/p")
    station = Pinging(dead_man, every_seconds=3600, find_trouble=find)
    task = asyncio.create_task(station.run())
    for count in (1, 2, 3):
        await asyncio.to_thread(sink.wait_until, count)
        station.wake() if count < 3 else task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [told.body for told in sink.told] == ["", "stuck: intake", "use the ledger: gone"]
    sink.status = 500
    with structlog.testing.capture_logs() as log:
        for status in (500, 500, 200):
            sink.status = status
            await station.ping(None)
    assert [line["event"] for line in log] == ["ping_failed", "ping_recovered"]


async def test_however_many_runs_end_a_least_time_lies_between_pings_and_the_last_state_is_told(
    tmp_path: Path, sink: Sink
) -> None:
    """A hundred runs in a second are one ping more: with what is so after them."""
    troubles: list[str | None] = [None]
    slept: asyncio.Queue[float] = asyncio.Queue()
    go_on = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.put_nowait(seconds)
        await go_on.wait()

    dead_man = await asyncio.to_thread(_make_dead_man, tmp_path, f"http://127.0.0.1:{sink.port}/p")
    station = Pinging(dead_man, every_seconds=3600, find_trouble=lambda: troubles[-1], sleep=sleep)
    task = asyncio.create_task(station.run())
    async with asyncio.timeout(60):
        assert await slept.get() == pinging.LEAST_SECONDS == 5
        for number in range(100):
            troubles.append(f"trouble {number}")
            station.wake()
        go_on.set()
        await slept.get()
    task.cancel()
    await asyncio.wait([task])
    assert [told.body for told in sink.told] == ["", "trouble 99"]


async def test_a_switch_that_drips_holds_up_nothing_and_takes_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as silent after a while, is not asked again meanwhile, and is heard again once it ends."""
    monkeypatch.setattr(pinging, "LONGEST_SECONDS", 0.1)
    with run_dripping_sink() as drip, structlog.testing.capture_logs() as log:
        dead_man = await asyncio.to_thread(_make_dead_man, tmp_path, f"http://127.0.0.1:{drip.port}/p")
        station = Pinging(dead_man, every_seconds=3600, find_trouble=lambda: None)
        async with asyncio.timeout(60):
            for _ in range(10):
                await station.ping(None)
            await asyncio.to_thread(drip.wait)
            assert [thread.name for thread in threading.enumerate()].count("ping") == 1
            assert drip.asked == 1
            monkeypatch.setattr(pinging, "LONGEST_SECONDS", 60.0)
            drip.let_go.set()
            await station.ping(None)
    assert [line["event"] for line in log] == ["ping_failed", "ping_recovered"]
