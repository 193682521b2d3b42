"""A receiver that does not let us in is asked once an interval, a person is called once; a restart changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import structlog.testing
from paramiko.sftp import SFTP_FAILURE, SFTP_NO_SUCH_FILE, SFTP_PERMISSION_DENIED

from sftp_orchestrator import overview_json
from sftp_orchestrator.cli.status import summarize
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.pauses import MOST_REFUSALS, find_kind
from sftp_orchestrator.deliver.retry import PROBE_SECONDS
from sftp_orchestrator.deliver.run import Verdict
from sftp_orchestrator.errors import (
    ConfigurationError,
    ExitCode,
    Failure,
    FolderRefused,
    HostKeyRefused,
    KeyRefused,
    LocalFault,
    LoginRefused,
    ReceiverRefused,
    SessionRefused,
    Transient,
    Unreachable,
)
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.outlook import describe_pause
from sftp_orchestrator.overview import Overview, get_overview
from sftp_orchestrator.progress import Board
from tests.support import paramiko_faults as faults
from tests.support.alerts import make_json_url, write_secret
from tests.support.configuration import write_configuration
from tests.support.openssh import OpenSSH, make_key, read_public_key
from tests.support.paramiko_faults import Switch
from tests.support.paramiko_server import ParamikoServer, run_paramiko
from tests.support.service import run_service
from tests.support.sinks import run_web_sink


def _make(
    folder: Path, receiver: ParamikoServer | OpenSSH, *, alert_port: int | None = None, **changes: Any
) -> Configuration:
    found = receiver.get_destination()
    line = {
        "port": found.port,
        "username": found.username,
        "private_key": {"file": str(found.private_key.file)},
        "host_keys": list(found.host_keys),
        "known_hosts": None,
        **changes,
    }
    values: dict[str, Any] = {"destinations": {"production": line}}
    if alert_port is not None:
        urls = write_secret(folder, "alerts.url", make_json_url(alert_port))
        values["alerts"] = {"urls": [{"file": str(urls)}]}
    return write_configuration(folder, values).configuration


def _drop(staging: Path, name: str = "customers.csv") -> None:
    (staging / name).write_text(f"user_id,Name\n{name},Ada\n")


async def _pass(configuration: Configuration) -> tuple[Verdict, list[Source]]:
    with open_daemon(configuration, Board()) as daemon:
        verdict = await daemon.run_once()
    with _open(configuration) as ledger:
        return verdict, ledger.sources.list_in(set(SourceState))


def _open(configuration: Configuration) -> Ledger:
    return Ledger.open(configuration.ledger.url, configuration.workspace)


@pytest.fixture
def switch() -> Switch:
    """Whether logins are refused."""
    return Switch()


@pytest.fixture
def receiver(tmp_path: Path, switch: Switch) -> Iterator[ParamikoServer]:
    """A receiver that knows nobody's key while the switch is on."""
    with run_paramiko(tmp_path / "receiver", logins=faults.refuse_logins(switch)) as running:
        yield running


async def test_passes_stop_asking_who_refuses_them(tmp_path: Path, receiver: ParamikoServer, switch: Switch) -> None:
    """A pass a minute, as cron starts them: three logins are refused, then none is tried, until a person says so."""
    configuration = _make(tmp_path, receiver)
    _drop(configuration.staging)
    for number in range(MOST_REFUSALS):
        verdict, _ = await _pass(configuration)
        assert verdict.exit_code is ExitCode.RECEIVER
        assert receiver.record.offered_keys == number + 1
    with structlog.testing.capture_logs() as logs:
        verdict, (source,) = await _pass(configuration)
    assert verdict.exit_code is ExitCode.RECEIVER
    assert receiver.record.offered_keys == MOST_REFUSALS
    assert [line["event"] for line in logs if line["event"].startswith("destination")] == ["destination_left_alone"]
    assert "retry ID" in str(verdict.failures[0])
    assert "it does not accept our key" in (source.reason or "")
    switch.is_on = False
    with _open(configuration) as ledger:
        ledger.sources.retry(source.id, by="anna")
    with structlog.testing.capture_logs() as logs:
        verdict, _ = await _pass(configuration)
    assert verdict.exit_code is ExitCode.DONE
    (recovered,) = [line for line in logs if line["event"] == "destination_recovered"]
    assert recovered["failures"] == MOST_REFUSALS
    with _open(configuration) as ledger:
        assert ledger.pauses.list_all() == []


async def test_a_restart_does_not_shorten_the_pause(tmp_path: Path, receiver: ParamikoServer) -> None:
    """After a refusal a new process leaves the destination alone as long, also for what is dropped meanwhile."""
    configuration = _make(tmp_path, receiver)
    _drop(configuration.staging)
    _, (first,) = await _pass(configuration)
    _drop(configuration.staging, "customers_2.csv")
    with open_daemon(configuration, Board()) as daemon:
        await daemon.recover()
        await daemon._scan()
        (pause,) = daemon._ledger.pauses.list_all()
        sources = daemon._ledger.sources.list_in({SourceState.CLAIMED, SourceState.READY})
        assert len(sources) == 2
        assert not [source for source in sources if daemon._runner.is_due(source)]
    assert first.retry_at == pause.until
    assert (pause.until - first.changed_at).total_seconds() >= PROBE_SECONDS
    assert receiver.record.offered_keys == 1


async def test_a_changed_key_is_tried_at_once(tmp_path: Path, receiver: ParamikoServer, switch: Switch) -> None:
    """A person mends the configuration and starts again: nothing waits for the end of the pause."""
    switch.is_on = False
    wrong = _make(tmp_path, receiver, private_key={"file": str(make_key(tmp_path / "stranger"))})
    _drop(wrong.staging)
    for _ in range(MOST_REFUSALS):
        await _pass(wrong)
    verdict, _ = await _pass(wrong)
    assert "not tried before" in str(verdict.failures[0])
    mended = _make(tmp_path, receiver)
    with open_daemon(mended, Board()) as daemon:
        await daemon.recover()
        (source,) = daemon._ledger.sources.list_in({SourceState.READY})
        assert daemon._runner.is_due(source)
        assert daemon._ledger.pauses.list_all() == []
    verdict, _ = await _pass(mended)
    assert verdict.exit_code is ExitCode.DONE


async def test_a_changed_host_key_calls_a_person_though_the_line_was_told_of(
    tmp_path: Path, openssh: OpenSSH, closed_port: int
) -> None:
    """First nothing listens, then sshd shows another host key: an alert for each. That it refuses our key waits.

    ``status``, its JSON and the metrics count the destination among what needs a person, as long as one is needed.
    """
    other = read_public_key(make_key(tmp_path / "other"))
    stranger = {"file": str(make_key(tmp_path / "stranger"))}
    told: list[list[str]] = []
    seen: list[Overview] = []
    with run_web_sink() as sink:
        for changes in ({"port": closed_port}, {"host_keys": [other]}, {"private_key": stranger}, {}):
            configuration = _make(tmp_path, openssh, alert_port=sink.port, **changes)
            _drop(configuration.staging, f"customers_{len(seen)}.csv")
            await _pass(configuration)
            with _open(configuration) as ledger:
                seen.append(get_overview(configuration, ledger))
            told.append([one.title.partition(": ")[2] for one in sink.list_alerts()])
            sink.told.clear()
    assert told == [
        ["1 delivery fails"],
        ["1 delivery fails: a person is needed"],
        [],
        ["over: production goes through again"],
    ]
    kinds = [
        [(one["kind"], one["needs_person"]) for one in overview_json.to_json(view)["failing_destinations"]]
        for view in seen
    ]
    assert kinds == [[("away", False)], [("host_key", True)], [("login", True)], []]
    counted = ["1 in need of a person" in summarize(overview, None)[0] for overview in seen]
    assert counted == [False, True, True, False]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (HostKeyRefused, PauseKind.HOST_KEY),
        (KeyRefused, PauseKind.LOGIN),
        (LoginRefused, PauseKind.LOGIN),
        (SessionRefused, PauseKind.SESSION),
        (FolderRefused, PauseKind.FOLDER),
        (ReceiverRefused, PauseKind.REFUSED),
        (ConfigurationError, PauseKind.SETTINGS),
        (Unreachable, PauseKind.AWAY),
        (Transient, PauseKind.REFUSED),
        (LocalFault, PauseKind.MACHINE),
    ],
)
def test_each_failure_is_of_a_kind(failure: type[Failure], kind: PauseKind) -> None:
    """By its class, never by its text."""
    assert find_kind(failure("connect to", "production", "no")) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (SFTP_PERMISSION_DENIED, PauseKind.FOLDER),
        (SFTP_NO_SUCH_FILE, PauseKind.FOLDER),
        (SFTP_FAILURE, PauseKind.REFUSED),
    ],
)
async def test_a_receiver_that_answers_is_not_away(tmp_path: Path, code: int, kind: PauseKind) -> None:
    """A folder that is not ours needs a person; a failure without a reason, as of a full disk, may pass."""
    with run_paramiko(tmp_path / "receiver", files=faults.refuse_writes(Switch(), code)) as refusing:
        configuration = _make(tmp_path, refusing)
        for number in range(2):
            _drop(configuration.staging, f"customers_{number}.csv")
        verdict, _ = await _pass(configuration)
    assert verdict.exit_code is not ExitCode.DONE
    with _open(configuration) as ledger:
        outlook = get_overview(configuration, ledger).outlook
    (pause,) = outlook.pauses.values()
    told = describe_pause(pause, outlook)
    assert pause.kind is kind
    assert ("this needs a person" in told) == (kind is PauseKind.FOLDER)
    assert "look at the line" not in told


async def test_a_run_that_asks_nobody_ends_no_pause(tmp_path: Path, receiver: ParamikoServer) -> None:
    """A pass in which every file is refused before a byte leaves says nothing of the receiver."""
    configuration = _make(tmp_path, receiver)
    _drop(configuration.staging)
    _, (first,) = await _pass(configuration)
    with _open(configuration) as ledger:
        ledger.sources.hold(first.id, "no")
        ledger.discards.discard(first.id, by="anna")
    (configuration.staging / "customers_2.csv").write_text("Name\nAda\n")
    with structlog.testing.capture_logs() as logs:
        verdict, _ = await _pass(configuration)
    assert verdict.exit_code is ExitCode.NOT_ALL_DELIVERED
    assert not [line for line in logs if line["event"] == "destination_recovered"]
    with _open(configuration) as ledger:
        assert [pause.failures for pause in ledger.pauses.list_all()] == [1]


async def test_the_daemon_asks_once_and_says_when_it_asks_again(tmp_path: Path, receiver: ParamikoServer) -> None:
    """However many files arrive, one login is tried; ``status`` tells when the next is; ``retry`` is at once."""
    configuration = _make(tmp_path, receiver)
    async with run_service(tmp_path / "config.yml") as service:
        _drop(configuration.staging)
        failed = await service.wait_for("destination_failed")
        for number in range(3):
            _drop(configuration.staging, f"customers_{number}.csv")
            await service.wait_for("source_claimed", file=f"customers_{number}.csv")
        with _open(configuration) as ledger:
            overview = get_overview(configuration, ledger)
            ledger.sources.retry(overview.sources[0].source.id, by="anna")
        await service.wait_for("destination_still_fails", failures=2)
        assert await service.stop() == ExitCode.DONE
    assert receiver.record.offered_keys == 2
    _check_told(overview_json.to_json(overview), summarize(overview, None), failed["retry_at"])
    assert [line["level"] for line in service.lines if line["event"] == "destination_failed"] == ["error"]


def _check_told(status: dict[str, Any], lines: list[str], retry_at: str) -> None:
    """The destination and each of its sources say why they wait, and until when."""
    (failing,) = status["failing_destinations"]
    assert (failing["destination"], failing["failures"], failing["retry_at"]) == ("production", 1, retry_at)
    first, *others = status["sources"]
    assert first["retry_at"] == retry_at
    assert len(others) == 3
    moment = re.escape(retry_at[11:16])
    said = rf"tried again at {moment} UTC \(in \d+ \w+\): connect to production"
    for source in others:
        assert re.match(rf"waits for production, {said}", source["reason"])
    (line,) = [line for line in lines if line.startswith("production failed once, since ")]
    assert re.search(said, line)


async def test_a_ledger_that_cannot_be_written_does_not_hide_what_came_in_the_way(
    tmp_path: Path, receiver: ParamikoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause holds in memory, at least, and the verdict names the receiver's refusal."""
    configuration = _make(tmp_path, receiver)
    _drop(configuration.staging)
    with open_daemon(configuration, Board()) as daemon:
        await daemon._scan()
        (source,) = daemon._ledger.sources.list_in({SourceState.CLAIMED})
        monkeypatch.setattr(daemon._ledger.pauses, "note", _fail)
        verdict = await daemon._runner.run("arrival", [source])
        assert "does not accept our key" in str(verdict.failures[0])
        assert not daemon._runner.is_due(daemon._ledger.sources.get(source.id))


def _fail(_pause: object) -> NoReturn:
    raise LocalFault("use", "the ledger", "it is locked")
