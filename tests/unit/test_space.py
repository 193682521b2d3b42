"""Space is held for a writer before its first byte."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sftp_orchestrator import space
from sftp_orchestrator.errors import LocalFault, NoSpace
from tests.support.disks import MEGABYTE, Disk

SPARE = space.SPARE_BYTES


def test_missing_space_is_said_before_anything_is_written(tmp_path: Path) -> None:
    """What is not there is refused in one line: where, how much is free, how much is needed, and what happens next."""
    with space.reserve(tmp_path, 1):
        pass
    said = r"bytes are free, .* are needed; make room there"
    with pytest.raises(LocalFault, match=said) as raised, space.reserve(tmp_path, 1 << 60):
        pass
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_two_writers_do_not_count_on_the_same_bytes(disk: Disk) -> None:
    """What is held for one is not there for another, though nothing is written yet; at its end it is there again."""
    half = (disk.get_free_bytes() - SPARE) * 2 // 3
    with space.reserve(disk.root, half):
        with pytest.raises(LocalFault, match="held for other files"), space.reserve(disk.root, half):
            pass
        with pytest.raises(NoSpace, match="held for other files"):
            space.require_room(disk.root, half)
        space.require_space(disk.root, half)
    space.require_room(disk.root, half)
    with space.reserve(disk.root, half):
        pass


def test_what_is_written_is_held_no_more(disk: Disk) -> None:
    """The disk itself tells of written bytes: to hold them as well would count them twice."""
    room = disk.get_free_bytes() - SPARE
    with space.reserve(disk.root, 40 * MEGABYTE) as held, (disk.root / "file").open("wb") as stream:
        write = held.watch(lambda count: stream.write(b"x" * count))
        for _ in range(40):
            write(MEGABYTE)
        stream.flush()
        left = disk.get_free_bytes() - SPARE
        assert room - left >= 40 * MEGABYTE
        with space.reserve(disk.root, left):
            pass


def test_a_reservation_is_renewed_as_it_is_used_up(disk: Disk) -> None:
    """A writer that does not know how much will come asks again and again, and is refused before the disk is full."""
    with space.reserve(disk.root, 0) as held:
        held.require(MEGABYTE)
        disk.fill_up_to(SPARE + MEGABYTE // 2)
        with pytest.raises(LocalFault, match="are needed"):
            held.require(MEGABYTE)
        assert held.held_bytes == MEGABYTE


def test_many_threads_never_hold_more_than_there_is(disk: Disk) -> None:
    """However many ask at the same instant, what they hold together fits."""
    room, wanted = disk.get_free_bytes() - SPARE, 10 * MEGABYTE
    barrier, asked, let_go = threading.Barrier(16), threading.Semaphore(0), threading.Event()
    given: list[int] = []

    def ask() -> None:
        barrier.wait()
        try:
            with space.reserve(disk.root, wanted):
                given.append(wanted)
                asked.release()
                let_go.wait()
        except LocalFault:
            asked.release()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert asked.acquire(timeout=60)
    let_go.set()
    for thread in threads:
        thread.join()
    assert sum(given) == room // wanted * wanted
    assert len(given) < len(threads)


def test_other_file_systems_do_not_matter(disk: Disk, tmp_path: Path) -> None:
    """What is held on one disk takes nothing from another."""
    with space.reserve(disk.root, disk.get_free_bytes() - SPARE), space.reserve(tmp_path, 1):
        pass
