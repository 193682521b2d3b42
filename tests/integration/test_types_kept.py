"""Types are for ever, from drop to receiver: what would change one is held until a person accepts or releases it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import structlog

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.errors import ConfigurationError, ExitCode
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import IllegalMove
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.sources import Sources
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.earlier import types_kept
from sftp_orchestrator.progress import Board
from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.configuration import FEEDS
from tests.support.sandboxes import make_sandbox
from tests.support.service import configure

TWO_FEEDS = {"purchases": "FLOAT", "refunds": "STRING"}


def _make_feed(name: str, type_: str) -> dict[str, Any]:
    """Return a feed of events whose column ``amount`` becomes the property ``Amount`` of this type."""
    amount = {"amount": {"ct_name": "Amount", "type": type_}}
    return {**FEEDS["purchases"], "files": [f"{name}*.csv"], "columns": {**FEEDS["purchases"]["columns"], **amount}}


def _configure(folder: Path, sandbox: Sandbox, types: dict[str, str], **line: Any) -> Configuration:
    """Write a configuration with a feed for each name and type in ``types``, and load it."""
    feeds = {name: _make_feed(name, type_) for name, type_ in types.items()}
    return configure(folder, sandbox, {"destinations": {"production": line}, "feeds": feeds}).configuration


def _drop(configuration: Configuration, *names: str) -> None:
    """Drop files with an event that no other file has."""
    for name in names:
        content = f"event_name,time_stamp,user_id,amount\nSold,1700000000,{name},9.5\n"
        (configuration.staging / f"{name}.csv").write_text(content, encoding="utf-8")


def _open(configuration: Configuration) -> Ledger:
    return Ledger.open(configuration.ledger.url, configuration.workspace)


async def _run(configuration: Configuration) -> tuple[ExitCode, dict[str, Source]]:
    """Deliver what there is; return the exit code, and every source by its file's name."""
    with open_daemon(configuration, Board()) as daemon:
        verdict = await daemon.run_once()
    with _open(configuration) as ledger:
        return verdict.exit_code, {source.name: source for source in ledger.sources.list_in(set(SourceState))}


def _get_known(configuration: Configuration) -> tuple[str, str, str | None]:
    """Return type, source and who accepted it of the one property that is registered."""
    with _open(configuration) as ledger:
        (known,) = ledger.properties.list_all()
    return known.type.value, known.source_id, known.accepted_by


def _list_sent_types(sandbox: Sandbox) -> list[str]:
    """Return the type that each manifest gave the property, in the order in which they were taken."""
    entries = read_activity(sandbox.paths.activity)
    taken = [str(entry.details["data"]) for entry in entries if entry.event is Event.TAKEN]
    manifests = [(sandbox.paths.inbox / name).with_suffix(".manifest").read_bytes() for name in taken]
    return [json.loads(manifest)["columns"]["amount"]["dataType"] for manifest in manifests]


async def _hold_second(folder: Path, sandbox: Sandbox) -> tuple[Configuration, Source, Source]:
    """Deliver one file, change the type in its feed, and drop a second; return both."""
    configuration = _configure(folder, sandbox, {"purchases": "FLOAT"})
    _drop(configuration, "purchases_1")
    code, _ = await _run(configuration)
    assert code is ExitCode.DONE
    configuration = _configure(folder, sandbox, {"purchases": "STRING"})
    _drop(configuration, "purchases_2")
    code, sources = await _run(configuration)
    assert code is ExitCode.NOT_ALL_DELIVERED
    return configuration, sources["purchases_1.csv"], sources["purchases_2.csv"]


async def test_a_changed_type_is_held_however_often_it_is_tried(tmp_path: Path) -> None:
    """``retry`` changes nothing while the types contradict; once the feed is corrected it goes."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration, first, held = await _hold_second(tmp_path, sandbox)
        for types, state in (({"purchases": "STRING"}, "held"), ({"purchases": "FLOAT"}, "archived")):
            with _open(configuration) as ledger:
                ledger.sources.retry(held.id, by="anna")
            _, sources = await _run(_configure(tmp_path, sandbox, types))
            assert sources["purchases_2.csv"].state.value == state
        await sandbox.wait_until_idle()
        assert _list_sent_types(sandbox) == ["FLOAT", "FLOAT"]
    assert _get_known(configuration) == ("FLOAT", first.id, None)


async def test_of_files_planned_together_one_that_dropped_out_vouches_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first brings is known once it is planned; that is undone, and the second, of another type, goes."""
    calls: list[str] = []

    def finish_planning(sources: Sources, source_id: str, *arguments: Any, **named: Any) -> None:
        calls.append(source_id)
        if len(calls) in {2, 3}:  # The third file, so that all are planned once more, and then the first.
            raise IllegalMove("move", f"source {source_id}", "somebody else moved it")
        real(sources, source_id, *arguments, **named)

    real = Sources.finish_planning
    monkeypatch.setattr(Sources, "finish_planning", finish_planning)
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        feeds = {name: _make_feed(name, type_) for name, type_ in TWO_FEEDS.items()}
        feeds["purchases"]["files"] = ["a_*.csv", "c_*.csv"]
        feeds["refunds"]["files"] = ["b_*.csv"]
        configuration = configure(tmp_path, sandbox, {"feeds": feeds}).configuration
        _drop(configuration, "a_1", "b_1", "c_1")
        _, sources = await _run(configuration)
        await sandbox.wait_until_idle()
        assert _list_sent_types(sandbox) == ["STRING"]
    assert sources["c_1.csv"].state is SourceState.HELD


async def test_of_files_planned_together_each_that_has_other_columns_is_compared(tmp_path: Path) -> None:
    """The first has no amount, and vouches for none that has one: what is not mapped is imported as STRING."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = _configure(tmp_path, sandbox, {"refunds": "FLOAT"})
        _drop(configuration, "refunds_1")
        await _run(configuration)
        feed = {**FEEDS["purchases"], "files": ["purchases*.csv"]}
        configuration = configure(tmp_path, sandbox, {"feeds": {"purchases": feed}}).configuration
        for name, more in (("purchases_1", ("", "")), ("purchases_2", (",Amount", ",9.5"))):
            content = f"event_name,time_stamp,user_id{more[0]}\nSold,1700000000,{name}{more[1]}\n"
            (configuration.staging / f"{name}.csv").write_text(content, encoding="utf-8")
        _, sources = await _run(configuration)
    assert [sources[f"purchases_{number}.csv"].state.value for number in (1, 2)] == ["archived", "held"]


async def test_accepted_types_are_those_of_every_later_file(tmp_path: Path) -> None:
    """What was accepted goes, and so do others like it; the old type is what contradicts from then on."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration, _, held = await _hold_second(tmp_path, sandbox)
        with _open(configuration) as ledger:
            types_kept.accept(configuration, ledger, held.id, by="anna")
        _drop(configuration, "purchases_3")
        code, _ = await _run(configuration)
        assert code is ExitCode.DONE
        configuration = _configure(tmp_path, sandbox, {"purchases": "FLOAT"})
        _drop(configuration, "purchases_4")
        code, sources = await _run(configuration)
        await sandbox.wait_until_idle()
        assert _list_sent_types(sandbox) == ["FLOAT", "STRING", "STRING"]
    assert sources["purchases_4.csv"].state is SourceState.HELD
    assert "was accepted by anna on 20" in str(sources["purchases_4.csv"].reason)
    assert _get_known(configuration) == ("STRING", held.id, "anna")


async def test_a_released_file_goes_and_the_register_stays(tmp_path: Path) -> None:
    """``release`` is for this one file: it is told in the log, and the next one is held again."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration, first, held = await _hold_second(tmp_path, sandbox)
        with _open(configuration) as ledger:
            ledger.sources.release(held.id, by="anna")
        _drop(configuration, "purchases_3")
        with structlog.testing.capture_logs() as logged:
            _, sources = await _run(configuration)
        await sandbox.wait_until_idle()
        assert _list_sent_types(sandbox) == ["FLOAT", "STRING"]
    (told,) = [line for line in logged if line["event"] == "types_passed_over"]
    assert (told["source"], told["properties"]) == (held.id, ["Amount"])
    assert [sources[f"purchases_{number}.csv"].state.value for number in (2, 3)] == ["archived", "held"]
    assert _get_known(configuration) == ("FLOAT", first.id, None)


async def test_of_two_that_contradict_each_other_in_one_pass_one_goes(tmp_path: Path) -> None:
    """Nothing was delivered before: the one that is planned first goes, the other is held and names it."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = _configure(tmp_path, sandbox, TWO_FEEDS)
        _drop(configuration, *TWO_FEEDS)
        code, sources = await _run(configuration)
        await sandbox.wait_until_idle()
        (sent,) = _list_sent_types(sandbox)
    assert code is ExitCode.NOT_ALL_DELIVERED
    goes, held = sorted(sources.values(), key=lambda source: source.state is SourceState.HELD)
    assert (goes.state, held.state) == (SourceState.ARCHIVED, SourceState.HELD)
    assert f"is on its way as {sent} (column 'amount' of feed {goes.feed}, in {goes.name}, source {goes.id})" in str(
        held.reason
    )
    assert _get_known(configuration) == (sent, goes.id, None)


async def test_what_is_on_its_way_is_held_when_the_other_types_are_accepted(tmp_path: Path) -> None:
    """The receiver is away; the second of two is accepted: it goes, and the first is held over the accepted type."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            configuration = _configure(tmp_path, sandbox, TWO_FEEDS, port=nobody.getsockname()[1], attempts=1)
            _drop(configuration, *TWO_FEEDS)
            code, sources = await _run(configuration)
        assert code is ExitCode.RECEIVER
        waits, held = sorted(sources.values(), key=lambda source: source.state is SourceState.HELD)
        assert waits.state in {SourceState.PLANNED, SourceState.READY}
        configuration = _configure(tmp_path, sandbox, TWO_FEEDS)
        with _open(configuration) as ledger:
            types_kept.accept(configuration, ledger, held.id, by="anna")
        _, sources = await _run(configuration)
        await sandbox.wait_until_idle()
        assert _list_sent_types(sandbox) == [TWO_FEEDS[held.feed]]
    assert sources[held.name].state is SourceState.ARCHIVED
    assert sources[waits.name].state is SourceState.HELD
    assert f"source {held.id}" in str(sources[waits.name].reason)


async def test_what_contradicts_nothing_cannot_be_accepted(tmp_path: Path) -> None:
    """Neither a delivered source, nor a held one whose feed was corrected since; the register stays as it was."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        _, first, held = await _hold_second(tmp_path, sandbox)
        configuration = _configure(tmp_path, sandbox, {"purchases": "FLOAT"})
    with _open(configuration) as ledger:
        for source in (first, held):
            with pytest.raises(ConfigurationError, match=f"{source.state}, and contradicts no type"):
                types_kept.accept(configuration, ledger, source.id, by="anna")
        assert ledger.sources.get(held.id) == held
    assert _get_known(configuration) == ("FLOAT", first.id, None)
