"""How far the clock is believed where it says that something is past its time.

A clock that is set forward by mistake would have the archive removed, quarantined files discarded and the ledger forget
what it must know a copy by, all at once. So after a leap nothing is older than it was before, until the clock has gone
on for a day by itself, or was set back. A machine that was off for days looks the same, and loses nothing by a day.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from sftp_orchestrator import files
from sftp_orchestrator.errors import LocalFault

_LOG = structlog.get_logger()

LEAP = datetime.timedelta(days=2)
"""Between two looks: a daemon looks each day, and so does a daily pass."""
PROOF = datetime.timedelta(days=1)
"""For so long it goes on before a leap is believed."""
_NOTED = datetime.timedelta(hours=1)
"""How exactly the last look is remembered after a restart: not each pass has to write for it."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What is known of the clock."""

    seen: datetime.datetime
    """what it said at the last look"""
    leapt: datetime.datetime | None = None
    """what it said just after its last leap; None where that is believed by now"""
    before: datetime.datetime | None = None
    """… and just before it"""

    @property
    def believed(self) -> datetime.datetime:
        """The moment that ages count up to."""
        return self.before or self.seen


def judge(last: Clock | None, now: datetime.datetime) -> Clock:
    """Return what is known once the clock says ``now``. Pure."""
    if last is None or now < last.seen - _NOTED:
        return Clock(seen=now)
    is_doubted = last.leapt is not None and now - last.leapt < PROOF
    if now - last.seen > LEAP:
        return Clock(seen=now, leapt=now, before=last.before if is_doubted else last.seen)
    return replace(last, seen=now) if is_doubted else Clock(seen=now)


class Believing:
    """Remembers what the clock said, in a file; where that is lost, the clock is believed. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted = _read(path)
        self._last = self._noted

    def look(self, now: datetime.datetime) -> datetime.datetime:
        """Return the moment that ages count up to, at most ``now``; what cannot be noted is known to this process."""
        known = judge(self._last, now)
        if known.leapt is not None and (self._last is None or known.leapt != self._last.leapt):
            _LOG.warning("clock_leapt", before=known.believed.isoformat(), now=now.isoformat())
        self._last = known
        noted = self._noted
        if noted is None or noted.leapt != known.leapt or abs(known.seen - noted.seen) >= _NOTED:
            # On a full disk it cannot be: what follows is what makes room.
            with contextlib.suppress(OSError):
                files.write_durably(self._path, _write(known))
                self._noted = known
        return known.believed


def _write(known: Clock) -> bytes:
    return json.dumps({name: at.isoformat() for name, at in vars(known).items() if at is not None}).encode()


def _read(path: Path) -> Clock | None:
    try:
        said = json.loads(path.read_bytes())
        return Clock(**{name: datetime.datetime.fromisoformat(at) for name, at in said.items()})
    except FileNotFoundError:
        return None
    except OSError as error:
        cause = error.strerror or str(error)
        raise LocalFault("read", str(path), cause, hint="it must be a file of ours") from error
    except (ValueError, TypeError, AttributeError):
        return None
