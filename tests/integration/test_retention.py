"""What nobody mends is kept as long as the configuration says, and not longer; what waits for a word, for ever."""

from __future__ import annotations

import datetime
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.archive import Archive, get_archive_folder, get_rows_folder
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.ledger import forgetting
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PlannedPart, Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.retention import Retention
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import write_configuration

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
CONTENT = b"user_id\na\n"


class Place:
    """A workspace and a ledger whose clock stands where a test puts it."""

    def __init__(self, folder: Path, ledger_url: str) -> None:
        self.folder = folder
        self.workspace = Workspace(root=folder / "workspace")
        self.workspace.prepare()
        self.now = START
        self.ledger = Ledger.open(ledger_url, self.workspace.root, clock=lambda: self.now)

    def configure(self, **sections: Any) -> Configuration:
        """Write and load a configuration with these sections."""
        return write_configuration(self.folder, sections).configuration

    def apply(self, *, day: int, **sections: Any) -> None:
        """Have everything removed that is past its time so many days after the start."""
        self.now = START + datetime.timedelta(days=day, seconds=1)
        retention = Retention(self.configure(**sections), self.workspace, self.ledger)
        retention.apply(self.now)
        archive = self.open_archive(**sections)
        retention.forget(self.now, threading.Event(), list_unwanted=archive.list_unwanted)

    def claim(self, source_id: str, *, type: FeedType = FeedType.PROFILE, path: str | None = None) -> Source:  # noqa: A002 - the field's name
        """Claim a file and put it into the workspace."""
        claim = Claim(
            source_id=source_id,
            feed="customers" if type is FeedType.PROFILE else "purchases",
            type=type,
            destination="production",
            relative_path=(path or f"{source_id}.csv").encode(),
            device=1,
            inode=1,
            size=len(CONTENT),
            mtime_ns=1,
        )
        self.ledger.sources.begin_claims([claim])
        self.workspace.get_folder(source_id).mkdir()
        self.workspace.get_source(source_id).write_bytes(CONTENT)
        return self.ledger.sources.finish_claims([claim])[0]

    def quarantine(self, source_id: str, **claim: Any) -> None:
        """Claim a file and quarantine it, with its report."""
        source = self.claim(source_id, **claim)
        self.ledger.sources.quarantine(source_id, "line 2: bad")
        folder = self.workspace.get_quarantine(source_id)
        folder.mkdir()
        self.workspace.get_source(source_id).rename(folder / source.file_name)
        (folder / "report.json").write_bytes(b"{}")

    def deliver(self, source_id: str, *, refused_rows: int = 0, **claim: Any) -> None:
        """Claim a file, deliver it and put it away; refused rows of it stay where they are kept."""
        source = self.claim(source_id, **claim)
        self.plan(source_id, refused_rows=refused_rows)
        part = self.ledger.parts.get(source.id, 1)
        self.ledger.parts.finish_preparation(part, size=10)
        for step in (self.ledger.parts.finish_upload, self.ledger.parts.begin_publishing):
            step(self.ledger.parts.get(source.id, 1))
        self.ledger.parts.finish_publishing(self.ledger.parts.get(source.id, 1))
        self.ledger.sources.finish_deliveries([source.id])
        self.put_away()

    def plan(self, source_id: str, *, refused_rows: int = 0) -> None:
        """Inspect and plan a claimed file."""
        found = InspectedFile(
            size=len(CONTENT),
            mtime_ns=1,
            sha256=source_id,
            records=1,
            header_bytes=b"user_id\n",
            earliest_ts=None,
            refused_rows=refused_rows,
        )
        self.ledger.sources.finish_inspection(source_id, found)
        part = PlannedPart(
            start=8,
            end=10,
            records=1,
            data_name=f"{source_id}.csv",
            manifest_name=f"{source_id}.manifest",
            manifest=b"{}",
        )
        self.ledger.sources.finish_planning(source_id, [part], plan_key="k")
        if refused_rows:
            folder = self.workspace.get_rejected(source_id)
            folder.mkdir()
            (folder / "failed_rows.csv").write_bytes(CONTENT)

    def put_away(self) -> None:
        """Archive what is at its end."""
        self.open_archive().put_away_all()

    def open_archive(self, **sections: Any) -> Archive:
        """Return the archive as these sections have it; where they say nothing of it, with originals for ever."""
        policy = self.configure(**sections).archive
        return Archive(self.workspace, self.ledger, self.configure().zone, keep_days=policy.keep_days, keep=policy.keep)

    def get_state(self, source_id: str) -> SourceState:
        """Return where a source stands."""
        return self.ledger.sources.get(source_id).state


@pytest.fixture
def place(tmp_path: Path, ledger_url: str) -> Iterator[Place]:
    """An empty place, with a ledger of each kind."""
    made = Place(tmp_path, ledger_url)
    yield made
    made.ledger.close()


SEVEN = {"keep_days": 7}


def test_by_default_what_was_refused_is_kept_for_ever(place: Place) -> None:
    """Nobody asked for it to be removed: years later it still waits for a person."""
    place.quarantine("s1")
    place.deliver("s2", refused_rows=1)
    place.apply(day=4000)
    assert place.get_state("s1") is SourceState.QUARANTINED
    assert place.workspace.get_rejected("s2").exists()


def test_a_quarantined_file_that_nobody_mends_is_discarded_after_its_days(place: Place) -> None:
    """Not before; with the reason in its history, and its file with the report in the archive as any other's."""
    place.quarantine("s1")
    place.apply(day=6, quarantine=SEVEN)
    assert place.get_state("s1") is SourceState.QUARANTINED
    place.apply(day=7, quarantine=SEVEN)
    last = place.ledger.list_history(source_id="s1")[-1]
    assert (last.before, last.after, last.by) == ("quarantined", "discarded", "daemon")
    assert last.reason == (
        "given up: quarantined for more than 7 days (quarantine.keep_days); nothing of it was delivered"
    )
    place.put_away()
    folder = get_archive_folder(place.workspace, place.ledger.sources.get("s1"), place.configure().zone)
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "s1.csv"]
    assert list(place.workspace.quarantine.iterdir()) == []
    place.apply(day=8, quarantine=SEVEN)
    assert len(place.ledger.list_history(source_id="s1")) == 3


def test_what_a_person_decided_meanwhile_stands(place: Place) -> None:
    """Tried again and quarantined anew, its days begin anew; and what is held, or has become so, is never touched."""
    place.quarantine("s1")
    place.claim("s2")
    place.ledger.sources.hold("s2", "only a person can say")
    place.now = START + datetime.timedelta(days=5)
    place.ledger.sources.retry("s1", by="anna")
    place.ledger.sources.quarantine("s1", "still bad")
    place.apply(day=8, quarantine=SEVEN)
    assert place.get_state("s1") is SourceState.QUARANTINED
    assert not place.ledger.discards.expire("s2", before=place.now, reason="r")
    place.apply(day=400, quarantine=SEVEN)
    assert [place.get_state(source) for source in ("s1", "s2")] == [SourceState.DISCARDED, SourceState.HELD]


@pytest.mark.parametrize(("policy", "is_kept"), [("hold", True), ("continue", False)])
def test_profiles_for_which_events_wait_are_kept(place: Place, policy: str, *, is_kept: bool) -> None:
    """That events go without the users before them is for a person to say, or for ``blocked_profiles``."""
    place.claim("earlier", type=FeedType.EVENT)
    place.quarantine("s1")
    place.claim("events", type=FeedType.EVENT)
    destinations = {"production": {"blocked_profiles": policy}}
    place.apply(day=8, quarantine=SEVEN, destinations=destinations)
    assert (place.get_state("s1") is SourceState.QUARANTINED) is is_kept
    place.ledger.sources.hold("events", "given up")
    place.ledger.discards.discard("events", by="anna")
    place.apply(day=9, quarantine=SEVEN, destinations=destinations)
    assert place.get_state("s1") is SourceState.DISCARDED


def test_refused_rows_are_removed_after_the_days_of_the_quarantine(place: Place) -> None:
    """Counted from the end of their file; those of a file on its way, and folders that are not ours, stay."""
    place.deliver("s1", refused_rows=1)
    place.claim("s2")
    place.plan("s2", refused_rows=1)
    strange = place.workspace.rejected / "notes"
    strange.mkdir()
    place.apply(day=6, quarantine=SEVEN)
    assert place.workspace.get_rejected("s1").exists()
    with capture_logs() as logs:
        place.apply(day=8, quarantine=SEVEN)
    assert [(line["event"], line["source"]) for line in logs] == [("refused_rows_removed", "s1")]
    assert sorted(path.name for path in place.workspace.rejected.iterdir()) == ["notes", "s2"]
    assert place.ledger.sources.get("s1").refused_rows == 1


def test_refused_rows_that_a_person_gave_up_go_into_the_archive_however_old(place: Place) -> None:
    """He was told so: what is past its days when he says it does not vanish before it is put away."""
    place.deliver("s1", refused_rows=1)
    place.now = START + datetime.timedelta(days=8)
    at = place.ledger.discards.discard_rows("s1", by="anna")
    place.apply(day=8, quarantine=SEVEN)
    place.put_away()
    folder = get_rows_folder(place.workspace, "s1", at, place.configure().zone)
    assert [path.name for path in folder.iterdir()] == ["failed_rows.csv"]


THIRTY = {"keep_days": 30}


def test_by_default_the_ledger_remembers_everything(place: Place) -> None:
    """Nobody asked for it to forget."""
    place.deliver("s1")
    place.apply(day=4000)
    assert place.get_state("s1") is SourceState.ARCHIVED


def test_what_ended_long_ago_is_forgotten_and_counts_on(place: Place) -> None:
    """Delivered and discarded sources with parts and history are gone after their days, and no number falls."""
    place.deliver("s1")
    place.deliver("s2")
    place.quarantine("s3")
    place.ledger.discards.discard("s3", by="anna")
    place.put_away()
    counts = place.ledger.count_sources()
    place.apply(day=29, ledger=THIRTY)
    assert len(place.ledger.list_history()) > 10
    # s1 is what the register of properties names: it stays.
    place.apply(day=30, ledger=THIRTY)
    assert {move.source_id for move in place.ledger.list_history()} == {"s1"}
    assert [source.id for source in place.ledger.sources.list_in(set(SourceState))] == ["s1"]
    assert place.ledger.parts.list_of("s2") == []
    assert place.ledger.count_sources() == counts == {"archived": 2, "discarded": 1}
    for source_id in ("s2", "s3"):
        with pytest.raises(ConfigurationError, match="the ledger has no such id"):
            place.ledger.sources.get(source_id)


def test_refused_rows_of_forgotten_files_are_counted_on(place: Place) -> None:
    """A counter that fell would look like a restart to a monitor, and count everything once more."""
    place.deliver("s1")
    for source_id in ("s2", "s3"):
        place.deliver(source_id, refused_rows=3)
        shutil.rmtree(place.workspace.get_rejected(source_id))
    place.apply(day=31, ledger=THIRTY)
    place.deliver("s4", refused_rows=2)
    shutil.rmtree(place.workspace.get_rejected("s4"))
    for day in (62, 63):
        place.apply(day=day, ledger=THIRTY)
        assert place.ledger.outcomes.count_rows_left_out()["customers"].refused == 8
    assert [source.id for source in place.ledger.sources.list_in(set(SourceState))] == ["s1"]


def test_the_register_of_properties_outlives_the_files(place: Place) -> None:
    """A property's type is for ever at the receiver; the file that brought it is still named."""
    place.deliver("s1", path="first.csv")
    before = place.ledger.properties.list_all()
    assert [known.source_id for known in before] == ["s1"]
    place.apply(day=400, ledger=THIRTY)
    assert place.ledger.properties.list_all() == before


def test_nothing_is_forgotten_of_which_something_still_lies_there(place: Place) -> None:
    """Refused rows that nobody fetched, and a discarded file that was not put away: their folders stay explained."""
    place.deliver("s1")
    place.deliver("s2", refused_rows=1)
    place.quarantine("s3")
    place.ledger.discards.discard("s3", by="anna")
    place.apply(day=31, ledger=THIRTY)
    assert [place.get_state(one) for one in ("s2", "s3")] == [SourceState.ARCHIVED, SourceState.DISCARDED]
    place.put_away()
    shutil.rmtree(place.workspace.get_rejected("s2"))
    place.apply(day=32, ledger=THIRTY)
    assert [source.id for source in place.ledger.sources.list_in(set(SourceState))] == ["s1"]


def _discard_rows_late(place: Place) -> Path:
    """Give up the refused rows of a file that was archived a hundred days before; return where they are put away."""
    place.deliver("s1")
    place.deliver("s2", refused_rows=1)
    place.now = START + datetime.timedelta(days=100)
    at = place.ledger.discards.discard_rows("s2", by="anna")
    place.put_away()
    return get_rows_folder(place.workspace, "s2", at, place.configure().zone)


def test_discarded_plaintext_is_removed_before_the_ledger_forgets_it(place: Place) -> None:
    """The ledger alone knows what it is: forgotten before, rows and files of people would lie there for ever."""
    policy = {"archive": {"keep": "nothing", "keep_days": None}, "ledger": {"keep_days": 1}}
    rows = _discard_rows_late(place)
    place.quarantine("s3")
    place.ledger.discards.discard("s3", by="anna")
    place.put_away()
    file = get_archive_folder(place.workspace, place.ledger.sources.get("s3"), place.configure().zone)
    place.apply(day=102, **policy)
    assert [folder.is_dir() for folder in (rows, file)] == [True, True]
    place.open_archive(**policy).remove_expired(place.now.date())
    assert [folder.is_dir() for folder in (rows, file)] == [False, False]
    place.apply(day=102, **policy)
    assert [source.id for source in place.ledger.sources.list_in(set(SourceState))] == ["s1"]


def test_what_was_given_up_of_a_file_is_remembered_as_long_as_the_file_would_be(place: Place) -> None:
    """Counted from the day on which its refused rows were given up; where originals are kept, so are they."""
    rows = _discard_rows_late(place)
    place.apply(day=129, ledger=THIRTY)
    assert place.get_state("s2") is SourceState.ARCHIVED
    place.apply(day=131, ledger=THIRTY)
    assert [source.id for source in place.ledger.sources.list_in(set(SourceState))] == ["s1"]
    assert rows.is_dir()


def test_what_is_open_is_never_forgotten(place: Place) -> None:
    """Claimed, planned, quarantined and held sources stay, however old."""
    for source_id in ("s1", "s2", "s3"):
        place.claim(source_id)
    place.plan("s2")
    place.ledger.sources.hold("s3", "only a person can say")
    place.quarantine("s4")
    place.apply(day=4000, ledger=THIRTY)
    assert [place.get_state(f"s{number}") for number in (1, 2, 3, 4)] == [
        SourceState.CLAIMED,
        SourceState.PLANNED,
        SourceState.HELD,
        SourceState.QUARANTINED,
    ]


def test_what_took_the_place_of_quarantined_profiles_is_remembered(place: Place) -> None:
    """Without it, events would wait for these profiles again, though a corrected file was delivered long ago."""
    place.deliver("s0")
    place.quarantine("s1", path="customers.csv")
    place.deliver("s2", path="customers.csv")
    place.apply(day=400, ledger=THIRTY)
    quarantined = place.ledger.sources.get("s1")
    assert [source.id for source in place.ledger.outcomes.list_delivered_later([quarantined])] == ["s2"]
    place.ledger.discards.discard("s1", by="anna")
    place.put_away()
    place.apply(day=431, ledger=THIRTY)
    assert [source.id for source in place.ledger.sources.list_in(set(SourceState))] == ["s0"]


def test_old_runs_and_ticks_are_forgotten_but_for_the_newest(place: Place) -> None:
    """The last run is still shown, and no tick that was served is served again."""
    for day in (0, 1, 2):
        place.now = START + datetime.timedelta(days=day)
        number = place.ledger.runs.start("schedule")
        place.ledger.runs.finish(number, verdict="done", delivered=0, not_delivered=0)
        assert place.ledger.runs.take_tick("a", place.now)
    place.ledger.runs.take_tick("b", START)
    place.apply(day=400, ledger=THIRTY)
    assert [run.number for run in place.ledger.runs.list_last(10)] == [3]
    assert place.ledger.runs.get_last_tick("a") == START + datetime.timedelta(days=2)
    assert place.ledger.runs.get_last_tick("b") == START
    assert place.ledger.runs.start("schedule") == 4


def test_many_are_forgotten_in_small_transactions_and_a_stop_comes_between(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits long for the ledger; what is left is forgotten the next time."""
    monkeypatch.setattr(forgetting, "_AT_ONCE", 2)
    for number in range(6):
        place.deliver(f"s{number}")
    before = START + datetime.timedelta(days=1)
    answers = iter([False, False, True])
    forget = place.ledger.forgetting.forget_sources
    assert forget(before=before, besides=(), stopped=lambda: next(answers)) == 4
    assert forget(before=before, besides=()) == 1
    assert forget(before=before, besides=()) == 0
    assert place.ledger.count_sources() == {"archived": 6}


def test_the_file_of_the_ledger_stops_growing(tmp_path: Path) -> None:
    """SQLite takes up again the room of what was forgotten: with as much in it as before, the file is no larger."""
    place = Place(tmp_path, "sqlite")
    sizes = []
    for round_ in range(4):
        place.now = START + datetime.timedelta(days=100 * round_)
        for number in range(100):
            place.deliver(f"r{round_}n{number}")
        place.apply(day=100 * round_ + 50, ledger=THIRTY)
        place.ledger.close()
        sizes.append((place.workspace.root / "ledger.db").stat().st_size)
        place.ledger = Ledger.open("sqlite", place.workspace.root, clock=lambda: place.now)
    place.ledger.close()
    assert sizes[1:] == sizes[:1] * 3


def test_rows_are_remembered_as_long_as_their_feed_asks(tmp_path: Path) -> None:
    """Who has rows told apart over 60 days cannot have the ledger forget their files after 30."""
    feed = {"deduplicate": {"columns": ["user_id"], "days": 60}}
    with pytest.raises(ConfigurationError, match=r"deduplicate\.days: must not be more than ledger\.keep_days, 30"):
        write_configuration(tmp_path, {"ledger": THIRTY, "feeds": {"customers": feed}})
    write_configuration(tmp_path, {"ledger": {"keep_days": 60}, "feeds": {"customers": feed}})
