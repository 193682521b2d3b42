"""Which feed a file belongs to: exactly one, or the file stays where it is."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping

from wcmatch import glob

from sftp_orchestrator.config.model import Feed

_SHOWN_FEEDS = 5
_FLAGS = glob.GLOBSTAR | glob.DOTGLOB | glob.CASE | glob.FORCEUNIX


def list_matching_feeds(relative_path: bytes, feeds: Mapping[str, Feed]) -> tuple[str, ...]:
    """Return the names of the feeds one of whose patterns fits a path below staging. Pure.

    ``*`` stays within a folder, ``**`` stands for any number of folders, case counts.
    """
    path = os.fsdecode(relative_path)
    return tuple(name for name, feed in feeds.items() if _compile(feed.files).match(path))


@functools.lru_cache(maxsize=1024)
def _compile(patterns: tuple[str, ...]) -> glob.WcMatcher[str]:
    """Return what matches any of ``patterns``; kept, for there may be 100,000 files to match."""
    return glob.compile(list(patterns), flags=_FLAGS)


def explain_mismatch(fitting: tuple[str, ...], feeds: Mapping[str, Feed]) -> str:
    """Return why a file that fits these of all ``feeds`` (none, or more than one) is left alone. Pure."""
    if fitting:
        return f"several feeds fit it: {_list_patterns(fitting, feeds)}"
    return f"no feed's patterns fit it: {_list_patterns(tuple(feeds), feeds)}"


def _list_patterns(names: tuple[str, ...], feeds: Mapping[str, Feed]) -> str:
    said = [f"{name} ({', '.join(feeds[name].files)})" for name in names[:_SHOWN_FEEDS]]
    more = len(names) - _SHOWN_FEEDS
    return ", ".join([*said, *([f"and {more} more"] if more > 0 else [])])
