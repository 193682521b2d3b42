"""How the log looks: JSON lines, or short coloured ones on a terminal; always on stderr, for stdout is for answers.

In systemd's journal each line has its priority, so that ``journalctl --priority warning`` finds what matters.
"""

from __future__ import annotations

import codecs
import logging
import os
import sys

import structlog

from sftp_orchestrator import systemd
from sftp_orchestrator.calling import spell_out

_LOG = structlog.get_logger()
_ADVISING = frozenset({"reason", "error", "hint"})
"""The fields that are for people; what else there is belongs to the input."""


def configure(*, debug: bool = False, quiet: bool = False) -> None:
    """Set structlog up for the process; ``quiet`` keeps all but warnings back, for commands that show progress."""
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    shown = _for_terminal() if sys.stderr.isatty() else _for_programs()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)
    # It complains when we stop while something moves in staging; what it misses the next scan finds.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    # What a channel of alerts has to say is told with its name; a line of the library may repeat the URL.
    apprise = logging.getLogger("apprise")
    apprise.propagate = False
    apprise.addHandler(logging.NullHandler())
    # What gpg ends with is looked at by us, and told with the file it was about.
    logging.getLogger("gnupg").setLevel(logging.CRITICAL)


def spell_out_commands(command: str) -> None:
    """Have the log name our commands as ``command`` is typed: reasons say what to do, and are copied from there."""
    structlog.configure(processors=[_Spelling(command), *structlog.get_config()["processors"]])


def keep_back(event: str) -> None:
    """Have the log leave an event out, where whoever reads the log is told of it otherwise."""

    def leave_out(
        _logger: structlog.typing.WrappedLogger, _method: str, told: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        if told.get("event") == event:
            raise structlog.DropEvent
        return told

    structlog.configure(processors=[leave_out, *structlog.get_config()["processors"]])


class _Spelling:
    """Spells our commands out in what an event tells."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __call__(
        self, _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {
            name: spell_out(told, self._command) if name in _ADVISING and isinstance(told, str) else told
            for name, told in event.items()
        }


def _for_terminal() -> list[structlog.typing.Processor]:
    """Time of day, level and event first, then the fields in their order: a line should fit where somebody looks on."""
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(
            colors="NO_COLOR" not in os.environ, pad_event_to=0, pad_level=False, sort_keys=False
        ),
    ]


def _for_programs() -> list[structlog.typing.Processor]:
    """JSON in UTF-8, so that one can look for a name by ``grep``; in ASCII where stderr is of another encoding."""
    is_utf8 = codecs.lookup(sys.stderr.encoding or "ascii").name == "utf-8"
    render = structlog.processors.JSONRenderer(ensure_ascii=not is_utf8)
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without what the variables held: secrets, and rows of the input.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        _for_journal(render) if systemd.is_journal(sys.stderr) else render,
    ]


def _for_journal(render: structlog.processors.JSONRenderer) -> structlog.typing.Processor:
    def render_with_priority(
        logger: structlog.typing.WrappedLogger, method: str, event: structlog.typing.EventDict
    ) -> str:
        return f"{systemd.get_priority(method)}{render(logger, method, event)!s}"

    return render_with_priority


class _Forward(logging.Handler):
    """Gives what libraries say the look of our own log, so that every line of it can be parsed."""

    def emit(self, record: logging.LogRecord) -> None:
        _LOG.warning(
            "library_message",
            library=record.name,
            severity=record.levelname.lower(),
            message=record.getMessage(),
            exc_info=record.exc_info or None,
        )
