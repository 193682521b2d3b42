"""inotify as a hint: something in staging moved, look soon. The periodic scan stays the truth."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

_LOG = structlog.get_logger()
# Folders that come and go quickly confuse it, and it says so with every watched path; the next scan finds them all.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")


class Watcher:
    """Sets an event whenever something below a folder changes, from ``__enter__`` to ``__exit__``."""

    def __init__(self, folder: Path, changed: asyncio.Event) -> None:
        self._folder = folder
        self._handler = _Hint(asyncio.get_running_loop(), changed)
        self._observer = Observer()

    def __enter__(self) -> None:
        try:
            self._observer.schedule(self._handler, str(self._folder), recursive=True)
            self._observer.start()
        except OSError as error:
            # Out of inotify watches, or a file system without them: slower, not wrong.
            _LOG.warning("watch_unavailable", folder=str(self._folder), reason=error.strerror or str(error))

    def __exit__(self, *_: object) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()


class _Hint(FileSystemEventHandler):
    """Wakes the event loop from watchdog's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> None:
        self._loop = loop
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Any change but a mere look counts."""
        if event.event_type not in {"opened", "closed_no_write"} and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)
