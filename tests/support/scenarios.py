"""What is cut off in the middle: deliveries of several kinds, the starts after a crash, and what a person types."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import occasions
from tests.support.crashing import READY, Case, Load
from tests.support.drops import Drop, make_batch
from tests.support.forked import Meddling
from tests.support.sinks import run_web_sink

PASS = ("run", "--once")
SMALL: dict[str, Any] = {"limits": {"plain_bytes": 900}}
"""So small that a file becomes several parts."""
_GIANT_BYTES = 2**42
"""No disk of a test machine has so many free."""
SMALL_PIECES: dict[str, Any] = {"limits": {"encrypted_bytes": 5_000}}


async def _leave_as_it_is(_case: Case) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A load, and what happens before the command that is cut off."""

    name: str
    load: Load
    begin: Callable[[Case], Awaitable[tuple[str, ...]]]
    """drop files, and whatever comes before; returns the command that is cut off"""
    mend: Callable[[Case], Awaitable[None]] = _leave_as_it_is
    """put right, after that command, what a person must before all can be delivered"""


async def _deliver(case: Case) -> tuple[str, ...]:
    case.drop(make_batch(1, rows=case.load.rows))
    return PASS


def _get_events() -> Drop:
    return next(drop for drop in make_batch(1, rows=6) if drop.name.endswith("b_old.csv"))


def _get_profiles() -> Drop:
    return next(drop for drop in make_batch(1, rows=6) if drop.is_profile)


def _after_kill(at: str) -> Callable[[Case], Awaitable[tuple[str, ...]]]:
    async def begin(case: Case) -> tuple[str, ...]:
        command = await _deliver(case)
        assert await case.kill(*command, at=at)
        return PASS

    return begin


async def _begin_after_a_cut_manifest(case: Case, drop: Drop) -> tuple[str, ...]:
    """Kill the pass when its manifest, the second remote file, has a name and no byte."""
    case.drop([drop])
    assert await case.kill(*PASS, at="remote.open.after", reach=2)
    return PASS


async def _doubt_events(case: Case) -> tuple[str, ...]:
    return await _begin_after_a_cut_manifest(case, _get_events())


async def _doubt_profiles(case: Case) -> tuple[str, ...]:
    return await _begin_after_a_cut_manifest(case, _get_profiles())


async def _resend(case: Case) -> tuple[str, ...]:
    await _doubt_events(case)
    await case.call(*PASS)
    source = await case.get_source(_get_events().name)
    case.awaited.add(source["file"])
    return "resolve", source["id"], "--resend"


async def _say_delivered(case: Case) -> tuple[str, ...]:
    drop = _get_events()
    case.drop([drop])
    assert await case.kill(*PASS, at="publish.manifest.after")
    await case.call(*PASS)
    source = await case.get_source(drop.name)
    assert [part["state"] for part in source["parts"]] == ["uncertain"]
    return "resolve", source["id"], "--delivered"


async def _quarantine(case: Case, corrected: Drop) -> str:
    """Have a broken file quarantined, and put it right there; return the id of its source."""
    broken = dataclasses.replace(corrected, content=corrected.content.partition(b"\n")[2], rows=())
    case.drop([broken])
    case.drops[-1] = corrected
    await case.call(*PASS)
    source = await case.get_source(corrected.name)
    (case.workspace / "quarantine" / source["id"] / corrected.name).write_bytes(corrected.content)
    return str(source["id"])


async def _release(case: Case) -> tuple[str, ...]:
    return "release", await _quarantine(case, _get_events())


async def _deliver_released(case: Case) -> tuple[str, ...]:
    await case.call(*await _release(case))
    return PASS


async def _discard(case: Case) -> tuple[str, ...]:
    return "discard", await _quarantine(case, dataclasses.replace(_get_events(), rows=()))


async def _discard_on_its_way(case: Case) -> tuple[str, ...]:
    """Give up a file whose data is at the receiver; its rows are nobody's any more."""
    case.drop([_get_events()])
    assert await case.kill(*PASS, at="ledger.part.uploaded.after")
    case.drops[-1] = dataclasses.replace(case.drops[-1], rows=())
    return "discard", (await case.get_source(case.drops[-1].name))["id"]


async def _put_discarded_away(case: Case) -> tuple[str, ...]:
    await case.call(*await _discard(case))
    return PASS


async def _discard_rows(case: Case) -> tuple[str, ...]:
    """Deliver a file but for two rows, which nobody wants."""
    case.drop([drop for drop in make_batch(1, rows=6) if drop.name.endswith("a_new.csv")])
    await case.call(*PASS)
    (kept,) = (case.workspace / "rejected").iterdir()
    return "discard", kept.name


async def _put_rows_away(case: Case) -> tuple[str, ...]:
    await case.call(*await _discard_rows(case))
    return PASS


async def _encrypt_again(case: Case) -> tuple[str, ...]:
    case.drop([_get_events()])
    assert await case.kill(*PASS, at="ledger.part.ready.after")
    for piece in (case.workspace / "work").rglob("*.asc"):
        piece.unlink()
    return PASS


async def _plan_anew(case: Case) -> tuple[str, ...]:
    """Change the limits when data is at the receiver and its manifest is not: it is left behind, and removed."""
    case.drop([_get_events()])
    assert await case.kill(*PASS, at="ledger.part.uploaded.after")
    case.configure({"destinations": {"production": {"limits": {"plain_bytes": 800}}}})
    return PASS


async def _accept_types(case: Case) -> tuple[str, ...]:
    drops = [drop for drop in make_batch(1, rows=6) if drop.name.startswith("purchases") and not drop.is_refused]
    case.drop(drops[1:])
    await case.call(*PASS)
    case.configure({"feeds": {"purchases": {"columns": {"amount": {"type": "FLOAT"}}}}})
    case.drop(drops[:1])
    await case.call(*PASS)
    return "schema", "accept", (await case.get_source(drops[0].name))["id"]


async def _fail_there(case: Case) -> tuple[str, ...]:
    """Let the receiver take no file: the folder to upload into is not there."""
    case.drop([_get_events()])
    case.configure({"destinations": {"production": {"remote_dir": "nowhere"}}})
    return PASS


async def _configure_well(case: Case) -> None:
    case.configure()


async def _recover(case: Case) -> tuple[str, ...]:
    await case.call(*await _fail_there(case))
    case.configure()
    return PASS


async def _move_away(case: Case) -> tuple[str, ...]:
    case.drop([_get_events()])
    case.configure({"destinations": {"production": {"port": occasions.DEAD_PORT, "attempts": 1}}})
    await case.call(*PASS)
    case.configure()
    return PASS


async def _send_elsewhere(case: Case) -> tuple[str, ...]:
    case.drop([_get_events()])
    assert await case.kill(*PASS, at="ledger.source.planned.after")
    case.rename_destination("elsewhere")
    return PASS


async def _miss_a_feed(case: Case) -> tuple[str, ...]:
    """Hold a file whose data is at the receiver, and whose feed was taken out of the configuration."""
    case.drop([_get_events()])
    assert await case.kill(*PASS, at="ledger.part.uploaded.after")
    case.remove_feed("purchases")
    return PASS


async def _find_its_feed_again(case: Case) -> tuple[str, ...]:
    await case.call(*await _miss_a_feed(case))
    case.configure()
    return PASS


async def _write_on(case: Case) -> tuple[str, ...]:
    """Have a producer write on when its file is ours and not read yet."""
    drop = _get_events()
    more = occasions.make_one_more(drop)
    case.drop([drop])
    case.drops[-1] = more
    act = functools.partial(occasions.write_on, str(case.workspace / "work"), more.content[len(drop.content) :])
    case.meddling = Meddling(place="ledger.start_run.after", act=act, is_repeatable=True)
    return PASS


async def _repeat(case: Case) -> tuple[str, ...]:
    drop = _get_events()
    case.drop([drop])
    await case.call(*PASS)
    case.drop([dataclasses.replace(drop, name="purchases_again.csv", rows=())])
    return PASS


async def _give_copy_up(case: Case) -> None:
    await case.call(*PASS)
    source = await case.get_source("purchases_again.csv")
    assert (await case.call("discard", source["id"])).code == 0


async def _outlive(case: Case) -> tuple[str, ...]:
    """Let a year go by over one file that was quarantined, and others that were delivered."""
    await _quarantine(case, dataclasses.replace(_get_events(), rows=()))
    for number in (2, 3):
        case.drop([drop for drop in make_batch(number, rows=6) if drop.name.endswith("b_old.csv")])
        await case.call(*PASS)
    occasions.let_time_go_by(case.ledger_url, case.workspace)
    case.configure({"quarantine": {"keep_days": 30}, "ledger": {"keep_days": 30}})
    return PASS


async def _pause(case: Case) -> tuple[str, ...]:
    case.drop([_get_events()])
    case.configure({"space": {"pause_below_bytes": 10**17}})
    return PASS


async def _fail_to_fit(case: Case) -> tuple[str, ...]:
    """Drop a file that no disk has the space for, beside one that can be taken; it is all holes."""
    case.drop([_get_events()])
    for path in _get_giant(case):
        path.touch()
    os.truncate(_get_giant(case)[0], _GIANT_BYTES)
    return PASS


async def _take_giant_away(case: Case) -> None:
    for path in _get_giant(case):
        path.unlink()


def _get_giant(case: Case) -> tuple[Path, Path]:
    """Return a file of profiles that is too large, and its ready marker."""
    return case.staging / "customers_giant.csv", case.staging / f"customers_giant.csv{READY}"


async def _resume(case: Case) -> tuple[str, ...]:
    await case.call(*await _pause(case))
    case.configure()
    return PASS


async def _set_clock_back(case: Case) -> tuple[str, ...]:
    """Start a daemon whose last tick was taken by a clock that was ahead, and stop it once its schedule has begun."""
    case.drop([_get_events()])
    await case.call("run", "--once")
    case.configure({"schedule": {"deliver": occasions.SELDOM}})
    occasions.take_tick_ahead(case.ledger_url, case.workspace)
    case.meddling = Meddling(place="ledger.take_tick.after", act=occasions.stop_this_process)
    return ("run",)


async def _ask_for_run(case: Case) -> tuple[str, ...]:
    """Ask a daemon for a run, which does not get to it."""
    case.drop([_get_events()])
    await case.call(*PASS)
    case.others.enter_context(occasions.stand_in_for_daemon(case.workspace))
    return ("run-now",)


async def _let_daemon_go(case: Case) -> None:
    case.others.close()


async def _answer_run(case: Case) -> tuple[str, ...]:
    """Start a daemon that was asked for a run before it was stopped, and stop it once it has answered."""
    case.drop([_get_events()])
    case.configure({"schedule": {"deliver": occasions.SELDOM}})
    await case.call("status")
    occasions.ask_for_run(case.ledger_url, case.workspace)
    case.meddling = Meddling(place="ledger.answer_run.after", act=occasions.stop_this_process)
    return ("run",)


async def _come_late(case: Case) -> tuple[str, ...]:
    """Drop a file after the deadline by which it was expected, at which nobody was at work."""
    case.drop([_get_events()])
    await case.call(*PASS)
    case.drop([drop for drop in make_batch(2, rows=6) if drop.name.endswith("b_old.csv")])
    case.configure({"feeds": {"purchases": {"expected": occasions.EXPECTED}}})
    occasions.miss_deadline(case.ledger_url, case.workspace)
    return PASS


def _tell(case: Case, port: int) -> dict[str, Any]:
    """Return settings by which people are told through a web server at ``port``."""
    path = case.folder / f"channel-{port}"
    path.touch(mode=0o600)
    path.write_text(f"json://127.0.0.1:{port}/", encoding="utf-8")
    return {"alerts": {"urls": [{"file": str(path)}], "group_seconds": 1}}


async def _tell_by_another_channel(case: Case) -> tuple[str, ...]:
    """Quarantine a file when nobody can be told of it; then put another channel in place of that one, and let it go."""
    sink = case.others.enter_context(run_web_sink())
    case.configure(_tell(case, occasions.DEAD_PORT))
    source_id = await _quarantine(case, _get_events())
    case.configure(_tell(case, sink.port))
    assert (await case.call("release", source_id)).code == 0
    return PASS


async def _swap(case: Case) -> tuple[str, ...]:
    """Have somebody put a link into a file's place between our look at it and the rename."""
    case.drop([_get_events()])
    act = functools.partial(occasions.swap_for_link, str(case.staging / _get_events().name))
    case.meddling = Meddling(place="claim.rename.before", act=act)
    return PASS


async def _swap_back(case: Case) -> None:
    await case.call(*PASS)
    occasions.swap_back(str(case.staging / _get_events().name))


SCENARIOS = (
    Scenario(name="plain", load=Load(destination=SMALL), begin=_deliver),
    Scenario(name="encrypted", load=Load(rows=90, encrypts=True, destination=SMALL_PIECES), begin=_deliver),
    Scenario(name="renamed at the receiver", load=Load(destination={**SMALL, "rename": True}), begin=_deliver),
    Scenario(name="from another file system", load=Load(is_far=True), begin=_deliver),
    Scenario(name="taken away at once", load=Load(removes_taken=True, destination=SMALL), begin=_deliver),
    Scenario(name="start after claims", load=Load(), begin=_after_kill("ledger.begin_claims.after")),
    Scenario(name="start after a look", load=Load(), begin=_after_kill("ledger.source.inspected.after")),
    Scenario(name="start after a cut copy", load=Load(is_far=True), begin=_after_kill("claim.rename_copying.after")),
    Scenario(name="start after cut events", load=Load(), begin=_doubt_events),
    Scenario(name="start after cut profiles", load=Load(), begin=_doubt_profiles),
    Scenario(name="start without a piece", load=Load(encrypts=True), begin=_encrypt_again),
    Scenario(name="start with other limits", load=Load(), begin=_plan_anew),
    Scenario(name="resolve --resend", load=Load(), begin=_resend),
    Scenario(name="resolve --delivered", load=Load(removes_taken=True), begin=_say_delivered),
    Scenario(name="release", load=Load(), begin=_release),
    Scenario(name="delivery of what was released", load=Load(), begin=_deliver_released),
    Scenario(name="discard", load=Load(), begin=_discard),
    Scenario(name="discard of what was on its way", load=Load(), begin=_discard_on_its_way),
    Scenario(name="archive of what was discarded", load=Load(), begin=_put_discarded_away),
    Scenario(name="discard of refused rows", load=Load(), begin=_discard_rows),
    Scenario(name="archive of refused rows", load=Load(), begin=_put_rows_away),
    Scenario(name="schema accept", load=Load(), begin=_accept_types),
    Scenario(name="refused by the receiver", load=Load(), begin=_fail_there, mend=_configure_well),
    Scenario(name="taken again by the receiver", load=Load(), begin=_recover),
    Scenario(name="start with another address", load=Load(), begin=_move_away),
    Scenario(name="start with another destination", load=Load(), begin=_send_elsewhere),
    Scenario(name="start without its feed", load=Load(), begin=_miss_a_feed, mend=_configure_well),
    Scenario(name="start with its feed again", load=Load(), begin=_find_its_feed_again),
    Scenario(name="written on after the claim", load=Load(), begin=_write_on),
    Scenario(name="dropped twice", load=Load(), begin=_repeat, mend=_give_copy_up),
    Scenario(name="a year later", load=Load(), begin=_outlive),
    Scenario(name="short of space", load=Load(), begin=_pause, mend=_configure_well),
    Scenario(name="too large to fit", load=Load(is_far=True), begin=_fail_to_fit, mend=_take_giant_away),
    Scenario(name="with space again", load=Load(), begin=_resume),
    Scenario(name="start of a daemon with the clock set back", load=Load(), begin=_set_clock_back),
    Scenario(name="later than expected", load=Load(), begin=_come_late),
    Scenario(name="run-now", load=Load(), begin=_ask_for_run, mend=_let_daemon_go),
    Scenario(name="start of a daemon that was asked for a run", load=Load(), begin=_answer_run),
    Scenario(name="told by another channel", load=Load(), begin=_tell_by_another_channel),
    Scenario(name="swapped for a link", load=Load(), begin=_swap, mend=_swap_back),
)
