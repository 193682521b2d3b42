"""What the last look found, said in words, with the keys of a feed that help. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sftp_orchestrator import units
from sftp_orchestrator.config import yaml_text
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.inference.proposal import Proposal, Suggestion
from sftp_orchestrator.inference.whole import Whole

_MAX_BAD_ROWS = float(Feed.model_fields["max_bad_rows"].default)
_MAX = f"max_bad_rows ({100 * _MAX_BAD_ROWS:g} %)"


def add_suggestions(proposal: Proposal, key: Sequence[str], found: Sequence[Whole]) -> Proposal:
    """Return the proposal with what its rows as a whole call for; ``key`` are the columns that tell events apart."""
    suggested = (*_suggest_deduplicate(proposal, key, found), *_suggest_sort(proposal, found), *_tell_refused(found))
    return replace(proposal, suggestions=suggested)


def _suggest_deduplicate(proposal: Proposal, key: Sequence[str], found: Sequence[Whole]) -> Iterator[Suggestion]:
    repeated = sum(whole.compared.repeated for whole in found)
    if not repeated:
        return
    # By a key that finds more than what is equal throughout, rows would be lost.
    is_enough = bool(key) and repeated == sum(whole.compared.repeated_by_key for whole in found)
    mapped = [column.header for column in proposal.columns if column.left_out is None]
    said = (
        f"{_say_share(repeated, found)} repeat an earlier one in every column, and the receiver takes each for an event"
    )
    yield Suggestion(
        reason=f"{said}: to leave them out, uncomment this",
        key="deduplicate",
        value=f"{{columns: {yaml_text.render_flow(list(key if is_enough else mapped))}}}",
    )


def _suggest_sort(proposal: Proposal, found: Sequence[Whole]) -> Iterator[Suggestion]:
    late = sum(whole.compared.late for whole in found)
    if not late:
        return
    has_time = any(column.property_name == clevertap.TIME for column in proposal.columns)
    wish = "to have the oldest sent first" + ("" if has_time else ", once a column is ts")
    yield Suggestion(
        reason=f"{_say_share(late, found)} are earlier than one before: {wish}, uncomment this",
        key="sort_by_time",
        value="true",
    )


def _say_share(rows: int, found: Sequence[Whole]) -> str:
    compared, all_rows = sum(whole.compared.rows for whole in found), sum(whole.rows for whole in found)
    what = "rows" if compared == all_rows else f"the first {units.format_count(compared)} rows"
    return f"{units.format_percent(rows, compared)} of {what} ({units.format_count(rows)})"


def _tell_refused(found: Sequence[Whole]) -> Iterator[Suggestion]:
    """Yield how many rows are refused by all rules together, of the worst file: each file stands for itself."""
    worst = max(found, key=lambda whole: whole.refused / whole.rows)
    if not worst.refused:
        return
    of_file = f" of {yaml_text.quote(worst.file)}" if len(found) > 1 else ""
    share = f"{units.format_percent(worst.refused, worst.rows)} of rows{of_file}"
    said = f"{share} ({units.format_count(worst.refused)}) are refused by the rules together"
    if worst.refused > _MAX_BAD_ROWS * worst.rows:
        yield Suggestion(reason=f"{said}, more than {_MAX}: such a file is not sent at all")
    else:
        yield Suggestion(reason=f"{said}, no more than {_MAX}: the others are sent")
