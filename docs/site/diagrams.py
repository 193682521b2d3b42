"""Diagrams of states without a script: a ``mermaid`` block, which GitHub draws, becomes a picture within the page.

States stand in a column, in the order in which the block names them. A move to the next one is a straight arrow, one
further on an arc on the right, one back an arc on the left. Lines and letters have the colour of the text around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

_STEP = 56
"""From one state to the next, in pixels; likewise below."""
_BOX_WIDTH, _BOX_HEIGHT = 120, 30
_APART = 6
"""Between where arcs leave a box and where they arrive."""
_BULGE, _BULGE_A_STEP = 14, 26
_ARROW = (
    '<marker id="arrow-{key}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0L10 5L0 10z" fill="currentColor"/></marker>'
)

Move = tuple[str, str]


class Mermaid(Directive):
    """A diagram of states; any other diagram is an error, so that none is left out without a word."""

    has_content: ClassVar[bool] = True

    def run(self) -> list[nodes.Node]:
        """Return the picture."""
        lines = [line.strip() for line in self.content if line.strip()]
        found = [re.fullmatch(r"(\w+) --> (\w+)", line) for line in lines[1:]]
        moves = [(move[1], move[2]) for move in found if move]
        if lines[:1] != ["stateDiagram-v2"] or len(moves) < len(found):
            msg = "only a stateDiagram-v2 with a move a line can be drawn"
            raise self.error(msg)
        return [nodes.raw("", draw(moves, key=str(self.lineno)), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw the blocks of this language."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True}


def draw(moves: Sequence[Move], *, key: str) -> str:
    """Return the SVG of ``moves``; ``key`` tells the diagrams of a page apart. Pure."""
    states = list(dict.fromkeys(state for move in moves for state in move))
    side = _BULGE + _BULGE_A_STEP * len(states)
    width, height = _BOX_WIDTH + 2 * side, _STEP * len(states)
    said = f"{len(states)} states and {len(moves)} moves; the table below has them all"
    return (
        f'<svg class="states" viewBox="0 0 {width} {height}" role="img" aria-label="{said}">'
        f"<defs>{_ARROW.format(key=key)}</defs>"
        f"{''.join(_draw_states(states, width // 2))}{''.join(_draw_moves(moves, states, width // 2, key))}</svg>"
    )


def _draw_states(states: Sequence[str], middle: int) -> Iterator[str]:
    for index, state in enumerate(states):
        y = _STEP * index + _STEP // 2
        yield (
            f'<rect x="{middle - _BOX_WIDTH // 2}" y="{y - _BOX_HEIGHT // 2}" width="{_BOX_WIDTH}"'
            f' height="{_BOX_HEIGHT}" rx="5"/><text x="{middle}" y="{y}">{state}</text>'
        )


def _draw_moves(moves: Sequence[Move], states: Sequence[str], middle: int, key: str) -> Iterator[str]:
    for before, after in moves:
        start, end = (_STEP * states.index(state) + _STEP // 2 for state in (before, after))
        if end - start == _STEP:
            path = f"M{middle} {start + _BOX_HEIGHT // 2}V{end - _BOX_HEIGHT // 2}"
        else:
            onwards = 1 if end > start else -1
            edge = middle + onwards * _BOX_WIDTH // 2
            out = edge + onwards * (_BULGE + _BULGE_A_STEP * abs(end - start) // _STEP)
            leave, arrive = start + onwards * _APART, end - onwards * _APART
            path = f"M{edge} {leave}C{out} {leave} {out} {arrive} {edge} {arrive}"
        yield f'<path d="{path}" marker-end="url(#arrow-{key})"><title>{before} to {after}</title></path>'
