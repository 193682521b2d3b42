"""Whose fault it is: what goes wrong with one source sets that source aside, and the others go on.

What a step of a lane raises is told apart by its type alone (``errors.py`` has the whole tree)::

    Failure
    ├── one of SOURCE_FAILURES     the source drops out of the run (note_drop), and
    │   ├── SourceChanged              is read again
    │   ├── InputRefused               is quarantined
    │   ├── DecisionNeeded             is held
    │   ├── SourceFault                waits, and is tried again
    │   └── IllegalMove                is what the ledger says: somebody decided meanwhile
    └── any other                  ends the destination's share: the line, the receiver or the ledger stood in the way;
                                   of an upload that ``may_be_of_one_file``, after what precedes it was delivered

A failure becomes a ``SourceFault``, with the same words, where it turns out to be one source's own: what comes of

- the work on this machine: any failure that is none of these yet, and ``OSError`` (``blamed_on``);
- the bytes to send, that cannot be read (``BlockReader``), or are too many or too few in every try (``LengthDiffers``);
- a look for a manifest whose outcome is not noted, if it ``may_be_of_one_file`` (``Delivery._is_settled``);
- a data file that is not taken, run after run, if it ``may_be_of_one_file`` (``Delivery._require_patience``).

A defect of ours in the work on this machine becomes ``DecisionNeeded``: trying again would give the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import structlog

from sftp_orchestrator import threads
from sftp_orchestrator.errors import (
    DecisionNeeded,
    Failure,
    InputRefused,
    ReceiverRefused,
    SessionRefused,
    SourceChanged,
    SourceFault,
    Transient,
    Unreachable,
)
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import IllegalMove
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.preparation import Preparation

_LOG = structlog.get_logger()

SOURCE_FAILURES = (SourceChanged, InputRefused, DecisionNeeded, SourceFault, IllegalMove)
"""What concerns one source; every other failure is the line's, the receiver's, the ledger's."""


@contextlib.contextmanager
def blamed_on(source: Source) -> Iterator[None]:
    """Let what goes wrong with local work on ``source`` come out as one of ``SOURCE_FAILURES``.

    What should never happen holds the source, with a traceback in the log: trying again would give the same.
    """
    try:
        yield
    except SOURCE_FAILURES:
        raise
    except Failure as error:
        raise as_source_fault(error) from error
    except OSError as error:
        raise SourceFault("read", source.name, error.strerror or str(error)) from error
    except Exception as error:
        _LOG.error("source_crashed", source=source.id, feed=source.feed, file=source.name, exc_info=True)
        raise DecisionNeeded(
            "prepare",
            source.name,
            f"{type(error).__name__}: {error}",
            hint="this is a defect: the log has the details",
        ) from error


def as_source_fault(error: Failure) -> SourceFault:
    """Return ``error`` as the fault of one source, with the same words. Pure."""
    return SourceFault(error.operation, error.subject, error.cause, hint=error.hint)


def may_be_of_one_file(error: Failure) -> bool:
    """Return whether a receiver's answer may be about one file alone; a line that was lost never is. Pure."""
    is_receivers = isinstance(error, (Transient, ReceiverRefused)) and not isinstance(error, SOURCE_FAILURES)
    return is_receivers and not isinstance(error, (Unreachable, SessionRefused))


async def note_drop(source: Source, error: Failure, preparation: Preparation, ledger: Ledger) -> None:
    """Note why ``source`` drops out of the run, as the kind of error asks for; may be repeated.

    Raises:
        LocalFault: not even that could be noted: the ledger cannot be used.
    """
    now = await asyncio.to_thread(ledger.sources.get, source.id)
    is_given_up = now.state is SourceState.DISCARDED
    if is_given_up or isinstance(error, IllegalMove):
        # A person's word in another process, or a defect: the row says what is true now, and the next run reads it.
        # What is given up may fail in any way: its parts, and then its file, are gone.
        _LOG.warning("source_moved_meanwhile", source=source.id, feed=source.feed, file=source.name, reason=str(error))
        if is_given_up or now.is_wanted:
            return
    try:
        with blamed_on(source):
            await preparation.set_aside(source, error)
    except DecisionNeeded as second:
        await _hold(source, second, ledger)
    except SOURCE_FAILURES as second:
        # Its quarantine is not writable, or it was moved meanwhile. To wait is always possible, or the ledger is gone.
        await preparation.set_aside(source, as_source_fault(second))


async def _hold(source: Source, error: Failure, ledger: Ledger) -> None:
    try:
        await threads.see_through(ledger.sources.hold, source.id, str(error))
    except IllegalMove as moved:
        _LOG.warning("source_moved_meanwhile", source=source.id, feed=source.feed, file=source.name, reason=str(moved))
    else:
        _LOG.warning("source_held", source=source.id, feed=source.feed, file=source.name, reason=str(error))
