"""One rule for trying again: what is tried, how often, and after how long."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest

from sftp_orchestrator.deliver.retry import (
    PROBE_SECONDS,
    RUN_BASE_SECONDS,
    RUN_CAP_SECONDS,
    STEP_BASE_SECONDS,
    STEP_CAP_SECONDS,
    Retrying,
    get_delay_seconds,
    get_pause_seconds,
)
from sftp_orchestrator.errors import (
    DecisionNeeded,
    Failure,
    LocalFault,
    LoginRefused,
    ReceiverRefused,
    SessionRefused,
    SourceChanged,
    SourceFault,
    Transient,
    Unreachable,
)

SEED = 20_240_229


@pytest.mark.parametrize("attempt", [1, 2, 3, 6, 7, 100, 10_000])
def test_a_delay_is_anywhere_below_a_bound_that_doubles_up_to_the_cap(attempt: int) -> None:
    """Full jitter: from nothing to the bound, so that many clients do not come back together."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)  # noqa: S311 - nothing is kept secret by it
    bound = min(900, 30 * 2 ** (attempt - 1))
    found = [get_delay_seconds(attempt, base=30, cap=900, random_unit=chance.random()) for _ in range(2000)]
    assert 0 <= min(found) < bound * 0.01
    assert bound * 0.99 < max(found) <= bound
    assert bound * 0.45 < sum(found) / len(found) < bound * 0.55


@pytest.mark.parametrize("failures", [1, 2, 50])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", [SessionRefused, LoginRefused])
def test_who_is_not_let_in_asks_once_an_interval(kind: type[Failure], failures: int, chance: float) -> None:
    """A refused login or host key is tried every 15 minutes or a little more, from the first time on."""
    pause = get_pause_seconds(kind("connect to", "production", "no"), failures, random_unit=chance)
    assert PROBE_SECONDS <= pause <= PROBE_SECONDS * 1.1


@pytest.mark.parametrize("kind", [Unreachable, Transient, ReceiverRefused, LocalFault])
def test_every_other_failure_of_a_run_backs_off(kind: type[Failure]) -> None:
    """What may pass by itself, or is mended without a word to us, is tried sooner, and ever later up to the cap."""
    failure = kind("upload", "a.csv", "no")
    pauses = [get_pause_seconds(failure, count, random_unit=1.0) for count in range(1, 8)]
    assert pauses == [30, 60, 120, 240, 480, 900, 900]
    assert (RUN_BASE_SECONDS, RUN_CAP_SECONDS) == (30, 900)
    assert get_pause_seconds(failure, 7, random_unit=0.0) == 0


def _make_step(failures: list[Failure]) -> tuple[Callable[[], Awaitable[str]], list[int]]:
    calls: list[int] = []

    async def step() -> str:
        calls.append(len(calls) + 1)
        if failures:
            raise failures.pop(0)
        return "done"

    return step, calls


async def test_a_transient_step_is_tried_again_after_ever_longer_waits() -> None:
    """``attempts`` tries in all, between them the back-off, and then its result."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    step, calls = _make_step([Unreachable("upload", "a.csv", "cut") for _ in range(6)])
    assert await Retrying(attempts=7, sleep=sleep, chance=lambda: 1.0).call(step, "upload a.csv") == "done"
    assert len(calls) == 7
    assert waits == [1, 2, 4, 8, 16, 30]
    assert (STEP_BASE_SECONDS, STEP_CAP_SECONDS) == (1, 30)


async def test_the_last_attempt_lets_its_failure_out() -> None:
    """After ``attempts`` tries the run's own back-off applies; nobody sleeps before it."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    step, calls = _make_step([Transient("upload", "a.csv", "failure") for _ in range(9)])
    with pytest.raises(Transient):
        await Retrying(attempts=3, sleep=sleep, chance=lambda: 0.5).call(step, "upload a.csv")
    assert (len(calls), waits) == (3, [0.5, 1.0])


@pytest.mark.parametrize(
    "kind", [ReceiverRefused, SessionRefused, LoginRefused, LocalFault, SourceFault, SourceChanged, DecisionNeeded]
)
async def test_what_is_permanent_is_not_tried_again_in_a_run(kind: type[Failure]) -> None:
    """Decided by the type alone; a file that its producer changed must be read anew first."""

    async def sleep(_seconds: float) -> None:
        pytest.fail("it waited")

    step, calls = _make_step([kind("upload", "a.csv", "no")])
    with pytest.raises(kind):
        await Retrying(attempts=5, sleep=sleep).call(step, "upload a.csv")
    assert calls == [1]
