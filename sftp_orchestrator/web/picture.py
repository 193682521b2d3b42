"""The last 24 hours as bars: where each one stands and how high it is. Pure; the template draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sftp_orchestrator import units
from sftp_orchestrator.ledger.records import Hour

HEIGHT = 44
STEP = 14
BAR = 10
_LEAST = 2.0
"""What is not nothing is seen."""
_TICKS_EVERY = 6


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One hour."""

    x: int
    y: float
    height: float
    said: str
    """in full, for who points at it"""
    is_over: bool


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One kind of thing over the hours."""

    kind: str
    """by which the style sheet colours it"""
    title: str
    total: str
    most: str
    """of one hour, or empty where there was nothing"""
    bars: tuple[Bar, ...]

    @property
    def said(self) -> str:
        """The chart in words."""
        return f"{self.title} in the last 24 hours: {self.total}" + (f", {self.most}." if self.most else ".")


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A label below the bars."""

    x: int
    said: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """All charts, on one time axis."""

    width: int
    charts: tuple[Chart, ...]
    ticks: tuple[Tick, ...]


def draw(hours: Sequence[Hour]) -> Picture:
    """Return the picture of ``hours``, the oldest first; the last of them is not over."""
    kinds: tuple[tuple[str, str, Callable[[Hour], int], Callable[[int], str]], ...] = (
        ("files", "Files delivered", lambda hour: hour.delivered, lambda count: f"{count:,}"),
        ("bytes", "Data sent", lambda hour: hour.delivered_bytes, units.format_bytes),
        ("aside", "Set aside", lambda hour: hour.set_aside, lambda count: f"{count:,}"),
    )
    return Picture(
        width=STEP * len(hours),
        charts=tuple(_draw_one(hours, *kind) for kind in kinds),
        ticks=tuple(
            Tick(x=STEP * place, said=f"{hour.begin:%H:%M}")
            for place, hour in enumerate(hours)
            if hour.begin.hour % _TICKS_EVERY == 0
        ),
    )


def _draw_one(
    hours: Sequence[Hour], kind: str, title: str, count: Callable[[Hour], int], say: Callable[[int], str]
) -> Chart:
    counts = [count(hour) for hour in hours]
    most = max(counts, default=0)
    return Chart(
        kind=kind,
        title=title,
        total=say(sum(counts)),
        most=f"peak {say(most)}/h" if most else "",
        bars=tuple(
            _draw_bar(place, number, most, f"{hour.begin:%H:%M} UTC: {say(number)}", is_over=place < len(hours) - 1)
            for place, (hour, number) in enumerate(zip(hours, counts, strict=True))
        ),
    )


def _draw_bar(place: int, number: int, most: int, said: str, *, is_over: bool) -> Bar:
    height = max(round(HEIGHT * number / most, 1), _LEAST) if number else 0.0
    return Bar(x=STEP * place, y=round(HEIGHT - height, 1), height=height, said=said, is_over=is_over)
