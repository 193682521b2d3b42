"""Each thing that goes wrong between us and a receiver: what is told, how soon, and that it goes on by itself.

What is seen stands in the table of ``docs/explanation/faults.md``, which these tests hold to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from paramiko.sftp import SFTP_FAILURE, SFTP_PERMISSION_DENIED

from sftp_orchestrator.config.model import Configuration, Destination
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.run import Verdict
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.overview import get_overview
from sftp_orchestrator.progress import Board
from sftp_orchestrator.views import SourceView
from tests.support import paramiko_faults as faults
from tests.support.asyncssh_server import FullDisk, NoQuota, run_asyncssh
from tests.support.configuration import generate_host_key, write_configuration
from tests.support.fault_proxy import FaultProxy, Moment, Strike, delay
from tests.support.paramiko_faults import Step, Switch
from tests.support.paramiko_server import Files, Logins, run_paramiko
from tests.support.receivers import Receiver
from tests.support.tables import NOTHING, Table

LONG_SECONDS = Destination.model_fields["timeout_seconds"].default
SHORT_SECONDS = 1.5
"""A deadline long enough for a login on a busy machine."""
SOON_SECONDS = 15
"""What is noticed without a deadline is noticed long before this; a pass on a busy machine takes so long at most."""
BY_ITSELF = "by itself"
REFUSED, HOST_KEY, TRICKLE = "refused", "host key changed", "1 KB/s"
LONG_WAY = "200 ms ± 50 ms there and back"
TAKEN_AWAY = tuple(f"reset: manifest taken with its data, reply lost ({kind})" for kind in ("events", "profiles"))
NO_ROOM: dict[str, type[FullDisk | NoQuota]] = {"disk full": FullDisk, "quota used up": NoQuota}
SEED = 20_240_229

Change = Callable[[], dict[str, Any]]


def test_a_stalled_line_is_given_up_after_a_minute_by_default() -> None:
    """The deadline of every operation is 60 s unless the configuration says otherwise."""
    assert LONG_SECONDS == 60


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One pass: how it ended, and what ``status`` says of the source then."""

    verdict: Verdict
    view: SourceView | None
    seconds: float

    @property
    def state(self) -> str:
        """The states of the source and of its part."""
        assert self.view is not None
        parts = ", ".join(f"part `{part.state}`" for part in self.view.parts)
        return f"`{self.view.word}`{', ' if parts else ''}{parts}"

    @property
    def told(self) -> str:
        """The reason without the hint, and without what differs from run to run."""
        assert self.view is not None
        return _generalize(self.view.reason or "")


def _generalize(reason: str) -> str:
    cause = re.split(r"; (?!pinned)", reason)[0]
    for found, shown in (
        (r"(purchases|customers)_\w+\.", "…."),
        (r"\w+@?127\.0\.0\.1:\d+", "HOST"),
        (r"127\.0\.0\.1:\d+", "HOST"),
        (r"SHA256:\S+?(?=[,;]|$)", "SHA256:…"),
        (rf"\b{SHORT_SECONDS:g} s", f"{LONG_SECONDS} s"),
        (r"\d+ bytes", "N bytes"),
        (r"\d+ were sent", "M were sent"),
        (r"\d+ of \d+ bytes", "0 of N bytes"),
        (r"N bytes free, \d+ needed", "N bytes free, M needed"),
    ):
        cause = re.sub(found, shown, cause)
    return cause.replace("|", "\\|")


def _configure(folder: Path, receiver: Receiver, **changes: Any) -> Configuration:
    found = receiver.get_destination()
    line = {
        "port": found.port,
        "username": found.username,
        "private_key": {"file": str(found.private_key.file)},
        "host_keys": list(found.host_keys),
        "known_hosts": None,
        "attempts": 1,
        "connections": 1,
        "timeout_seconds": LONG_SECONDS,
        **changes,
    }
    return write_configuration(folder, {"destinations": {"production": line}}).configuration


def _drop(staging: Path, *, is_profile: bool = False, rows: int = 3_000) -> None:
    """Drop a file that takes several writes."""
    name, header, row = (
        ("customers.csv", "user_id,Name", "u{n},Ada")
        if is_profile
        else ("purchases.csv", "event_name,time_stamp,user_id", "Sold,1700000000,u{n}")
    )
    lines = (row.format(n=n) for n in range(rows))
    (staging / name).write_text("\n".join([header, *lines, ""]))


async def _pass(configuration: Configuration) -> Seen:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with open_daemon(configuration, Board()) as daemon:
        verdict = await daemon.run_once()
    seconds = loop.time() - began
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        views = get_overview(configuration, ledger).sources
    return Seen(verdict=verdict, view=views[0] if views else None, seconds=seconds)


def _check_delivered_once(receiver: Receiver, seen: Seen) -> None:
    """One data file with its manifest lies there, and nothing else."""
    assert seen.verdict.exit_code is ExitCode.DONE, seen.verdict
    assert seen.view is None
    assert sorted(path.suffix for path in receiver.root.iterdir()) == [".csv", ".manifest"]


def _note(table: Table, fault: str, seen: Seen, *, noticed: str, goes_on: str) -> None:
    assert seen.verdict.exit_code is not ExitCode.DONE
    table.note(fault, "Source", seen.state)
    table.note(fault, "What `status` says", seen.told)
    table.note(fault, "Noticed", noticed)
    table.note(fault, "Goes on", goes_on)


def _check_in_time(strike: Strike, seen: Seen) -> str:
    """Return how soon it was noticed."""
    if strike is Strike.SILENCE:
        assert SHORT_SECONDS <= seen.seconds < SHORT_SECONDS + SOON_SECONDS
        return f"after {LONG_SECONDS} s"
    assert seen.seconds < SOON_SECONDS
    return "at once"


def _name(strike: Strike, moment: Moment | Step) -> str:
    at = moment.value if isinstance(moment, Step) else moment.name.lower().replace("_", " ")
    return f"{strike.name.lower()}: {at}"


def test_the_table_has_every_fault_and_no_other(faults_table: Table) -> None:
    """The page lists the faults that are tried here."""
    struck = [_name(strike, moment) for strike in Strike for moment in (*Moment, *Step)]
    others = [REFUSED, HOST_KEY, TRICKLE, LONG_WAY, *TAKEN_AWAY, *NO_ROOM, *(fault.title for fault in FAULTS)]
    assert sorted(faults_table.read()[1]) == sorted([*struck, *others])


# On the line.


async def test_nothing_listens(tmp_path: Path, faults_table: Table, closed_port: int) -> None:
    """A connection is refused."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _configure(tmp_path, receiver, port=closed_port)
        _drop(configuration.staging)
        seen = await _pass(configuration)
        _check_delivered_once(receiver, await _pass(_configure(tmp_path, receiver)))
    assert seen.verdict.exit_code is ExitCode.RECEIVER
    _note(faults_table, REFUSED, seen, noticed=_check_in_time(Strike.RESET, seen), goes_on=BY_ITSELF)


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.name.lower())
@pytest.mark.parametrize("strike", Strike, ids=lambda strike: strike.name.lower())
async def test_a_line_is_lost_before_the_session_is_open(
    tmp_path: Path, faults_table: Table, strike: Strike, moment: Moment
) -> None:
    """The line is reset, or falls silent, while it is built up: nothing has left, and the next pass delivers."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        async with FaultProxy(receiver.port, strike, moment=moment) as proxy:
            is_silent = strike is Strike.SILENCE
            configuration = _configure(
                tmp_path, receiver, port=proxy.port, timeout_seconds=SHORT_SECONDS if is_silent else LONG_SECONDS
            )
            _drop(configuration.staging)
            seen = await _pass(configuration)
            assert proxy.struck_at is not None
            assert list(receiver.root.iterdir()) == []
            _check_delivered_once(receiver, await _pass(configuration))
    _note(faults_table, _name(strike, moment), seen, noticed=_check_in_time(strike, seen), goes_on=BY_ITSELF)


@contextlib.asynccontextmanager
async def _struck(
    folder: Path, strike: Strike, step: Step, base: type[Files] = Files
) -> AsyncIterator[tuple[Receiver, int, asyncio.Future[FaultProxy]]]:
    """Run a receiver behind a line that is struck at ``step``; give it and the port of the line."""
    ready: asyncio.Future[FaultProxy] = asyncio.get_running_loop().create_future()
    with run_paramiko(
        folder / "receiver", files=faults.act_at(step, lambda: ready.result().strike_from_thread(), base)
    ) as receiver:
        async with FaultProxy(receiver.port, strike) as proxy:
            ready.set_result(proxy)
            yield receiver, proxy.port, ready


UNTOLD = {Step.MANIFEST_WRITE}
"""After these nobody can tell by a look whether the manifest was taken."""


@pytest.mark.parametrize("step", Step, ids=lambda step: step.name.lower())
@pytest.mark.parametrize("strike", Strike, ids=lambda strike: strike.name.lower())
async def test_a_line_is_lost_in_mid_delivery(tmp_path: Path, faults_table: Table, strike: Strike, step: Step) -> None:
    """The line is reset, or falls silent, at a step of the delivery: it goes on by itself where a look can tell."""
    async with _struck(tmp_path, strike, step) as (receiver, port, proxy):
        is_silent = strike is Strike.SILENCE
        configuration = _configure(
            tmp_path, receiver, port=port, timeout_seconds=SHORT_SECONDS if is_silent else LONG_SECONDS
        )
        _drop(configuration.staging)
        seen = await _pass(configuration)
        assert proxy.result().struck_at is not None
        after = await _pass(configuration)
        if step in UNTOLD:
            _check_held(receiver, after)
        else:
            _check_delivered_once(receiver, after)
    goes_on = "a person: it is `uncertain` then" if step in UNTOLD else BY_ITSELF
    _note(faults_table, _name(strike, step), seen, noticed=_check_in_time(strike, seen), goes_on=goes_on)


def _check_held(receiver: Receiver, seen: Seen) -> None:
    """A person is asked, and nothing was sent a second time."""
    assert seen.view is not None
    assert seen.view.word == "uncertain"
    assert seen.view.source.state is SourceState.HELD
    assert len(list(receiver.root.glob("*.manifest"))) <= 1


@pytest.mark.parametrize("is_profile", [False, True], ids=["events", "profiles"])
async def test_the_reply_is_lost_and_the_files_are_gone(
    tmp_path: Path, faults_table: Table, *, is_profile: bool
) -> None:
    """A receiver takes the pair away before we are told: profiles go again under new names, a person decides events."""
    async with _struck(tmp_path, Strike.RESET, Step.MANIFEST_TAKEN, faults.TakesPairsAway) as (receiver, port, _):
        configuration = _configure(tmp_path, receiver, port=port, verify="best_effort")
        _drop(configuration.staging, is_profile=is_profile)
        seen = await _pass(configuration)
        after = await _pass(configuration)
    if is_profile:
        assert after.verdict.exit_code is ExitCode.DONE
    else:
        _check_held(receiver, after)
    goes_on = f"{BY_ITSELF}, under new names" if is_profile else "a person: it is `uncertain` then"
    noticed = _check_in_time(Strike.RESET, seen)
    _note(
        faults_table,
        TAKEN_AWAY[is_profile],
        seen,
        noticed=noticed,
        goes_on=goes_on,
    )


async def test_a_trickle_is_no_fault(tmp_path: Path, faults_table: Table) -> None:
    """1 KB/s: as long as acknowledgements come within the deadline, nothing is given up."""
    with run_paramiko(tmp_path / "receiver") as receiver:

        async def wait(size: int) -> None:
            if receiver.record.steps:
                await asyncio.sleep(size / 1000)

        async with FaultProxy(receiver.port, make_pace=lambda: wait, chunk_bytes=100) as proxy:
            configuration = _configure(tmp_path, receiver, port=proxy.port)
            _drop(configuration.staging, rows=50)
            seen = await _pass(configuration)
    _check_delivered_once(receiver, seen)
    assert seen.seconds > 2, "the line was slow"
    _note_delivered(faults_table, TRICKLE)


async def test_a_long_way_is_no_fault(tmp_path: Path, faults_table: Table) -> None:
    """A round trip of 200 ms ± 50 ms delivers, and in order."""
    print(f"seed {SEED}")
    with run_paramiko(tmp_path / "receiver") as receiver:
        async with FaultProxy(receiver.port, make_pace=delay(0.1, 0.025, SEED)) as proxy:
            configuration = _configure(tmp_path, receiver, port=proxy.port)
            _drop(configuration.staging)
            seen = await _pass(configuration)
    _check_delivered_once(receiver, seen)
    _note_delivered(faults_table, LONG_WAY)


def _note_delivered(table: Table, fault: str) -> None:
    table.note(fault, "Source", "`archived`")
    for column in ("What `status` says", "Noticed"):
        table.note(fault, column, NOTHING)
    table.note(fault, "Goes on", "it is no fault: delivered")


# At the receiver.


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A receiver that behaves wrongly while the switch is on."""

    title: str
    files: Callable[[Switch], type[Files]] = lambda _: Files
    logins: Callable[[Switch], type[Logins]] = lambda _: Logins
    exit_code: ExitCode
    goes_on: str = BY_ITSELF


FAULTS = (
    Fault(title="short acknowledge", files=faults.store_less, exit_code=ExitCode.NOT_ALL_DELIVERED),
    Fault(title="wrong size shown", files=faults.show_more, exit_code=ExitCode.NOT_ALL_DELIVERED),
    Fault(
        title="permission denied",
        files=lambda switch: faults.refuse_writes(switch, SFTP_PERMISSION_DENIED),
        exit_code=ExitCode.RECEIVER,
        goes_on=f"{BY_ITSELF}, once it is allowed",
    ),
    Fault(
        title="failure without a reason, as for a full disk that is not told",
        files=lambda switch: faults.refuse_writes(switch, SFTP_FAILURE),
        exit_code=ExitCode.NOT_ALL_DELIVERED,
    ),
    Fault(title="no room for another session", logins=faults.refuse_channels, exit_code=ExitCode.RECEIVER),
    Fault(
        title="login refused",
        logins=faults.refuse_logins,
        exit_code=ExitCode.RECEIVER,
        goes_on=f"{BY_ITSELF}, once the key is registered",
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.title)
async def test_a_receiver_does_wrong(tmp_path: Path, faults_table: Table, fault: Fault) -> None:
    """No manifest leaves, the reason tells why, and once it is over the next pass delivers without a word."""
    switch = Switch()
    with run_paramiko(tmp_path / "receiver", files=fault.files(switch), logins=fault.logins(switch)) as receiver:
        configuration = _configure(tmp_path, receiver)
        _drop(configuration.staging)
        seen = await _pass(configuration)
        assert not list(receiver.root.glob("*.manifest"))
        switch.is_on = False
        _check_delivered_once(receiver, await _pass(configuration))
    assert seen.verdict.exit_code is fault.exit_code
    _note(faults_table, fault.title, seen, noticed=_check_in_time(Strike.RESET, seen), goes_on=fault.goes_on)


@pytest.mark.parametrize(("title", "server"), list(NO_ROOM.items()))
async def test_a_receiver_has_no_room(
    tmp_path: Path, faults_table: Table, monkeypatch: pytest.MonkeyPatch, title: str, server: type[FullDisk | NoQuota]
) -> None:
    """No manifest leaves, what the receiver says is told, and once there is room the next pass delivers."""
    async with run_asyncssh(tmp_path / "receiver", server) as receiver:
        configuration = _configure(tmp_path, receiver)
        _drop(configuration.staging)
        seen = await _pass(configuration)
        assert not list(receiver.root.glob("*.manifest"))
        monkeypatch.setattr(server, "is_full", False)
        _check_delivered_once(receiver, await _pass(configuration))
    goes_on = f"{BY_ITSELF}, once there is room"
    _note(faults_table, title, seen, noticed=_check_in_time(Strike.RESET, seen), goes_on=goes_on)


async def test_a_host_key_changes(tmp_path: Path, faults_table: Table) -> None:
    """Nothing is sent to a host key that is not pinned: both keys are told, and a person adds the new one."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        old = generate_host_key()
        configuration = _configure(tmp_path, receiver, host_keys=[old])
        _drop(configuration.staging)
        seen = await _pass(configuration)
        assert receiver.record.logins == []
        adopted = _configure(tmp_path, receiver, host_keys=[old, receiver.host_key])
        _check_delivered_once(receiver, await _pass(adopted))
    assert seen.verdict.exit_code is ExitCode.RECEIVER
    noticed = _check_in_time(Strike.RESET, seen)
    _note(faults_table, HOST_KEY, seen, noticed=noticed, goes_on="a person: adds the new key, or is warned")
