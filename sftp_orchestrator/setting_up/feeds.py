"""The feeds of a new configuration: proposed from samples, or one that takes every file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sftp_orchestrator import units
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.inference import rendering
from sftp_orchestrator.inference.infer import infer
from sftp_orchestrator.inference.proposal import Proposal
from sftp_orchestrator.inference.samples import Sample
from sftp_orchestrator.progress import Board

_PLAIN = """\
  {name}:
    type: {type}
    files: ["*.csv"]
    # Map your columns: `sftp-orchestrator infer FILE` proposes this entry anew
    # from a file. A column not listed keeps its header as its name, as STRING.
    columns: {{}}
"""


def propose_feeds(samples: Sequence[Sample], board: Board) -> tuple[Proposal, ...]:
    """Return a feed for each kind of ``samples``: the same columns are one kind. Blocking; raises as ``infer``.

    Feeds that would be called alike are numbered.
    """
    alone = [(sample, infer([sample], board)) for sample in samples]
    kinds: dict[tuple[str, ...], list[tuple[Sample, Proposal]]] = {}
    for sample, proposal in alone:
        kinds.setdefault(tuple(column.header for column in proposal.columns), []).append((sample, proposal))
    proposals = [
        kind[0][1] if len(kind) == 1 else infer([sample for sample, _ in kind], board) for kind in kinds.values()
    ]
    seen = Counter[str]()
    named = []
    for proposal in proposals:
        seen[proposal.name] += 1
        number = seen[proposal.name]
        named.append(proposal if number == 1 else replace(proposal, name=f"{proposal.name}_{number}"))
    return tuple(named)


def render_feeds(proposals: Sequence[Proposal]) -> str:
    """Return what stands below ``feeds:``. Pure."""
    return "\n".join(map(rendering.render, proposals))


def render_plain_feed(kind: FeedType) -> str:
    """Return, to stand below ``feeds:``, one feed of this ``kind`` for every CSV file, with no column mapped. Pure."""
    return _PLAIN.format(name="profiles" if kind is FeedType.PROFILE else "events", type=kind)


def count_doubts(text: str) -> int:
    """Return how many comments of a feed, or of a configuration, tell of a doubt. Pure."""
    return text.count(f"# {rendering.DOUBTFUL}: ")


def count_errors(text: str) -> int:
    """Return how many comments of a feed, just proposed, tell why no file of it could be sent as it stands. Pure."""
    return text.count(f"# {Severity.ERROR}: ")


def describe(proposal: Proposal) -> str:
    """Return what was proposed, for people. Pure."""
    rows, columns = units.format_count(proposal.rows), len(proposal.columns)
    text = rendering.render(proposal)
    doubts, errors = count_doubts(text), [one.message for one in proposal.findings if one.severity is Severity.ERROR]
    said = f"{proposal.name}: {proposal.type} ({rows} row{'s' * (proposal.rows != 1)}, {columns} columns)"
    said += f", {doubts} doubtful: read the comments in the configuration" if doubts else ""
    return f"{said}; as it stands no file of it could be sent: {'; '.join(errors)}" if errors else said
