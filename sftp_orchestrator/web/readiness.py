"""Whether the daemon can do its work now: what ``/readyz`` answers."""

from __future__ import annotations

import asyncio

from sftp_orchestrator.errors import Failure
from sftp_orchestrator.web.latest import Latest
from sftp_orchestrator.web.pulse import Pulse

ANSWER_SECONDS = 5.0
"""Within which the ledger answers, or counts as silent: whoever probes us waits no longer, either."""


async def find_obstacle(pulse: Pulse, answer: Latest[None], *, within_seconds: float = ANSWER_SECONDS) -> str | None:
    """Return in one line why the daemon is not ready; None where it is.

    ``answer`` asks the ledger, and raises ``Failure`` where that does not answer.
    """
    if not pulse.is_ready:
        return "starting"
    stuck = pulse.list_stuck()
    if stuck:
        return f"stuck: {', '.join(stuck)}"
    try:
        async with asyncio.timeout(within_seconds):
            await answer.get()
    except TimeoutError:
        return f"the ledger did not answer within {within_seconds:g} s"
    except Failure as error:
        return str(error)
    return None
