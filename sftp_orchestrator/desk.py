"""All that the page asks and does, in one place: the overview and figures, one source, the last day, a person's word.

Every method blocks: call it in a thread from async code.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deciding import Choice, decide, list_choices, require_unchanged
from sftp_orchestrator.deliver.archive import get_archive_folder, get_rows_folder
from sftp_orchestrator.figures import Figures, get_figures
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Hour, Move
from sftp_orchestrator.ledger.states import SOURCE_DONE
from sftp_orchestrator.overview import MOST_SHOWN, Overview, get_complete_view, get_overview, get_view, list_done
from sftp_orchestrator.prepare.refusals import quarantine
from sftp_orchestrator.prepare.refusals.rejecting import FAILED_ROWS_NAME
from sftp_orchestrator.prepare.refusals.showing import ShownRows, show_rows
from sftp_orchestrator.prepare.report import KeptReport
from sftp_orchestrator.run_now import ask_for_run
from sftp_orchestrator.views import SourceView
from sftp_orchestrator.workspace import Workspace

DONE_SHOWN = 15
"""Of what was delivered today."""
MOVES_SHOWN = 200
"""Of a source, the last ones; ``history`` has them all."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """What became of files of late."""

    hours: tuple[Hour, ...]
    """the last 24, the oldest first; the last of them is not over"""
    delivered_today: int
    """since midnight in the configuration's zone"""
    last_delivered: tuple[SourceView, ...]
    """of today, the newest first, so many as are shown"""


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """All there is to know of one source, and to say of it."""

    view: SourceView
    choices: tuple[Choice, ...]
    moves: tuple[Move, ...]
    """the last ones, the newest first"""
    has_earlier: bool
    folder: Path | None
    """where its report lies, and of a quarantined one its file"""
    has_file: bool
    """its file lies there, too: of one that was sent, or waits, it is the refused rows that do"""
    report: KeptReport | None
    rows: ShownRows | None


class Desk:
    """What stands between whoever looks through a browser and the ledger: the same that the command line uses."""

    def __init__(self, configuration: Configuration, ledger: Ledger) -> None:
        self._configuration = configuration
        self._ledger = ledger
        self._workspace = Workspace(root=configuration.workspace)

    @property
    def destinations(self) -> tuple[str, ...]:
        """The names of the configuration's destinations."""
        return tuple(self._configuration.destinations)

    def require_answer(self) -> None:
        """Return when the ledger answers; raises ``LocalFault`` where it does not."""
        self._ledger.require_answer()

    def get_overview(self) -> Overview:
        """Return what stands where now, the first of each group. Raises ``LocalFault``."""
        return get_overview(self._configuration, self._ledger, most=MOST_SHOWN)

    def get_figures(self) -> Figures:
        """Return how much stands where now, in numbers alone. Raises ``LocalFault``."""
        return get_figures(self._configuration, self._ledger)

    def get_day(self) -> Day:
        """Return what became of files in the last 24 hours, and what was delivered today. Raises ``LocalFault``."""
        now = datetime.datetime.now(datetime.UTC)
        midnight = now.astimezone(self._configuration.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        done = list_done(self._ledger, self._workspace, limit=DONE_SHOWN)
        return Day(
            hours=tuple(self._ledger.outcomes.list_hours(now)),
            delivered_today=self._ledger.outcomes.count_delivered(since=midnight),
            last_delivered=tuple(view for view in done if view.source.changed_at >= midnight),
        )

    def get_dossier(self, source_id: str, overview: Overview) -> Dossier:
        """Return all there is to know of one source; ``overview`` knows what it waits for.

        Raises:
            ConfigurationError: there is none of this id.
            LocalFault: ledger or workspace cannot be read.
        """
        view = get_view(source_id, self._configuration, self._ledger)
        # What waits is known in full there, unless it moved since, or there is more of it than is shown.
        known = next((one for one in overview.sources if one.source == view.source), None)
        known = known or get_complete_view(source_id, self._configuration, self._ledger)
        folder = self._find_findings(view)
        moves = self._ledger.list_history(source_id=source_id, limit=MOVES_SHOWN + 1)[::-1]
        return Dossier(
            view=known,
            choices=list_choices(known),
            moves=tuple(moves[:MOVES_SHOWN]),
            has_earlier=len(moves) > MOVES_SHOWN,
            folder=folder if folder.is_dir() else None,
            has_file=(folder / view.source.file_name).exists(),
            report=quarantine.read_report_in(folder),
            rows=show_rows(folder / FAILED_ROWS_NAME),
        )

    def find_failed_rows(self, source_id: str) -> tuple[SourceView, Path] | None:
        """Return a source and where its refused rows lie; None where there are none. Raises as ``get_dossier``."""
        view = get_view(source_id, self._configuration, self._ledger)
        path = self._find_findings(view) / FAILED_ROWS_NAME
        return (view, path) if path.is_file() else None

    def decide(
        self, choice: Choice, subject: str, *, by: str, reason: str | None, seen_at: datetime.datetime | None
    ) -> list[str]:
        """Carry a person's word out, as the commands do; ``seen_at`` is when the source had last changed for them.

        Raises:
            DecisionNeeded: it changed since, or something else is to be decided first.
            ConfigurationError, LocalFault: as ``deciding.decide``.
        """
        if seen_at is not None:
            require_unchanged(self._ledger, subject.partition("/")[0], seen_at)
        return decide(choice, self._configuration, self._ledger, subject, by=by, reason=reason)

    def ask_for_run(self, *, by: str, destination: str | None) -> None:
        """Have what waits delivered now, to one destination or to all; raises as ``run_now.ask_for_run``."""
        ask_for_run(self._configuration, self._ledger, by=by, destination=destination)

    def _find_findings(self, view: SourceView) -> Path:
        """Return the folder in which report and refused rows of a source lie, where it has any."""
        source = view.source
        zone = self._configuration.zone
        places = [
            self._workspace.get_quarantine(source.id),
            self._workspace.get_rejected(source.id),
            get_archive_folder(self._workspace, source, zone),
        ]
        if source.state in SOURCE_DONE and source.refused_rows:
            given_up = self._ledger.discards.list_rows_given_up([source.id])
            places += [get_rows_folder(self._workspace, source.id, at, zone) for at in given_up.values()]
        return next((place for place in places if (place / quarantine.REPORT_NAME).is_file()), places[0])
