"""Puts a feed entry together from the evidence: what the rows are, what each column becomes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.inference import headers, identities, patterns, roles
from sftp_orchestrator.inference.column_type import LEAST_SHARE, TypeChoice, choose_type
from sftp_orchestrator.inference.dialect import Dialect
from sftp_orchestrator.inference.evidence import ColumnEvidence, Evidence
from sftp_orchestrator.inference.proposal import Proposal, ProposedColumn
from sftp_orchestrator.inference.role import Role
from sftp_orchestrator.inference.traits import Trait
from sftp_orchestrator.prepare.checks.columns import list_columns
from sftp_orchestrator.prepare.checks.header_checks import check_header
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION

_RESERVED = frozenset({*clevertap.IDENTITIES, clevertap.EVENT_NAME, clevertap.TIME})
"""A column that does not play this part may not have the name."""
_TEXTS = frozenset({"Name", "Email", "Phone", "Gender", "Employed", "Education", "Tz", "Photo"})
"""Properties of a profile that are STRING whatever their values look like."""
_DATE_AS_TIME = (
    "a date cannot be ts, which takes epoch seconds alone: have the producer add a column of them, in UTC, as 'ts'"
)
_MIXED_TIME = (
    "it cannot be ts, which takes epoch seconds alone: some cells are dates, some epoch times; have the producer write"
    " epoch seconds throughout"
)


def propose(evidence: Evidence, names: Sequence[str], written: Dialect) -> Proposal:
    """Return the feed entry for files of these names, whose text is ``written`` so."""
    kind = roles.choose_kind(evidence)
    chosen = {role.header: role for role in _choose_roles(evidence, kind.type)}
    left_out = _leave_out(evidence, kind.type)
    property_names = _name_properties(evidence, chosen, left_out)
    columns = [
        _propose_column(column, chosen.get(column.header), property_names[column.header])
        if column.header not in left_out
        else ProposedColumn(header=column.header, property_name=column.header, left_out=left_out[column.header])
        for column in evidence.columns
    ]
    proposal = Proposal(
        name=patterns.make_feed_name(names),
        type=kind.type,
        reason=kind.reason,
        is_type_doubtful=kind.is_doubtful,
        patterns=tuple(patterns.make_patterns(names)),
        files=tuple(names),
        rows=evidence.rows,
        written=written,
        columns=tuple(columns),
    )
    return _check_whole(_doubt_time(proposal, evidence))


def _choose_roles(evidence: Evidence, type_: FeedType) -> list[Role]:
    found = identities.choose_identities(evidence, type_)
    time = roles.choose_time(evidence)
    if type_ is FeedType.PROFILE:
        found += [time] if time is not None and time.header == clevertap.TIME else []
        return [*found, *roles.list_profile_roles(evidence, [role.header for role in found])]
    others = (roles.choose_event_name(evidence), time)
    return [*found, *(role for role in others if role is not None)]


def _leave_out(evidence: Evidence, type_: FeedType) -> dict[str, str]:
    """Return the columns that must not be mapped, each with the reason."""
    found = {}
    for header in evidence.headers:
        operand = header.removesuffix(clevertap.OPERATION_SUFFIX)
        if type_ is FeedType.PROFILE and operand != header and operand in evidence.headers:
            found[header] = f"it says what is done with '{operand}', and is never mapped"
    if len(evidence.headers) > 1 and evidence.headers[-1] == DESCRIPTION:
        found[DESCRIPTION] = "refused rows have it; it is left out when they come back"
    return found


def _name_properties(evidence: Evidence, chosen: dict[str, Role], left_out: dict[str, str]) -> dict[str, str]:
    """Return what each column becomes: a part that it plays, its own name where that will do, else one that does."""
    found = {header: role.property_name for header, role in chosen.items()}
    taken = {*found.values(), *_RESERVED}
    rest = [
        (place, header)
        for place, header in enumerate(evidence.headers)
        if header not in found and header not in left_out
    ]
    for place, header in rest:
        if headers.make_property_name(header, place, taken) == header:
            found[header] = header
            taken.add(header)
    for place, header in rest:
        if header not in found:
            found[header] = headers.make_property_name(header, place, taken)
            taken.add(found[header])
    return found


def _propose_column(column: ColumnEvidence, role: Role | None, property_name: str) -> ProposedColumn:
    found = choose_type(column) if role is None else _choose_type_of_role(column, property_name)
    doubts = role.doubts if role is not None else ()
    if role is None and property_name != column.header:
        doubts = (headers.explain_new_name(column.header, _RESERVED),)
    return ProposedColumn(
        header=column.header,
        property_name=property_name,
        type=found.type,
        date_format=found.date_format,
        doubts=(*doubts, *found.doubts),
        almost=found.almost,
        explained=role.explained if role is not None else frozenset(),
    )


def _choose_type_of_role(column: ColumnEvidence, property_name: str) -> TypeChoice:
    if property_name == clevertap.TIME:
        return TypeChoice(type=DataType.INTEGER)
    if property_name in _RESERVED or property_name in _TEXTS:
        return TypeChoice()
    if property_name == "Married" or property_name.startswith(clevertap.FLAG_PREFIX):
        is_boolean = 0 < LEAST_SHARE * column.filled <= column.count_type(DataType.BOOLEAN)
        return TypeChoice(type=DataType.BOOLEAN if is_boolean else DataType.STRING)
    return choose_type(column)


def _doubt_time(proposal: Proposal, evidence: Evidence) -> Proposal:
    """Say of events without ``ts`` what to do, on the column of dates that may have been meant for it."""
    if proposal.type is FeedType.PROFILE or any(column.property_name == clevertap.TIME for column in proposal.columns):
        return proposal
    found = roles.find_date_for_time(evidence)
    if found is None:
        return proposal
    said = _MIXED_TIME if found.count(Trait.SECONDS) else _DATE_AS_TIME
    columns = [
        replace(column, doubts=(said, *column.doubts)) if column.header == found.header else column
        for column in proposal.columns
    ]
    return replace(proposal, columns=tuple(columns))


def _check_whole(proposal: Proposal) -> Proposal:
    """Say which rules about header and mapping the file would break with this feed."""
    feed = proposal.to_feed()
    mapped = [column.header for column in proposal.columns if column.header != DESCRIPTION or column.left_out is None]
    return replace(proposal, findings=tuple(check_header(list_columns(mapped, feed), feed)))
