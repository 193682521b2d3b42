"""Killed between a manifest's last byte and our note of it, at a receiver that leaves files and one that takes them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sftp_orchestrator.calling import COMMAND
from tests.support.crashing import Case, Load, open_case, run_receiver
from tests.support.drops import Drop, make_batch
from tests.support.receipts import Entry, read_log
from tests.support.scenarios import PASS, SMALL

PROFILES, NEW, EVENTS, *_ = make_batch(1, rows=6)
LATE = "publish.manifest.after"
"""The receiver has the manifest, and the ledger knows only that it was about to go."""


@contextlib.asynccontextmanager
async def _kill_late(folder: Path, *dropped: Drop, removes: bool, load: Load | None = None) -> AsyncIterator[Case]:
    """Give a case whose first pass was killed just after its first manifest was there."""
    load = dataclasses.replace(load or Load(), removes_taken=removes)
    async with run_receiver(folder / "receiver", removes_taken=removes) as receiver:
        with open_case(folder / "sender", load, receiver) as case:
            case.drop(dropped)
            assert await case.kill(*PASS, at=LATE)
            yield case


def _list_taken(case: Case) -> list[Entry]:
    entries = read_log(case.receiver.sandbox.paths.activity)
    return [entry for entry in entries if entry["event"] == "taken"]


def _count_manifests(case: Case) -> int:
    entries = read_log(case.receiver.sandbox.paths.activity)
    return sum(entry["event"] == "opened" and entry["name"].endswith(".manifest") for entry in entries)


async def _get_states(case: Case, drop: Drop) -> tuple[str, list[str]]:
    source = await case.get_source(drop.name)
    return source["state"], [part["state"] for part in source["parts"]]


@pytest.mark.parametrize("drop", [PROFILES, EVENTS], ids=["profiles", "events"])
async def test_a_manifest_that_still_lies_there_counts_as_delivered(tmp_path: Path, drop: Drop) -> None:
    """A receiver that leaves files shows it: nobody is asked, and nothing is sent again."""
    async with _kill_late(tmp_path, drop, removes=False) as case:
        assert await _get_states(case, drop) == ("ready", ["publishing"])
        answer = await case.call(*PASS)
        assert (answer.code, "publishing_settled" in answer.text) == (0, True), answer.text
        assert await case.list_sources() == []
        assert (len(_list_taken(case)), _count_manifests(case)) == (1, 1)
        assert case.check().violations == []


async def test_events_that_are_gone_wait_for_a_person_who_is_told_what_to_type(tmp_path: Path) -> None:
    """Taken and removed at once: held and uncertain, ``status`` says where to look and what to type; others go on."""
    async with _kill_late(tmp_path, EVENTS, removes=True) as case:
        case.drop([NEW])
        answer = await case.call(*PASS)
        assert answer.code == 1, answer.text
        assert await _get_states(case, EVENTS) == ("held", ["uncertain"])
        source = await case.get_source(EVENTS.name)
        said = answer.text.splitlines()[-1]
        assert f"1 uncertain (look there whether the receiver took it, then {COMMAND} --config" in said
        assert f" resolve {source['id']} --delivered or --resend)" in said
        assert " held" not in said
        (part,) = source["parts"]
        shown = (await case.call("status")).text
        seen = "part 1/1: neither data nor manifest is there: the receiver may have taken them"
        assert f"{source['id']}  seen: {seen}\n" in shown
        assert shown.count(part["manifest_name"]) == 1, "why it is held names it, and nothing says it again"
        for word in ("--delivered", "--resend"):
            assert f"resolve {source['id']} {word}" in shown
        assert len(_list_taken(case)) == 2
        # Again and again: without a word of a person nothing of it moves.
        assert (await case.call(*PASS)).code == 0
        assert await _get_states(case, EVENTS) == ("held", ["uncertain"])
        assert (len(_list_taken(case)), _count_manifests(case)) == (2, 2)


async def test_events_that_a_person_knows_as_taken_are_not_sent_again(tmp_path: Path) -> None:
    """``resolve --delivered``: the next pass archives the file, and nothing more leaves."""
    async with _kill_late(tmp_path, EVENTS, removes=True) as case:
        await case.call(*PASS)
        source = await case.get_source(EVENTS.name)
        assert (await case.call("resolve", source["id"], "--delivered")).code == 0
        answer = await case.call(*PASS)
        assert answer.code == 0, answer.text
        assert await case.list_sources() == []
        assert (len(_list_taken(case)), _count_manifests(case)) == (1, 1)
        assert case.check().violations == []


async def test_events_that_a_person_wants_sent_again_have_new_names(tmp_path: Path) -> None:
    """``resolve --resend`` sends them once more, by names that never were: twice here, by a person's word alone."""
    async with _kill_late(tmp_path, EVENTS, removes=True) as case:
        await case.call(*PASS)
        source = await case.get_source(EVENTS.name)
        assert (await case.call("resolve", source["id"], "--resend")).code == 0
        assert (await case.call(*PASS)).code == 0
        await case.receiver.settle()
        assert await case.list_sources() == []
        taken = [entry["data"] for entry in _list_taken(case)]
        assert (len(taken), len(set(taken)), _count_manifests(case)) == (2, 2, 2)
        assert taken[0] == source["parts"][0]["data_name"]
        assert case.check().doubled_rows == len(EVENTS.rows)


async def test_profiles_that_are_gone_are_sent_again_by_themselves_before_their_events(tmp_path: Path) -> None:
    """An upsert does no harm twice: new names, nobody is asked, and the events wait until it is there again."""
    async with _kill_late(tmp_path, PROFILES, EVENTS, removes=True) as case:
        answer = await case.call(*PASS)
        assert answer.code == 0, answer.text
        await case.receiver.settle()
        taken = [entry["data"] for entry in _list_taken(case)]
        assert [name.split("_")[0] for name in taken] == ["customers", "customers", "purchases"]
        assert len(set(taken)) == 3
        history = case.check()
        assert (history.violations, history.repeated_profiles) == ([], len(PROFILES.rows))


@pytest.mark.parametrize("removes", [False, True], ids=["left", "taken away"])
async def test_a_manifest_without_a_byte_is_uncertain_until_a_person_has_it_sent_again(
    tmp_path: Path, *, removes: bool
) -> None:
    """Cut off before its first byte: whoever looked at it may have acted; ``--resend`` ends with every row once."""
    async with run_receiver(tmp_path / "receiver", removes_taken=removes) as receiver:
        with open_case(tmp_path / "sender", Load(removes_taken=removes), receiver) as case:
            case.drop([EVENTS])
            assert await case.kill(*PASS, at="remote.open.after", reach=2)
            assert (await case.call(*PASS)).code == 1
            source = await case.get_source(EVENTS.name)
            assert (source["state"], source["parts"][0]["state"]) == ("held", "uncertain")
            assert "the manifest is there with 0 of" in (await case.call("status")).text
            case.awaited.add(EVENTS.name)
            assert (await case.call("resolve", source["id"], "--resend")).code == 0
            assert (await case.call(*PASS)).code == 0
            await case.receiver.settle()
            assert case.check().violations == []
            (taken,) = _list_taken(case)
            assert taken["data"] != source["parts"][0]["data_name"]


async def test_one_part_of_several_is_uncertain_and_the_others_follow_its_resolution(tmp_path: Path) -> None:
    """Part 1 is gone, part 2 has not left: both wait; resolved as delivered, the rest goes, in order, once."""
    load = Load(destination={"limits": {"plain_bytes": 250}})
    async with _kill_late(tmp_path, EVENTS, removes=True, load=load) as case:
        await case.call(*PASS)
        state, parts = await _get_states(case, EVENTS)
        assert (state, parts[0], len(parts) > 1) == ("held", "uncertain", True)
        assert "uncertain" not in parts[1:]
        assert "delivered" not in parts[1:]
        source = await case.get_source(EVENTS.name)
        refused = await case.call("resolve", f"{source['id']}/2", "--delivered")
        assert refused.code == 2, refused.text
        assert (await case.call("resolve", f"{source['id']}/1", "--delivered")).code == 0
        assert (await case.call(*PASS)).code == 0
        await case.receiver.settle()
        assert case.check().violations == []
        assert len(_list_taken(case)) == len(parts)


async def test_a_part_that_was_published_before_the_crash_stays_published(tmp_path: Path) -> None:
    """Killed in the gap of part 2: part 1 is delivered and stays so, only part 2 asks a person."""
    load = Load(removes_taken=True, destination=SMALL)
    events = next(drop for drop in make_batch(1, rows=24) if drop.name == EVENTS.name)
    async with run_receiver(tmp_path / "receiver", removes_taken=True) as receiver:
        with open_case(tmp_path / "sender", load, receiver) as case:
            case.drop([events])
            assert await case.kill(*PASS, at=LATE, reach=2)
            await case.call(*PASS)
            state, parts = await _get_states(case, events)
            assert (state, parts[:2]) == ("held", ["delivered", "uncertain"])
            await case.finish()
            assert (case.check().violations, case.resolved) == ([], 1)
