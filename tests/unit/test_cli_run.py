"""What ``run --once`` says at its end."""

from __future__ import annotations

import pytest

from sftp_orchestrator.cli.run import conclude, summarize
from sftp_orchestrator.deliver.run import Verdict
from sftp_orchestrator.errors import Unreachable
from sftp_orchestrator.ledger.states import SourceState
from tests.support.records import make_source


def test_one_line_tells_what_was_delivered_and_what_was_not() -> None:
    """Files, parts and bytes delivered; how many are quarantined, held, or wait; and where to look."""
    states = [SourceState.QUARANTINED, SourceState.READY, SourceState.HELD, SourceState.CLAIMED]
    verdict = Verdict(
        delivered=2,
        parts=9,
        size=1_200_000_000,
        not_delivered=tuple(make_source(number=number, state=state) for number, state in enumerate(states)),
        failures=(),
    )
    assert summarize(verdict) == (
        "2 delivered (9 parts, 1.2 GB), 1 quarantined, 1 held, 2 wait: see sftp-orchestrator status"
    )


def test_what_is_uncertain_is_no_held_file_and_has_its_command() -> None:
    """Neither ``retry`` nor ``release`` would do: one file is named, of several ``status`` has the ids."""
    held = tuple(make_source(number=number, state=SourceState.HELD) for number in (1, 2, 3))
    advice = "look there whether the receiver took it, then sftp-orchestrator resolve {} --delivered or --resend"
    verdict = Verdict(delivered=0, not_delivered=held[:2], failures=(), uncertain=frozenset({"source2"}))
    assert summarize(verdict) == f"1 uncertain ({advice.format('source2')}), 1 held: see sftp-orchestrator status"
    verdict = Verdict(delivered=0, not_delivered=held, failures=(), uncertain=frozenset({"source2", "source3"}))
    assert summarize(verdict) == f"2 uncertain ({advice.format('ID')}), 1 held: see sftp-orchestrator status"


def test_a_pass_that_delivered_all_sends_nobody_to_status() -> None:
    """Where nothing is left over, the line ends with what was delivered."""
    verdict = Verdict(delivered=1, parts=1, size=10, not_delivered=(), failures=())
    assert summarize(verdict) == "1 delivered (1 part, 10 B)"


def test_rows_that_were_not_sent_are_told_and_where_to_look() -> None:
    """A pass that delivered every file, but not every row of them, is no pass without news."""
    verdict = Verdict(delivered=1, parts=3, size=618_400, not_delivered=(), failures=(), refused_rows=20)
    assert summarize(verdict) == "1 delivered (3 parts, 618.4 kB), 20 rows refused: see sftp-orchestrator status"
    verdict = Verdict(delivered=1, parts=1, size=10, not_delivered=(), failures=(), refused_rows=1, duplicate_rows=1200)
    assert summarize(verdict) == (
        "1 delivered (1 part, 10 B), 1 row refused, 1,200 rows left out as duplicates: see sftp-orchestrator status"
    )
    verdict = Verdict(delivered=1, parts=1, size=10, not_delivered=(), failures=(), duplicate_rows=2)
    assert summarize(verdict) == "1 delivered (1 part, 10 B), 2 rows left out as duplicates"


def test_what_to_type_next_carries_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """Where an option named it, ``status`` is told with that option."""
    verdict = Verdict(delivered=0, not_delivered=(make_source(state=SourceState.HELD),), failures=())
    conclude(verdict, command="sftp-orchestrator --config try.yml")
    assert capsys.readouterr().out == "1 held: see sftp-orchestrator --config try.yml status\n"


def test_a_pass_that_only_waits_says_so() -> None:
    """A single file that waits is told in the singular."""
    verdict = Verdict(delivered=0, not_delivered=(make_source(state=SourceState.READY),), failures=())
    assert summarize(verdict) == "1 waits: see sftp-orchestrator status"


def test_a_pass_with_nothing_to_do_has_nothing_to_say() -> None:
    """Cron mails what is printed: nothing is said of nothing."""
    assert summarize(Verdict(delivered=0, not_delivered=(), failures=())) is None


def test_what_stood_in_the_way_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """A receiver that is away is told to people once, beside the log; the summary stands alone on stdout."""
    away = Unreachable("connect to", "production", "no answer within 30 s")
    conclude(Verdict(delivered=0, not_delivered=(make_source(state=SourceState.READY),), failures=(away,)))
    assert capsys.readouterr() == (
        "1 waits: see sftp-orchestrator status\n",
        "sftp-orchestrator: connect to production: no answer within 30 s\n",
    )


def test_a_pass_with_nothing_to_do_prints_nothing_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """An idle pass every quarter of an hour sends no mail."""
    conclude(Verdict(delivered=0, not_delivered=(), failures=()))
    assert capsys.readouterr() == ("", "")
