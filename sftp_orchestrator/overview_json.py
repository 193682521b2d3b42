"""The JSON of what stands where, as ``status --json``, ``history --json`` and the page give it.

It is a promise (``docs/reference/json.md``): fields are added, never renamed or removed.
"""

from __future__ import annotations

from typing import Any

from sftp_orchestrator.config.scheduling import ON_ARRIVAL
from sftp_orchestrator.intake.staging import Candidate
from sftp_orchestrator.ledger.records import Pause, Run, RunRequest, display_path
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.outlook import Prospect
from sftp_orchestrator.overview import Overview
from sftp_orchestrator.views import to_text


def to_json(overview: Overview) -> dict[str, Any]:
    """Return the documented fields of an overview. Pure."""
    holder, run = overview.outlook.holder, overview.outlook.last_run
    return {
        "at": to_text(overview.at),
        "staging": {
            "arriving": [_arriving_to_json(overview, candidate, feed) for candidate, feed in overview.staging.matched],
            "left_alone": [
                {"file": display_path(obstacle.relative_path), "reason": obstacle.reason}
                for obstacle in overview.staging.left_alone
            ],
        },
        "counts": {state.value: overview.counts.get(state.value, 0) for state in SourceState},
        "sources": [view.to_json() for view in overview.sources],
        "with_refused_rows": [view.to_json() for view in overview.with_refused_rows],
        "left_out": dict(vars(overview.left_out)),
        "daemon": {
            "running": overview.outlook.has_daemon,
            "pid": holder.pid if holder is not None else None,
            "host": holder.host if holder is not None else None,
            "configuration_is_outdated": overview.outlook.is_outdated,
        },
        "failing_destinations": [_pause_to_json(overview, pause) for pause in overview.outlook.pauses.values()],
        "bandwidth_limits": [
            {"destination": name, "bytes_per_second": limit} for name, limit in overview.limits.items()
        ],
        "space": {
            "free_bytes": overview.room.free_bytes,
            "staging_free_bytes": overview.room.staging_free_bytes,
            "intake_paused": overview.room.is_paused,
            "pause_below_bytes": overview.room.pause_below_bytes,
            "resume_at_bytes": overview.room.resume_at_bytes,
        },
        "schedules": [_schedule_to_json(overview, one) for one in overview.outlook.prospects],
        "asked_runs": [_asked_to_json(one.request) for one in overview.outlook.asked],
        "expected_files": [
            {
                "feed": one.feed,
                "next_by": to_text(one.next_by),
                "missing_since": to_text(one.missing_since),
                "missed": one.missed,
            }
            for one in overview.outlook.expected
        ],
        "next_delivery_at": to_text(overview.outlook.next_delivery_at),
        "last_delivery_at": to_text(overview.last_delivery[1] if overview.last_delivery is not None else None),
        "last_run": run_to_json(run) if run is not None else None,
    }


def _arriving_to_json(overview: Overview, candidate: Candidate, feed: str) -> dict[str, Any]:
    untaken = overview.untaken.get(candidate.relative_path)
    return {
        "file": display_path(candidate.relative_path),
        "feed": feed,
        "size": candidate.size,
        "not_taken_because": untaken.reason if untaken is not None else None,
        "not_taken_since": to_text(untaken.since if untaken is not None else None),
    }


def _pause_to_json(overview: Overview, pause: Pause) -> dict[str, Any]:
    return {
        "destination": pause.destination,
        "failures": pause.failures,
        "since": to_text(pause.since),
        "retry_at": to_text(pause.until),
        "reason": pause.reason,
        "kind": pause.kind.value,
        "needs_person": pause.kind.needs_person,
        "took_files_until": to_text(overview.outlook.took_until.get(pause.destination)),
    }


def _schedule_to_json(overview: Overview, prospect: Prospect) -> dict[str, Any]:
    timing = prospect.timing
    return {
        "destination": timing.destination,
        "feed": timing.feed,
        "deliver": list(timing.lines) or [ON_ARRIVAL],
        "timezone": timing.zone.key,
        "next_at": to_text(overview.outlook.get_next(prospect)),
        "closed_until": to_text(prospect.opens_at),
    }


def run_to_json(run: Run) -> dict[str, Any]:
    """Return the documented fields of a run."""
    return {**vars(run), "started_at": to_text(run.started_at), "finished_at": to_text(run.finished_at)}


def _asked_to_json(request: RunRequest) -> dict[str, Any]:
    """Return the documented fields of a run that was asked for."""
    return {
        "destination": request.destination,
        "feed": request.feed,
        "asked_at": to_text(request.asked_at),
        "by": request.by,
    }
