from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sftp_orchestrator.sandbox.activity import Entry, Event
from sftp_orchestrator.sandbox.history import Arrival, History
from sftp_orchestrator.sandbox.judging import Case, Violation, find_upload_violations


class Log:
    """Makes entries with rising sequences, and follows them."""

    def __init__(self, *, remembers_cut_manifests: bool = False) -> None:
        self.history = History(remembers_cut_manifests=remembers_cut_manifests)
        self._sequence = 0

    def add(self, event: Event, **details: Any) -> Arrival | None:
        """Follow one more entry."""
        self._sequence += 1
        entry = Entry(sequence=self._sequence, time=datetime.now(UTC), event=event, details=details)
        return self.history.follow(entry)

    def upload(self, name: str, *, complete: bool = True) -> Arrival | None:
        """Follow the entries of one upload."""
        self.add(Event.OPENED, name=name)
        return self.add(Event.CLOSED, name=name, size=1, complete=complete)

    def send(self, name: str) -> Arrival:
        """Follow the entries of a manifest's upload; return its arrival."""
        arrival = self.upload(name)
        assert arrival is not None
        return arrival

    def find_violations(self, arrival: Arrival, data: str) -> list[Violation]:
        """Return what was wrong with the order of things when ``arrival`` is looked at now."""
        file = self.history.get_file(data)
        return find_upload_violations(Case(arrival=arrival, is_used=False, document={}, data=file))


def test_data_then_manifest_is_right() -> None:
    """Nothing is wrong with data that was closed before its manifest."""
    log = Log()
    assert log.upload("a.csv") is None
    assert log.find_violations(log.send("a.manifest"), "a.csv") == []


def test_data_after_its_manifest() -> None:
    """What counts is the moment at which the manifest came, not that at which it is looked at."""
    log = Log()
    arrival = log.send("a.manifest")
    log.upload("a.csv")
    assert log.find_violations(arrival, "a.csv") == [Violation.DATA_NOT_CLOSED]


def test_data_still_open() -> None:
    """Data that is still being written is not there."""
    log = Log()
    log.upload("a.csv")
    log.add(Event.OPENED, name="a.csv")
    arrival = log.send("a.manifest")
    log.add(Event.CLOSED, name="a.csv", size=1, complete=True)
    assert log.find_violations(arrival, "a.csv") == [Violation.DATA_NOT_CLOSED]


def test_data_changed_afterwards() -> None:
    """Data must be left alone once its manifest is there."""
    log = Log()
    log.upload("a.csv")
    arrival = log.send("a.manifest")
    log.upload("a.csv")
    assert log.find_violations(arrival, "a.csv") == [Violation.DATA_CHANGED]
    log.add(Event.REMOVED, name="a.csv", by="sender")
    assert log.find_violations(arrival, "a.csv") == [Violation.DATA_CHANGED]


def test_data_cut() -> None:
    """Data whose session ended before it was closed may be short; written again, it is right."""
    log = Log()
    log.upload("a.csv", complete=False)
    assert log.find_violations(log.send("a.manifest"), "a.csv") == [Violation.DATA_CUT]
    log.upload("a.csv")
    assert log.find_violations(log.send("b.manifest"), "a.csv") == []


def test_renamed_files() -> None:
    """A rename makes a file be there under its new name, and a manifest arrive."""
    log = Log()
    log.upload("a.csv.part")
    log.add(Event.RENAMED, old="a.csv.part", name="a.csv", size=1, complete=True)
    assert log.upload("a.manifest.part") is None
    arrival = log.add(Event.RENAMED, old="a.manifest.part", name="a.manifest", size=1, complete=True)
    assert arrival is not None
    assert log.find_violations(arrival, "a.csv") == []
    assert log.find_violations(arrival, "a.csv.part") == [Violation.DATA_NOT_CLOSED]


def test_renamed_while_open() -> None:
    """A manifest that is renamed while it is written arrives when it is closed."""
    log = Log()
    log.add(Event.OPENED, name="a.tmp")
    assert log.add(Event.RENAMED, old="a.tmp", name="a.manifest", size=0, complete=False) is None
    assert log.add(Event.CLOSED, name="a.manifest", size=1, complete=True) is not None


def test_only_the_login_folder_is_looked_at() -> None:
    """A manifest in a folder below is a file like any other."""
    assert Log().upload("below/a.manifest") is None


def test_pending_until_decided() -> None:
    """Arrivals wait in their order until the log says what became of them."""
    log = Log()
    first, second = log.send("b.manifest"), log.send("a.manifest")
    assert log.history.pending == [first, second]
    log.add(Event.REFUSED, manifest="b.manifest", data=None, arrival=first.sequence)
    assert log.history.pending == [second]
    assert log.history.is_used("b.manifest")
    assert not log.history.is_used("a.manifest")


def test_a_taken_file_is_remembered() -> None:
    """Data that is imported a second time is noticed, until it is removed."""
    log = Log()
    log.upload("a.csv")
    arrival = log.send("a.manifest")
    log.add(Event.TAKEN, manifest="a.manifest", data="a.csv", arrival=arrival.sequence)
    assert log.find_violations(log.send("b.manifest"), "a.csv") == [Violation.DATA_TAKEN_BEFORE]
    assert log.history.list_taken() == ["a.csv", "a.manifest"]
    for name in log.history.list_taken():
        log.add(Event.REMOVED, name=name, by="receiver")
    assert log.history.list_taken() == []


def test_a_cut_manifest_leaves_its_name_free() -> None:
    """Silence about a cut upload is no use of its name, unless the receiver is of the kind that remembers."""
    for remembers in (False, True):
        log = Log(remembers_cut_manifests=remembers)
        arrival = log.upload("a.manifest", complete=False)
        assert arrival is not None
        log.add(Event.MANIFEST_IGNORED, manifest="a.manifest", reason="invalid JSON", arrival=arrival.sequence)
        assert log.history.is_used("a.manifest") is remembers


def test_a_silently_ignored_manifest_uses_its_name() -> None:
    """A whole manifest was looked at, even if nobody was told."""
    log = Log()
    arrival = log.send("a.manifest")
    log.add(Event.MANIFEST_IGNORED, manifest="a.manifest", reason="invalid JSON", arrival=arrival.sequence)
    assert log.history.is_used("a.manifest")
