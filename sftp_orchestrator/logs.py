"""How the log looks: JSON lines, or colours on a terminal; always on stderr, for stdout is for answers."""

from __future__ import annotations

import logging
import os
import sys

import structlog

_LOG = structlog.get_logger()


def configure(*, debug: bool = False, quiet: bool = False) -> None:
    """Set structlog up for the process; ``quiet`` keeps all but warnings back, for commands that show progress."""
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    on_terminal = sys.stderr.isatty()
    colours = on_terminal and "NO_COLOR" not in os.environ
    shown: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=colours)]
        if on_terminal
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)
    # It complains when we stop while something moves in staging; what it misses the next scan finds.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    # What gpg ends with is looked at by us, and told with the file it was about.
    logging.getLogger("gnupg").setLevel(logging.CRITICAL)


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
