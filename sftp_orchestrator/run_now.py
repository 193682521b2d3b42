"""A person wants a run now, whatever the schedule says: the one way to ask the daemon for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sftp_orchestrator import units
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import ConfigurationError, LocalFault
from sftp_orchestrator.intake.intake import open_staging, survey
from sftp_orchestrator.intake.lock import Holder, find_holder
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import RunRequest
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY
from sftp_orchestrator.outlook import AskedRun, Outlook
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
    arriving: int = 0
    """files in staging that are to become complete first, as far as time alone makes them so"""
    settle_seconds: float = 0

    def describe(self) -> str:
        """Return what was done, for people, in one line. Pure."""
        what = "what waits" if self.feed is None else f"the files of {self.feed}"
        count = "no file is" if not self.waiting else f"{self.waiting:,} file{' is' if self.waiting == 1 else 's are'}"
        return (
            f"Asked the daemon (process {self.daemon.pid} on {self.daemon.host}) to deliver {what}"
            f" to {', '.join(self.destinations)} now: {count} claimed"
            f", and what is complete in staging goes, too. {self._say_when()}: {COMMAND} status"
        )

    def _say_when(self) -> str:
        if not self.arriving or not self.settle_seconds:
            return "It begins within seconds"
        files = "1 file in staging is" if self.arriving == 1 else f"{self.arriving:,} files in staging are"
        return (
            f"It begins once {files} complete, unchanged for {self.settle_seconds:g} s (intake.settle_seconds); what is"
            " still written to after that time waits for its schedule"
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
    return Asked(
        daemon=holder,
        destinations=destinations,
        feed=feed,
        waiting=len(waiting),
        arriving=_count_arriving(configuration, ledger, destinations, feed),
        settle_seconds=configuration.intake.settle_seconds,
    )


def _count_arriving(
    configuration: Configuration, ledger: Ledger, destinations: Collection[str], feed: str | None
) -> int:
    """Return how many files in staging the run may wait for; 0 where that cannot be looked at, which others tell."""
    if configuration.intake.ready_marker is not None:
        # Nobody knows how long a file waits for its marker: none is waited for.
        return 0
    try:
        found = survey(open_staging(configuration).look(), configuration)
        # These are complete already: no time makes them more so, and no run waits for them.
        not_taken = {one.relative_path for one in ledger.untaken.list_all()}
    except LocalFault:
        return 0
    return sum(
        configuration.get_destination_name(name) in destinations and feed in {None, name}
        for candidate, name in found.matched
        if candidate.relative_path not in not_taken
    )


def list_asked(outlook: Outlook, arriving: Collection[str]) -> list[str]:
    """Return a sentence for each run that was asked for and has not begun; ``arriving`` are feeds of files. Pure."""
    return [_describe_asked(one, outlook, arriving) for one in outlook.asked if not _has_begun(one.request, outlook)]


def _has_begun(request: RunRequest, outlook: Outlook) -> bool:
    """Return whether the run under way to its destination is the one that was asked for, and not one before it."""
    return any(
        run.trigger == "now" and run.destination == request.destination and run.started_at >= request.asked_at
        for run in outlook.under_way
    )


def _describe_asked(asked: AskedRun, outlook: Outlook, arriving: Collection[str]) -> str:
    request = asked.request
    files = "" if request.feed is None else f" of {request.feed}"
    age = units.format_age(request.asked_at, outlook.at)
    said = f"A run{files} to {request.destination} was asked for by {request.by} {age}"
    if not asked.waits_for.isdisjoint(arriving):
        is_settling = asked.settled_at is not None and asked.settled_at > outlook.at
        till = f", till {units.format_time(asked.settled_at)}" if is_settling and asked.settled_at is not None else ""
        return f"{said}: it waits for what is arriving in staging to be complete{till}; then it goes without the rest."
    if any(run.destination in {None, request.destination} for run in outlook.under_way):
        return f"{said}: it begins once the run under way has ended."
    return f"{said}: it begins within seconds."


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
