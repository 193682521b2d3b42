"""Whether a station is stuck can be asked at any time."""

from __future__ import annotations

from collections.abc import Callable

from sftp_orchestrator.web.pulse import Pulse


class _Interrupted(float):
    """A moment that something happens at whenever another is compared with it, as in another thread."""

    meanwhile: Callable[[], None]

    def __gt__(self, other: float) -> bool:
        """Compare as any number does."""
        self.meanwhile()
        return float(self) > other


def test_a_station_that_rests_while_somebody_asks_breaks_no_answer() -> None:
    """The page, the watchdog and the dead-man's switch ask from threads of their own."""
    now = [0.0]
    pulse = Pulse(clock=lambda: now[0])
    for station in ("intake", "delivery to production", "delivery to other"):
        pulse.beat(station, within_seconds=1)
    later = _Interrupted(10)
    later.meanwhile = lambda: pulse.rest("delivery to other")
    now[0] = later
    assert pulse.list_stuck() == ["delivery to other", "delivery to production", "intake"]
    assert pulse.list_stuck() == ["delivery to production", "intake"]
