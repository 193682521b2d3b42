"""A person wants a run now, whatever the schedule says: the one way to ask the daemon for it."""

from __future__ import annotations

from dataclasses import dataclass

from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import ConfigurationError, LocalFault
from sftp_orchestrator.intake.lock import Holder, find_holder
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY
from sftp_orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the daemon was asked for."""

    daemon: Holder
    destinations: tuple[str, ...]
    feed: str | None
    """None: for all feeds"""
    waiting: int
    """sources on their way there that are claimed already"""

    def describe(self) -> str:
        """Return what was done, for people, in one line. Pure."""
        what = "what waits" if self.feed is None else f"the files of {self.feed}"
        count = "no file is" if not self.waiting else f"{self.waiting:,} file{' is' if self.waiting == 1 else 's are'}"
        return (
            f"Asked the daemon (process {self.daemon.pid} on {self.daemon.host}) to deliver {what}"
            f" to {', '.join(self.destinations)} now: {count} claimed"
            f", and what is complete in staging goes, too. It begins within seconds: {COMMAND} status"
        )


def ask_for_run(
    configuration: Configuration, ledger: Ledger, *, by: str, destination: str | None = None, feed: str | None = None
) -> Asked:
    """Ask the running daemon to deliver now, whatever schedule, window or dates say; return what was asked for.

    ``destination`` or ``feed`` narrow it to one; ``by`` is who asks, for the log. The daemon notices within seconds,
    waits ``settle_seconds`` for what lies in staging and is not complete, and starts a run with the trigger ``now``
    over all that is claimed then, in the order as ever; a run under way is ended first. May be repeated: what was asked
    for before such a run is one. Blocking: call it in a thread from async code.

    Raises:
        ConfigurationError: there is no such destination or feed, or the feed does not go there.
        LocalFault: no daemon runs, and nothing was noted; or the ledger cannot be used.
    """
    destinations = _choose(configuration, destination, feed)
    holder = find_holder(Workspace(root=configuration.workspace).lock)
    if holder is None or holder.is_pass:
        cause = "no daemon runs" if holder is None else f"no daemon runs, but a pass of run --once: {holder}"
        hint = f"start it (systemctl start {COMMAND}), or deliver once: `{COMMAND} run --once`"
        raise LocalFault("run now", f"to {', '.join(destinations)}", cause, hint=hint)
    waiting = [
        source
        for source in ledger.sources.list_in(SOURCE_ON_ITS_WAY)
        if source.destination in destinations and feed in {None, source.feed}
    ]
    for name in destinations:
        ledger.requests.ask(name, feed, by=by)
    return Asked(daemon=holder, destinations=destinations, feed=feed, waiting=len(waiting))


def _choose(configuration: Configuration, destination: str | None, feed: str | None) -> tuple[str, ...]:
    """Return the destinations that are meant."""
    if destination is not None and destination not in configuration.destinations:
        raise _make_unknown("destination", destination, tuple(configuration.destinations))
    if feed is None:
        return (destination,) if destination is not None else tuple(configuration.destinations)
    if feed not in configuration.feeds:
        raise _make_unknown("feed", feed, tuple(configuration.feeds))
    target = configuration.get_destination_name(feed)
    if destination not in {None, target}:
        raise ConfigurationError("run now", f"feed {feed}", f"it goes to {target}, not to {destination}")
    return (target,)


def _make_unknown(kind: str, name: str, known: tuple[str, ...]) -> ConfigurationError:
    return ConfigurationError(
        "run now", f"{kind} {name}", f"there is no {kind} of this name", hint=f"known are {', '.join(known)}"
    )
