"""Named places at which a test kills this process or lets a step fail: how "killed anywhere, nothing lost" is tried.

A step is what changes the ledger, a disk or the receiver; it has a place before and one after it. One of them can be
switched on by ``SFTP_ORCHESTRATOR_FAILPOINT``, read once at the start; off, a step costs a look at a global name.
"""

from __future__ import annotations

import enum
import errno
import os
import re
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from sftp_orchestrator.errors import ConfigurationError, LocalFault, Unreachable

_LOG = structlog.get_logger()

VARIABLE = "SFTP_ORCHESTRATOR_FAILPOINT"
_SPECIFICATION = re.compile(
    r"(?P<step>[a-z._]+)\.(?P<side>before|after):(?P<action>kill|error|stop)(?:@(?P<reach>[1-9]\d*))?"
)
_HINT = (
    f"{VARIABLE}=STEP.before:kill or STEP.after:error, and @N for the N-th time; docs/reference/failpoints.md has all"
)


class Fault(enum.Enum):
    """What a step fails with where it is told to fail: that which its place really raises."""

    LEDGER = enum.auto()
    """what the ledger makes of any error of its database"""
    SPACE = enum.auto()
    """no space left on the device"""
    DEVICE = enum.auto()
    """an error of the device, as an fsync reports it"""
    LINE = enum.auto()
    """the connection was reset"""
    LOST = enum.auto()
    """what the adapter makes of that"""

    def make(self, name: str) -> Exception:
        """Return the error, which names its place."""
        match self:
            case Fault.LEDGER:
                return LocalFault("use", "the ledger", f"failpoint {name}")
            case Fault.SPACE:
                return OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} (failpoint {name})")
            case Fault.DEVICE:
                return OSError(errno.EIO, f"{os.strerror(errno.EIO)} (failpoint {name})")
            case Fault.LINE:
                return ConnectionResetError(errno.ECONNRESET, f"{os.strerror(errno.ECONNRESET)} (failpoint {name})")
            case Fault.LOST:
                return Unreachable("reach", "the receiver", f"failpoint {name}")


class Step(NamedTuple):
    """One step with a place before and one after it."""

    name: str
    fault: Fault
    what: str


STEPS: tuple[Step, ...] = (
    Step("archive.rename", Fault.SPACE, "the original goes into the archive"),
    Step("claim.copy", Fault.SPACE, "an original on another file system is copied"),
    Step("claim.give_back", Fault.SPACE, "what is none of ours goes back into staging"),
    Step("claim.make_folder", Fault.SPACE, "the folder of a source is made"),
    Step("claim.remove_marker", Fault.DEVICE, "the ready marker is removed"),
    Step("claim.remove_original", Fault.DEVICE, "the original of a copy is removed from staging"),
    Step("claim.rename", Fault.SPACE, "a file is moved from staging into the workspace"),
    Step("claim.rename_copied", Fault.SPACE, "`source.copied` becomes `source.removing`"),
    Step("claim.rename_copying", Fault.SPACE, "`source.copying` becomes `source.copied`"),
    Step("claim.rename_removing", Fault.SPACE, "`source.removing` becomes `source.csv`"),
    Step("configuration.keep", Fault.SPACE, "the configuration that is gone by is kept in the workspace"),
    Step("encrypt.gpg", Fault.SPACE, "gpg writes an encrypted piece"),
    Step("encrypt.rename", Fault.SPACE, "an encrypted piece gets its name"),
    Step("files.flush", Fault.DEVICE, "a claimed file, or rows taken from one, are brought to the disk"),
    Step("files.fsync", Fault.DEVICE, "what was written to a file is brought to the disk"),
    Step("files.fsync_folder", Fault.DEVICE, "the names in a folder are brought to the disk"),
    Step("files.make_folder", Fault.SPACE, "a folder is made, to last"),
    Step("files.rename", Fault.SPACE, "a report gets its name"),
    Step("files.rename_rows", Fault.SPACE, "good or refused rows of a file get their name in the workspace"),
    Step("files.rmdir", Fault.DEVICE, "an empty folder of ours is removed"),
    Step("files.unlink", Fault.DEVICE, "a file of ours is removed"),
    Step("files.write", Fault.SPACE, "a report is written"),
    Step("fingerprints.rename", Fault.SPACE, "the fingerprints of a source's rows get their place"),
    Step("intake.pause", Fault.SPACE, "the marker of a paused intake is set"),
    Step("intake.resume", Fault.DEVICE, "the marker of a paused intake is removed"),
    Step("ledger.abandon_claims", Fault.LEDGER, "files that did not become ours are forgotten"),
    Step("ledger.accept_types", Fault.LEDGER, "a person accepts the types that a source brings"),
    Step("ledger.answer_run", Fault.LEDGER, "a run that a person asked for has ended: that is noted"),
    Step("ledger.ask_run", Fault.LEDGER, "a person asks the daemon for a run: `run-now`"),
    Step("ledger.begin_claims", Fault.LEDGER, "the intent to claim files is noted"),
    Step(
        "ledger.cut_pause_short", Fault.LEDGER, "what waits for a destination is tried now: its address or keys changed"
    ),
    Step("ledger.discard", Fault.LEDGER, "a person gives a source up"),
    Step("ledger.expire", Fault.LEDGER, "a source was quarantined too long: it becomes `discarded`"),
    Step("ledger.finish_alerts", Fault.LEDGER, "alerts that a channel took are noted"),
    Step("ledger.finish_claims", Fault.LEDGER, "files are noted as ours"),
    Step("ledger.finish_run", Fault.LEDGER, "how a run ended is noted"),
    Step("ledger.forget_channels", Fault.LEDGER, "alerts for channels that are configured no more are forgotten"),
    Step("ledger.forget_leftover", Fault.LEDGER, "data without a manifest is forgotten"),
    Step("ledger.forget_pause", Fault.LEDGER, "a run to a destination that was left alone went through"),
    Step("ledger.forget_runs", Fault.LEDGER, "runs and ticks that are past their time are forgotten"),
    Step(
        "ledger.forget_sources", Fault.LEDGER, "sources that are past their time are forgotten, with parts and history"
    ),
    Step("ledger.forget_ticks", Fault.LEDGER, "ticks that a clock took that was ahead are forgotten"),
    Step("ledger.go_on", Fault.LEDGER, "a person lets a source go on: `retry`, `release`"),
    Step("ledger.history", Fault.LEDGER, "a move gets its line of history, in the transaction of the move"),
    Step("ledger.migrate", Fault.LEDGER, "the ledger's tables are made or changed, in one transaction"),
    Step("ledger.note_alerts", Fault.LEDGER, "what is worth an alert is noted, with the messages that tell of it"),
    Step("ledger.note_arrival", Fault.LEDGER, "a file that was missing came after all: that is noted"),
    Step(
        "ledger.note_change",
        Fault.LEDGER,
        "a file that its producer still writes to is noted as it is, to be read later",
    ),
    Step("ledger.note_content", Fault.LEDGER, "what a file holds that was sent before is noted"),
    Step("ledger.note_correction", Fault.LEDGER, "a file that a person may have put right is noted as it is"),
    Step("ledger.note_failure", Fault.LEDGER, "the receiver did not take a file of a source: that is counted"),
    Step("ledger.note_missing_file", Fault.LEDGER, "no file of a feed came by its deadline: that is noted"),
    Step("ledger.note_pause", Fault.LEDGER, "a destination is left alone after a run that failed"),
    Step("ledger.note_untaken", Fault.LEDGER, "which complete files cannot be claimed is noted"),
    Step("ledger.note_waits", Fault.LEDGER, "why sources wait is noted, and when they are tried again"),
    Step("ledger.part.delivered", Fault.LEDGER, "a part becomes `delivered`"),
    Step("ledger.part.planned", Fault.LEDGER, "a part becomes `planned` again: its encrypted piece is gone"),
    Step("ledger.part.publishing", Fault.LEDGER, "a part becomes `publishing`: the intent"),
    Step("ledger.part.ready", Fault.LEDGER, "a part becomes `ready`"),
    Step("ledger.part.resent", Fault.LEDGER, "an uncertain part becomes `planned`, under new names"),
    Step("ledger.part.resolved", Fault.LEDGER, "a person says that uncertain parts were taken"),
    Step("ledger.part.uncertain", Fault.LEDGER, "a part becomes `uncertain`"),
    Step("ledger.part.uploaded", Fault.LEDGER, "a part becomes `uploaded`"),
    Step("ledger.reassign", Fault.LEDGER, "a source is noted with the type and destination that its feed has now"),
    Step("ledger.resume", Fault.LEDGER, "a source goes on, for the configuration has its feed again"),
    Step("ledger.source.archived", Fault.LEDGER, "a source becomes `archived`"),
    Step("ledger.source.claimed", Fault.LEDGER, "a source becomes `claimed` again, to be read anew"),
    Step("ledger.source.delivered", Fault.LEDGER, "a source becomes `delivered`"),
    Step("ledger.source.held", Fault.LEDGER, "a source becomes `held`"),
    Step("ledger.source.inspected", Fault.LEDGER, "a source becomes `inspected`"),
    Step("ledger.source.planned", Fault.LEDGER, "a source becomes `planned`: names and manifests are fixed"),
    Step("ledger.source.quarantined", Fault.LEDGER, "a source becomes `quarantined`"),
    Step("ledger.start_run", Fault.LEDGER, "the start of a run is noted"),
    Step("ledger.take_sending", Fault.LEDGER, "a source takes a number for new names"),
    Step("ledger.take_tick", Fault.LEDGER, "a tick of the schedule is noted as served"),
    Step("ledger.write_together", Fault.LEDGER, "what several files came to is written in one transaction"),
    Step("publish.manifest", Fault.LOST, "a manifest goes up"),
    Step("quarantine.bring_back", Fault.SPACE, "an original comes back from quarantine"),
    Step("quarantine.rename", Fault.SPACE, "an original goes into quarantine"),
    Step("quarantine.rename_rows", Fault.SPACE, "refused rows get their place"),
    Step("remote.close", Fault.LINE, "a remote file is closed"),
    Step("remote.connect", Fault.LINE, "a connection is opened"),
    Step("remote.open", Fault.LINE, "a remote file is created or truncated"),
    Step("remote.remove", Fault.LINE, "a remote file is removed"),
    Step("remote.rename", Fault.LINE, "a remote file gets another name"),
    Step("remote.size", Fault.LINE, "the receiver is asked for the size of a file"),
    Step("remote.write", Fault.LINE, "the bytes of a remote file are written and acknowledged"),
    Step("table.rename", Fault.SPACE, "rows that were written anew get their name in the workspace"),
    Step("upload.data", Fault.LOST, "a data file goes up and is looked at"),
)
_FAULTS = {step.name: step.fault for step in STEPS}


class Action(enum.StrEnum):
    """What happens at a place that is switched on."""

    KILL = "kill"
    """SIGKILL to this process"""
    ERROR = "error"
    """the step fails: as if it had not been done, or, after it, although it was"""
    STOP = "stop"
    """SIGTERM to this process; the step goes on"""


@dataclass(kw_only=True)
class Failpoint:
    """One place that is switched on."""

    name: str
    action: Action
    fault: Fault
    reach: int
    """at which of the times that the place is reached, from 1"""
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, name: str) -> None:
        """Kill, stop or raise, where ``name`` is this place and its time has come."""
        if name != self.name:
            return
        with self._lock:
            self._count += 1
            if self._count != self.reach:
                return
        if self.action is Action.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.action is Action.STOP:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        raise self.fault.make(name)


_armed: Failpoint | None = None


class around:  # noqa: N801 - it is used as a statement is: with failpoints.around("claim.rename")
    """The places before and after the step ``name``, one of ``STEPS``; the one after it only where it did not fail."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        if _armed is not None:
            _armed.meet(f"{self._name}.before")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if _armed is not None and kind is None:
            _armed.meet(f"{self._name}.after")


def arm(environment: Mapping[str, str]) -> None:
    """Switch on what the environment asks for, and shout; part of every start of a command.

    Raises:
        ConfigurationError: there is no such place.
    """
    global _armed  # noqa: PLW0603 - read at every step: anything but a global name would cost more
    asked = environment.get(VARIABLE)
    if asked:
        _armed = parse(asked)
        _LOG.critical("failpoint_armed", name=_armed.name, action=_armed.action.value, reach=_armed.reach)


def parse(asked: str) -> Failpoint:
    """Return the failpoint that ``asked`` names, such as ``claim.rename.after:kill@2``. Pure.

    Raises:
        ConfigurationError: there is no such place.
    """
    found = _SPECIFICATION.fullmatch(asked)
    fault = _FAULTS.get(found["step"]) if found is not None else None
    if found is None or fault is None:
        raise ConfigurationError("use", VARIABLE, f"there is no failpoint '{asked}'", hint=_HINT)
    return Failpoint(
        name=f"{found['step']}.{found['side']}",
        action=Action(found["action"]),
        fault=fault,
        reach=int(found["reach"] or 1),
    )
