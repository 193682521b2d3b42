"""The words of alerts: what, which file, why, and what to type next."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.alerts.conditions import EXPIRED, LOW, PAUSED, Facts
from sftp_orchestrator.alerts.kinds import KINDS
from sftp_orchestrator.alerts.telling import Group
from sftp_orchestrator.alerts.wording import MOST_NAMED, Context, join, write, write_substitute, write_test
from sftp_orchestrator.config.alerting import AlertKind
from sftp_orchestrator.intake.pausing import Room
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Alert, MissingFile, Untaken
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.measuring import RefusedReload
from sftp_orchestrator.views import SourceView
from tests.support.records import make_pause, make_source

DOCS = Path(__file__).parents[2] / "docs"
AT = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
ROOM = Room(
    folder=Path("/w"), free_bytes=3 * 10**9, pause_below_bytes=2 * 10**9, is_paused=False, staging_free_bytes=None
)


def _make_untaken(name: str) -> Untaken:
    return Untaken(relative_path=name.encode(), feed="purchases", reason="no room", since=AT - HOUR)


FACTS = Facts(
    at=AT,
    aside={},
    uncertain=(),
    without_rows={},
    stubborn={},
    pauses={"production": make_pause(since=AT - HOUR)},
    took_until={"production": AT - 2 * HOUR},
    missing={"customers": MissingFile(feed="customers", due_at=AT - HOUR, noticed_at=AT)},
    key_ends={"production": AT + 5 * 24 * HOUR},
    room=ROOM,
    untaken={"purchases": [_make_untaken("a.csv"), _make_untaken("b.csv")]},
)
CONTEXT = Context(
    facts=FACTS,
    host="etl-1",
    command="sftp-orchestrator --config /etc/c.yml",
    page_url="https://etl-1/page",
    docs_url=None,
    views={},
    arrived={},
)


def _make_alerts(kind: AlertKind, *subjects: str, **changes: Any) -> tuple[Alert, ...]:
    return tuple(
        Alert(**{"kind": kind.value, "subject": subject, "level": "", "since": AT - HOUR, **changes})
        for subject in subjects
    )


def _make_view(number: int, state: SourceState, **changes: Any) -> SourceView:
    source = make_source(number=number, state=state, reason=changes.pop("reason", "it breaks a rule"), **changes)
    return SourceView(
        source=source, parts=(), waits_for=None, next_steps=("look, then:", f"sftp-orchestrator retry {source.id}")
    )


def test_a_file_is_told_with_its_reason_and_what_to_type_there() -> None:
    """Its name, feed and id; the command with the configuration of that host; where to read on, and the page."""
    view = _make_view(1, SourceState.QUARANTINED)
    group = Group(kind=AlertKind.QUARANTINED, alerts=_make_alerts(AlertKind.QUARANTINED, "source1"), standing=1)
    text = write(group, replace(CONTEXT, views={"source1": view}))
    assert text.title == "SFTP orchestrator on etl-1: 1 file is quarantined"
    assert "purchases-1.csv (feed purchases, id source1): it breaks a rule\n    look, then:\n" in text.body
    assert "    sftp-orchestrator --config /etc/c.yml retry source1" in text.body
    assert "sftp-orchestrator --config /etc/c.yml status" in text.body
    assert "\nRead on, in the documentation: “On call” (how-to/on-call), “Quarantined”\n" in text.body
    assert text.body.endswith("\n\nhttps://etl-1/page")
    assert not text.is_good


@pytest.mark.parametrize(
    ("failures", "heading"), [(0, "This machine stands in the way"), (3, "The receiver is away or says no")]
)
def test_a_file_that_does_not_go_through_is_told_with_whoever_keeps_it(failures: int, heading: str) -> None:
    """What this machine could not read or plan is no matter of the receiver."""
    view = _make_view(1, SourceState.PLANNED, failures=failures)
    alerts = _make_alerts(AlertKind.RETRIES_EXHAUSTED, "source1")
    group = Group(kind=AlertKind.RETRIES_EXHAUSTED, alerts=alerts, standing=1)
    assert f"“On call” (how-to/on-call), “{heading}”" in write(group, replace(CONTEXT, views={"source1": view})).body
    assert f"\n## {heading}\n" in (DOCS / "how-to/on-call.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("docs_url", "address"),
    [
        ("https://docs/x", "https://docs/x/how-to/on-call.html#the-disk-is-full"),
        ("https://docs/x/", "https://docs/x/how-to/on-call.html#the-disk-is-full"),
        ("https://git/blob/main/docs/{page}.md", "https://git/blob/main/docs/how-to/on-call.md#the-disk-is-full"),
    ],
)
def test_where_the_documentation_has_an_address_an_alert_links_to_it(docs_url: str, address: str) -> None:
    """To the heading, on the site that is made of it or wherever else its pages are."""
    group = Group(kind=AlertKind.DISK_LOW, alerts=_make_alerts(AlertKind.DISK_LOW, "workspace", level=LOW), standing=1)
    text = write(group, replace(CONTEXT, docs_url=docs_url))
    assert f"\nRead on: {address}\n" in text.body


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_alert_says_to_read_is_there(kind: AlertKind) -> None:
    """The page has that title, and that heading, by which the link finds it."""
    read = KINDS[kind].read
    headings = re.findall(r"^#+ +(.+)$", (DOCS / f"{read.page}.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings[0] == read.title
    assert read.heading is None or read.heading in headings
    assert read.heading is None or re.fullmatch(r"[\w ]+", read.heading)


def test_many_are_one_message_that_names_the_first() -> None:
    """With how many there are, and how many in all; a mail of a thousand files is read by nobody."""
    names = [f"source{number}" for number in range(1, 1001)]
    views = {name: _make_view(int(name[6:]), SourceState.HELD) for name in names[:MOST_NAMED]}
    group = Group(kind=AlertKind.HELD, alerts=_make_alerts(AlertKind.HELD, *names), standing=1200)
    text = write(group, replace(CONTEXT, views=views))
    assert text.title == "SFTP orchestrator on etl-1: 1000 files are held (1200 in all)"
    assert text.body.count("(feed purchases, id ") == MOST_NAMED
    assert "… and 995 more." in text.body
    assert len(text.body) < 2000


def test_files_without_all_of_their_rows_are_told_by_feed() -> None:
    """How many, with how many rows, and the first of them with what to type."""
    files = {
        feed: [make_source(number=number, feed=feed, refused_rows=number) for number in numbers]
        for feed, numbers in {"purchases": (1, 2, 3), "customers": (4,)}.items()
    }
    views = {f"source{number}": _make_view(number, SourceState.ARCHIVED) for number in (1, 4)}
    facts = replace(FACTS, without_rows=files)
    alerts = _make_alerts(AlertKind.REFUSED_ROWS, *files)
    group = Group(kind=AlertKind.REFUSED_ROWS, alerts=alerts, standing=5)
    text = write(group, replace(CONTEXT, facts=facts, views=views))
    assert text.title == "SFTP orchestrator on etl-1: 4 files were delivered without all of their rows"
    first = "purchases-1.csv (feed purchases, id source1): archived\n    look, then:\n    sftp-orchestrator"
    assert f"\n\n3 files of feed purchases, 6 rows were refused; the first of them:\n{first}" in text.body
    assert "\n\npurchases-4.csv (feed purchases, id source4): " in text.body


def test_a_destination_that_took_files_until_recently_says_so() -> None:
    """Whoever is told looks at the line and the receiver first, and not at a configuration that was right."""
    alerts = _make_alerts(AlertKind.RETRIES_EXHAUSTED, "destination production")
    text = write(Group(kind=AlertKind.RETRIES_EXHAUSTED, alerts=alerts, standing=1), CONTEXT)
    assert "; it took files until 2 h ago: look at the line and the receiver first\n" in text.body


def test_a_destination_that_does_not_let_us_in_says_nothing_of_the_line() -> None:
    """It answers: its host key or our key is to be looked at."""
    alerts = _make_alerts(AlertKind.RETRIES_EXHAUSTED, "destination production")
    facts = replace(FACTS, pauses={"production": make_pause(since=AT - HOUR, kind=PauseKind.LOGIN)})
    text = write(Group(kind=AlertKind.RETRIES_EXHAUSTED, alerts=alerts, standing=1), replace(CONTEXT, facts=facts))
    assert "look at the line" not in text.body


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([PauseKind.LOGIN], "1 delivery fails: a person is needed"),
        ([PauseKind.HOST_KEY, PauseKind.SETTINGS], "2 deliveries fail: a person is needed"),
        ([PauseKind.HOST_KEY, PauseKind.AWAY], "2 deliveries fail: a person is needed for 1"),
        ([PauseKind.AWAY], "1 delivery fails"),
    ],
)
def test_a_failure_that_time_does_not_mend_calls_a_person(kinds: list[PauseKind], said: str) -> None:
    """In its title, which is all that a telephone shows; and that it is tried again is told beside it."""
    pauses = {f"receiver{number}": make_pause(kind=kind) for number, kind in enumerate(kinds)}
    alerts = _make_alerts(AlertKind.RETRIES_EXHAUSTED, *(f"destination {name}" for name in pauses))
    group = Group(kind=AlertKind.RETRIES_EXHAUSTED, alerts=alerts, standing=len(alerts))
    text = write(group, replace(CONTEXT, facts=replace(FACTS, pauses=pauses)))
    assert text.title == f"SFTP orchestrator on etl-1: {said}"
    assert "it is tried again by itself" in text.body
    assert ("somebody has to mend that first" in text.body) == ("person" in said)
    assert "    sftp-orchestrator --config /etc/c.yml check --connect" in text.body


def test_what_lasts_says_so() -> None:
    """A reminder is no news."""
    alerts = _make_alerts(AlertKind.HELD, "source1")
    text = write(Group(kind=AlertKind.HELD, alerts=alerts, standing=1, is_repeated=True), CONTEXT)
    assert text.title == "SFTP orchestrator on etl-1: 1 file is held, still"


@pytest.mark.parametrize(
    ("kind", "subject", "level", "said"),
    [
        (
            AlertKind.RETRIES_EXHAUSTED,
            "destination production",
            "",
            "production: its runs failed 2 times in a row, since 11:00 UTC (1 h ago): connect to production:",
        ),
        (AlertKind.FILE_MISSING, "customers", "", "customers: a file was expected by 11:00 UTC (1 h ago)"),
        (
            AlertKind.NOT_TAKEN,
            "purchases",
            "",
            "purchases: a.csv, complete since 11:00 UTC (1 h ago) at least: no room",
        ),
        (AlertKind.KEY_EXPIRING, "production", "7", "production: its key expires in 5 days, on 2026-01-06"),
        (AlertKind.DISK_LOW, "workspace", LOW, "/w: 3.0 GB are free; below 2.0 GB nothing is taken in"),
        (AlertKind.DISK_LOW, "workspace", PAUSED, "/w: the intake is paused: 3.0 GB are free in /w"),
    ],
)
def test_what_is_no_file_is_told_with_its_reason(kind: AlertKind, subject: str, level: str, said: str) -> None:
    """Destinations, feeds, keys and disks."""
    group = Group(kind=kind, alerts=_make_alerts(kind, subject, level=level), standing=1)
    assert said in write(group, CONTEXT).body


@pytest.mark.parametrize(
    ("count", "are_more", "said"),
    [
        (1, False, ""),
        (2, False, "\n    … and 1 more file"),
        (200, False, "\n    … and 199 more files"),
        (200, True, "\n    … and at least 199 more files"),
        (1, True, ""),
    ],
)
def test_files_that_cannot_be_taken_are_counted_as_far_as_they_are_known(
    count: int,
    are_more: bool,  # noqa: FBT001 - a parameter
    said: str,
) -> None:
    """The ledger notes only so many of them."""
    untaken = {"purchases": [_make_untaken(f"{number}.csv") for number in range(count)]}
    facts = replace(FACTS, untaken=untaken, are_more_untaken=are_more)
    group = Group(kind=AlertKind.NOT_TAKEN, alerts=_make_alerts(AlertKind.NOT_TAKEN, "purchases"), standing=1)
    text = write(group, replace(CONTEXT, facts=facts))
    assert f"purchases: 0.csv, complete since 11:00 UTC (1 h ago) at least: no room{said}\n\n" in text.body


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (30 * HOUR, "expires in 1 day, on"),
        (HOUR, "expires within a day, on"),
        (0 * HOUR, "expired today, on"),
        (-23 * HOUR, "expired today, on"),
        (-30 * HOUR, "expired 1 day ago, on"),
        (-72 * HOUR, "expired 3 days ago, on"),
    ],
)
def test_a_key_that_has_expired_is_told_by_how_long_ago(left: datetime.timedelta, said: str) -> None:
    """Whatever level was noted of it: nobody is told that it expires in -3 days."""
    for level in ("7", EXPIRED):
        alerts = _make_alerts(AlertKind.KEY_EXPIRING, "production", level=level)
        facts = replace(FACTS, key_ends={"production": AT + left})
        text = write(Group(kind=AlertKind.KEY_EXPIRING, alerts=alerts, standing=1), replace(CONTEXT, facts=facts))
        assert f"production: its key {said} 20" in text.body


@pytest.mark.parametrize(
    ("kind", "subject", "title", "said"),
    [
        (
            AlertKind.RETRIES_EXHAUSTED,
            "destination production",
            "over: production goes through again",
            "production: a run went through, the first since 11:00 UTC (1 h ago)",
        ),
        (AlertKind.FILE_MISSING, "customers", "over: customers has a file again", "customers: purchases-1.csv came"),
        (
            AlertKind.KEY_EXPIRING,
            "production",
            "over: production has a key that is good for long",
            "production: the key expires on 2026-01-06",
        ),
        (AlertKind.DISK_LOW, "workspace", "over: /w has room again", "/w: 3.0 GB are free"),
        (
            AlertKind.CONFIGURATION,
            "configuration",
            "over: the configuration is in effect",
            "the configuration: it was read, and the daemon goes by it",
        ),
        (AlertKind.HELD, "gone", "over: id gone is not held any more", "id gone: over, since 11:00 UTC (1 h ago)"),
    ],
)
def test_an_end_is_told_with_what_became_of_it(kind: AlertKind, subject: str, title: str, said: str) -> None:
    """Also of what the ledger does not know any more."""
    group = Group(kind=kind, alerts=_make_alerts(kind, subject, over_at=AT), is_over=True)
    text = write(group, replace(CONTEXT, arrived={"customers": make_source()}))
    assert text.title == f"SFTP orchestrator on etl-1: {title}"
    assert said in text.body
    assert text.is_good


def test_a_configuration_is_told_with_the_first_of_what_is_wrong() -> None:
    """A line each, as ``check`` has them all."""
    wrong = RefusedReload(at=AT - HOUR, cause="\n".join(f"c.yml:{line} feeds: no" for line in range(1, 9)))
    group = Group(
        kind=AlertKind.CONFIGURATION, alerts=_make_alerts(AlertKind.CONFIGURATION, "configuration"), standing=1
    )
    text = write(group, replace(CONTEXT, facts=replace(FACTS, refused_reload=wrong)))
    assert "the configuration: it was to be read anew 1 h ago\n    c.yml:1 feeds: no\n" in text.body
    assert "    c.yml:5 feeds: no\n    … and 3 more\n" in text.body
    assert "    sftp-orchestrator --config /etc/c.yml check\n    systemctl reload sftp-orchestrator\n" in text.body


def test_a_feed_that_is_called_as_a_files_id_is_no_file() -> None:
    """Names of feeds are chosen by people."""
    group = Group(kind=AlertKind.FILE_MISSING, alerts=_make_alerts(AlertKind.FILE_MISSING, "source1"), standing=1)
    text = write(group, replace(CONTEXT, views={"source1": _make_view(1, SourceState.HELD)}))
    assert "purchases-1.csv" not in text.body


def test_a_name_cannot_break_out_of_its_line() -> None:
    """Line breaks and control characters of a file's name are escapes, and a reason without end is cut."""
    view = _make_view(1, SourceState.HELD, relative_path=b"a\nFrom: me\x1b[31m.csv", reason="long " * 1000)
    group = Group(kind=AlertKind.HELD, alerts=_make_alerts(AlertKind.HELD, "source1"), standing=1)
    text = write(group, replace(CONTEXT, views={"source1": view}))
    assert r"a\nFrom: me\x1b[31m.csv" in text.body
    assert "\x1b" not in text.title + text.body
    assert len(text.body) < 2000


def test_what_could_not_be_told_for_long_is_one_message() -> None:
    """The titles of the first, how many there are, and the last in full."""
    texts = [replace(write_test("h", "c", None), title=f"title {number}", is_good=False) for number in range(20)]
    text = join(texts)
    assert text.title == "20 alerts that could not be told before"
    assert text.body.startswith("title 0\ntitle 1\n")
    assert "… and 15 more." in text.body
    assert "title 19\n\nThis is a test" in text.body
    assert not text.is_good


def test_what_nobody_can_be_told_any_more_is_a_number() -> None:
    """In the next message, be it one or many."""
    text = replace(write_test("h", "c", None), is_good=False)
    assert join([text], lost=1) == replace(text, body=f"{text.body}\n\n… and 1 earlier alert that could not be sent.")
    many = join([text] * 2, lost=1234)
    assert many.title == "1,236 alerts that could not be told before"
    assert "… and 1,234 earlier alerts that could not be sent.\n" in many.body


def test_a_substitute_tells_of_the_alert_no_more_than_its_title() -> None:
    """And not even that where it is not asked to, as that may be what is refused."""
    named = write_substitute("etl-1", "sftp-orchestrator", "https://etl-1/page", "1 file is held")
    bare = write_substitute("etl-1", "sftp-orchestrator", "https://etl-1/page")
    assert "The alert: 1 file is held" in named.body
    assert "held" not in bare.title + bare.body
    for text in (named, bare):
        assert "alert_given_up" in text.body
        assert text.body.endswith("https://etl-1/page")
