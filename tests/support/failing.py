"""One delivery in which a step of this machine fails once, or in which a stop comes, and what must be true of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sftp_orchestrator.failpoints import STEPS, Fault
from tests.support.campaign import Bench
from tests.support.crashing import READY, Case, Load
from tests.support.forked import Answer
from tests.support.scenarios import SCENARIOS, Scenario

LOCAL = frozenset(step.name for step in STEPS if step.fault in {Fault.LEDGER, Fault.SPACE, Fault.DEVICE})
"""Steps of this machine: what a full disk, a failing one or a ledger that cannot be used meets."""
DEFECTS = frozenset({"destination_crashed", "source_crashed", "library_message"})
"""Events of the log that say that nobody thought of it."""
LEFT_MARKER = "claim.remove_marker.before"
ERROR, STOP = "error", "stop"
STOP_SECONDS = 30
"""What systemd and Docker give a stop."""
DONE, NOT_ALL_DELIVERED, RECEIVER = 0, 1, 3
REFUSED = "refused by the receiver"
"""Here the receiver is at fault as well, and a pass says so."""
UNTOLD = frozenset({"intake.pause.before"})
"""On a disk without a free byte no marker can be set; that the intake is paused is told all the same."""
_DELIVER = next(scenario.begin for scenario in SCENARIOS if scenario.name == "plain")
NEAR = Scenario(name="on one file system", load=Load(rows=6), begin=_DELIVER)
ENCRYPTED = Scenario(name="encrypted", load=Load(rows=6, encrypts=True), begin=_DELIVER)
FAR = Scenario(name="from another file system", load=Load(rows=6, is_far=True), begin=_DELIVER)
_ONLY_IN = {
    "start after claims": ("ledger.abandon_claims",),
    "start after cut profiles": ("ledger.part.uncertain", "ledger.part.resent"),
    "start after cut events": ("ledger.source.held",),
    "start without a piece": ("ledger.part.planned",),
    "start with other limits": ("ledger.forget_leftover", "ledger.source.claimed"),
    "resolve --delivered": ("ledger.part.resolved",),
    "release": ("ledger.go_on",),
    "delivery of what was released": ("ledger.note_correction", "quarantine.bring_back"),
    "discard": ("ledger.discard",),
    "schema accept": ("ledger.accept_types",),
    REFUSED: ("ledger.note_failure", "ledger.note_pause", "ledger.note_waits"),
    "taken again by the receiver": ("ledger.forget_pause",),
    "start with another address": ("ledger.cut_pause_short",),
    "start with another destination": ("ledger.reassign",),
    "start with its feed again": ("ledger.resume",),
    "too large to fit": ("ledger.note_untaken",),
    "written on after the claim": ("ledger.note_change",),
    "dropped twice": ("ledger.note_content",),
    "a year later": ("ledger.expire", "ledger.forget_runs", "ledger.forget_sources"),
    "short of space": ("intake.pause",),
    "with space again": ("intake.resume",),
    "start of a daemon with the clock set back": ("ledger.forget_ticks", "ledger.take_tick"),
    "run-now": ("ledger.ask_run",),
    "start of a daemon that was asked for a run": ("ledger.answer_run",),
    "later than expected": ("ledger.note_missing_file", "ledger.note_arrival"),
    "told by another channel": ("ledger.forget_channels", "ledger.note_alerts", "ledger.finish_alerts"),
    "swapped for a link": ("claim.give_back",),
}
"""Scenarios for the sake of steps that the two above do not come to."""


_BY_NAME = {scenario.name: scenario for scenario in (*SCENARIOS, NEAR, FAR, ENCRYPTED)}
STOPS = {
    "claiming": (FAR.name, "claim.copy.before"),
    "claimed": (NEAR.name, "ledger.finish_claims.after"),
    "inspected": (NEAR.name, "ledger.source.inspected.after"),
    "planned": (NEAR.name, "ledger.source.planned.after"),
    "encrypting": (ENCRYPTED.name, "encrypt.gpg.before"),
    "ready": (ENCRYPTED.name, "ledger.part.ready.after"),
    "uploading": (NEAR.name, "remote.write.before"),
    "uploaded": (NEAR.name, "ledger.part.uploaded.after"),
    "publishing": (NEAR.name, "ledger.part.publishing.after"),
    "published": (NEAR.name, "publish.manifest.after"),
    "part delivered": (NEAR.name, "ledger.part.delivered.after"),
    "delivered": (NEAR.name, "ledger.source.delivered.after"),
    "archiving": (NEAR.name, "archive.rename.before"),
    "quarantined": (NEAR.name, "ledger.source.quarantined.after"),
    "uncertain": ("start after cut profiles", "ledger.part.uncertain.after"),
    "held": ("start after cut events", "ledger.source.held.after"),
}
"""A scenario and a place in it for every state in which a stop may come."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What happens at one place, where ``scenario`` reaches it the ``reach``-th time."""

    scenario: Scenario
    place: str
    action: str
    reach: int = 1

    def __str__(self) -> str:
        return f"{self.scenario.name}: {self.place}:{self.action}@{self.reach}"


def list_troubles(places: dict[str, Counter[str]], *, side: str, action: str) -> list[Trouble]:
    """Return one for each local step, in the first scenario that comes to it. Pure."""
    found: dict[str, Scenario] = {}
    for scenario in (NEAR, FAR, ENCRYPTED):
        for place in places[scenario.name]:
            name, _, at = place.rpartition(".")
            if at == side and name in LOCAL:
                found.setdefault(name, scenario)
    for scenario in SCENARIOS:
        for name in _ONLY_IN.get(scenario.name, ()):
            found.setdefault(name, dataclasses.replace(scenario, load=dataclasses.replace(scenario.load, rows=6)))
    return [Trouble(scenario=found[name], place=f"{name}.{side}", action=action) for name in sorted(found)]


def list_stops() -> list[Trouble]:
    """Return a stop in each state. Pure."""
    return [Trouble(scenario=_BY_NAME[name], place=place, action=STOP) for name, place in STOPS.values()]


async def record(bench: Bench, scenario: Scenario) -> Counter[str]:
    """Return how often a delivery without trouble comes to which place."""
    async with bench.open(scenario) as case:
        command = await scenario.begin(case)
        reached = case.folder / "reached"
        await case.call(*command, record=reached)
        await case.receiver.settle()
        return Counter((await asyncio.to_thread(reached.read_text)).split())


async def make(bench: Bench, trouble: Trouble) -> list[str]:
    """Make the trouble once, let what comes after go on without it, and return what is not as it should be.

    A step fails in one pass, or in what a person types; a stop comes to the daemon.
    """
    async with bench.open(trouble.scenario) as case:
        command = await trouble.scenario.begin(case)
        if trouble.action == STOP:
            command = ("run",)
        began = time.monotonic()
        answer = await case.call(*command, failpoint=f"{trouble.place}:{trouble.action}@{trouble.reach}")
        seconds = time.monotonic() - began
        await case.receiver.settle()
        wrong = list(_judge(answer, trouble, seconds))
        # What waits lets others pass, as what is held does (docs/explanation/order.md).
        case.awaited |= {source["file"] for source in await case.list_sources() if _waits(source)}
        if trouble.action == ERROR and trouble.place == LEFT_MARKER:
            wrong += _take_marker_away(case)
        try:
            if command[0] != "run":
                # The person types it again; where it was done by then, it is refused.
                await case.call(*command)
            await trouble.scenario.mend(case)
            await case.finish()
            wrong += case.check().violations
        except AssertionError as error:
            wrong.append(str(error)[-1000:])
        return [f"{trouble}: {what} (see {case.output})" for what in wrong]


def _waits(source: Mapping[str, Any]) -> bool:
    return "failpoint" in str(source["reason"])


def _take_marker_away(case: Case) -> Iterator[str]:
    """Do as a person does who reads of a marker that could not be removed; its file is ours by then."""
    left = [path for path in case.staging.iterdir() if path.name.endswith(READY)]
    if len(left) != 1:
        yield f"markers left: {left}"
    for path in left:
        path.unlink()


def _judge(answer: Answer, trouble: Trouble, seconds: float) -> Iterator[str]:
    """Yield what is wrong with how a command ended that met the trouble."""
    events = list(_read_events(answer.text))
    if not any(event["event"] == "failpoint_armed" for event in events):
        yield "nothing was armed"
    codes = {DONE} if trouble.action == STOP else {DONE, NOT_ALL_DELIVERED}
    if answer.code not in codes | ({RECEIVER} if trouble.scenario.name == REFUSED else set()):
        yield f"it ended with {answer.code}: {answer.text[-1500:]}"
    if "Traceback" in answer.text or '"exception"' in answer.text:
        yield f"a traceback: {answer.text[-3000:]}"
    yield from (f"{event}" for event in events if event["event"] in DEFECTS)
    said = [line for line in answer.text.splitlines() if line.startswith("sftp-orchestrator: ")]
    if len(said) > 1:
        yield f"more than one line for people: {said}"
    if trouble.action == STOP and seconds > STOP_SECONDS:
        yield f"it ended after {seconds:.1f} s"
    # After it was done all the same, there may be nothing to tell: what lies where decides.
    if (
        trouble.action == ERROR
        and trouble.place.endswith(".before")
        and trouble.place not in UNTOLD
        and f"failpoint {trouble.place}" not in answer.text
    ):
        yield f"nobody was told: {answer.text[-1500:]}"


def _read_events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
