"""The tree of errors, and the two questions an error answers: try again or not, and whose fault.

::

    Failure                     what, on which subject, why, and what to do next
    ├── Transient               trying the same again later may succeed
    │   ├── Unreachable         the receiver does not answer, or the line was cut
    │   └── SourceChanged       the producer still writes: the file goes back to waiting
    └── Permanent               trying the same again gives the same
        ├── ConfigurationError  the configuration or the command line is wrong
        ├── InputRefused        the input's fault: the source goes to quarantine
        ├── DecisionNeeded      a person must decide: the source is held
        │   └── NotConfigured       … about its feed or destination: held until the configuration has it again
        ├── ReceiverRefused     the receiver answered and said no
        │   ├── FolderRefused   … to what we do in its folder: it is not there, or not ours to use
        │   └── SessionRefused  … to letting us in: whatever we bring, it takes none of it now
        │       └── LoginRefused    … to our key, or we to its host key
        │           ├── KeyRefused      … to our key: it is to be registered there
        │           └── HostKeyRefused  … we do, as it shows a host key that is not pinned
        └── LocalFault          this machine's fault: disk, permissions, gpg, a second daemon
            ├── NoSpace         … for want of space for one more file: smaller ones may fit
            └── SourceFault     … with one source alone: it waits, and the others go on

Adapters (SFTP client, gpg, the ledger's database) translate foreign errors into this tree at their edge, by type.
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What the process tells its caller. Documented in ``--help`` and ``docs/reference/commands.md``."""

    DONE = 0
    NOT_ALL_DELIVERED = 1
    USAGE = 2
    RECEIVER = 3
    INTERRUPTED = 130


class Failure(Exception):  # noqa: N818 - the word of DESIGN for what did not work; subclasses say what it was
    """Something did not work: ``operation`` on ``subject``, because of ``cause``; ``hint`` says what to do next.

    Its text is one line: ``upload a.csv part 3/8 to production: permission denied; check that the key is registered``.
    """

    def __init__(self, operation: str, subject: str, cause: str, *, hint: str | None = None) -> None:
        self.operation = operation
        self.subject = subject
        self.cause = cause
        self.hint = hint
        super().__init__(operation, subject, cause, hint)

    def __str__(self) -> str:
        where = f"{self.operation} {self.subject}".strip()
        said = f"{where}: {self.cause}"
        return f"{said}; {self.hint}" if self.hint else said


class Transient(Failure):
    """Trying the same again later may succeed."""


class Unreachable(Transient):
    """The receiver does not answer, or the line was cut."""


class SourceChanged(Transient):
    """The producer changed the file while we read it: not an error, the file goes back to waiting."""


class Permanent(Failure):
    """Trying the same again gives the same."""


class ConfigurationError(Permanent):
    """The configuration or the command line is wrong; may carry several findings, one a line."""


class InputRefused(Permanent):
    """The input breaks a rule: the source goes to quarantine with a report."""


class DecisionNeeded(Permanent):
    """Only a person can say how to go on: the source is held.

    The hint of one that holds a source has no command: it is kept as the reason, and ``advice`` tells them beside it.
    """


class NotConfigured(DecisionNeeded):
    """The configuration has no such feed or destination any more: the source is held until it has."""


class ReceiverRefused(Permanent):
    """The receiver answered, and said no."""


class FolderRefused(ReceiverRefused):
    """The receiver lets us in, and not do in its folder what we are to: it is not there, or we have no right to."""


class SessionRefused(ReceiverRefused):
    """The receiver does not let us in: no common algorithm, no SFTP, not this host. No file is to blame."""


class LoginRefused(SessionRefused):
    """The receiver does not take our key, or shows a host key that is not pinned."""


class KeyRefused(LoginRefused):
    """The receiver does not take our key: it is not registered there, or not yet."""


class HostKeyRefused(LoginRefused):
    """The receiver shows a host key that is not pinned: it has a new one, or somebody stands in between."""


class LocalFault(Permanent):
    """This machine stands in the way: disk, permissions, a missing program, a second daemon."""


class NoSpace(LocalFault):
    """There is less space than one file needs: it waits for more, and others may need less."""


class SourceFault(LocalFault):
    """One source cannot go on now, and the others can: its file cannot be read, gpg fails on it. It waits."""


def get_exit_code(error: BaseException) -> ExitCode:
    """Return the exit code that ``error`` ends a command with. Pure."""
    match error:
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case ConfigurationError():
            return ExitCode.USAGE
        case Unreachable() | ReceiverRefused():
            return ExitCode.RECEIVER
        case _:
            return ExitCode.NOT_ALL_DELIVERED
