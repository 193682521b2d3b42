"""When the intake pauses for want of space, and when it goes on: decided purely, and looked at on a real disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.desk import Desk
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.intake import pausing
from sftp_orchestrator.intake.pausing import REMIND_SECONDS, Pausing
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.progress import Board
from sftp_orchestrator.web.app import make_app
from sftp_orchestrator.web.pulse import Pulse
from sftp_orchestrator.workspace import Workspace
from tests.support import intakes
from tests.support.configuration import write_configuration
from tests.support.disks import MEGABYTE, Disk
from tests.support.intakes import FEEDS, Place
from tests.support.pages import serve

BELOW = 40 * MEGABYTE
RESUME = 50 * MEGABYTE


@pytest.mark.parametrize(
    ("free", "was_paused", "is_paused"),
    [(39, False, True), (40, False, False), (40, True, True), (49, True, True), (50, True, False)],
)
def test_a_pause_ends_later_than_it_begins(free: int, *, was_paused: bool, is_paused: bool) -> None:
    """Below the threshold it begins, and it ends with a quarter more: one file put away does not end it."""
    assert pausing.decide(free, 40, was_paused=was_paused) is is_paused


@pytest.mark.parametrize("was_paused", [True, False])
def test_without_a_threshold_nothing_pauses(*, was_paused: bool) -> None:
    """0 turns it off, and ends a pause that was."""
    assert not pausing.decide(0, 0, was_paused=was_paused)


def _configure(folder: Path, disk: Disk) -> Configuration:
    overrides = {**FEEDS, "workspace": str(disk.root / "workspace"), "space": {"pause_below_bytes": BELOW}}
    configuration = write_configuration(folder, overrides).configuration
    Workspace(root=configuration.workspace).prepare()
    return configuration


def test_a_pause_is_told_once_and_its_end_once(tmp_path: Path, disk: Disk) -> None:
    """However often is looked: one warning, one more after an hour, and one line that it goes on."""
    now = [0.0]
    looking = Pausing(_configure(tmp_path, disk), clock=lambda: now[0])
    with capture_logs() as logs:
        for _ in range(2):
            assert not looking.look().is_paused
        ballast = disk.fill_up_to(BELOW - MEGABYTE)
        for moment in (0.0, 10.0, REMIND_SECONDS, REMIND_SECONDS + 10):
            now[0] = moment
            assert looking.look().is_paused
        disk.fill_up_to(RESUME - MEGABYTE)
        assert looking.look().is_paused
        ballast.unlink()
        for _ in range(2):
            assert not looking.look().is_paused
    told = [(line["event"], line["log_level"], line.get("seconds")) for line in logs]
    assert told == [
        ("intake_paused", "warning", 0),
        ("intake_paused", "warning", 3600),
        ("intake_resumed", "info", None),
    ]
    assert logs[0]["free_bytes"] <= BELOW - MEGABYTE
    assert (logs[0]["pause_below_bytes"], logs[0]["resume_at_bytes"]) == (BELOW, RESUME)


def test_another_process_and_the_next_one_see_the_same_pause(tmp_path: Path, disk: Disk) -> None:
    """Between the two thresholds it depends on what was before: ``status`` and a restarted daemon must know it."""
    configuration = _configure(tmp_path, disk)
    disk.fill_up_to(RESUME - MEGABYTE)
    assert not pausing.look(configuration).is_paused
    disk.fill_up_to(BELOW - MEGABYTE)
    Pausing(configuration).look()
    disk.fill_up_to(RESUME - MEGABYTE)
    assert pausing.look(configuration).is_paused
    with capture_logs() as logs:
        assert Pausing(configuration).look().is_paused
        disk.fill_up_to(RESUME + MEGABYTE)
        assert not Pausing(configuration).look().is_paused
    assert [line["event"] for line in logs] == ["intake_paused", "intake_resumed"]
    assert not pausing.look(configuration).is_paused


def test_staging_that_is_full_pauses_nothing(tmp_path: Path, disk: Disk) -> None:
    """To take files out of it is what makes room there; how much it has left is told all the same."""
    staging = disk.root / "staging"
    staging.mkdir(mode=0o700)
    overrides = {**FEEDS, "staging": str(staging), "space": {"pause_below_bytes": BELOW}}
    place = Place(write_configuration(tmp_path, overrides).configuration)
    place.drop("purchases.csv")
    disk.fill_up_to(0)
    room = pausing.look(place.configuration)
    assert (room.is_paused, room.staging_free_bytes) == (False, 0)
    with place.start() as intake:
        claimed = [source.name for _ in range(2) for source in intakes.scan(intake)]
    assert claimed == ["purchases.csv"]


def test_a_disk_without_a_free_byte_pauses_all_the_same(tmp_path: Path, disk: Disk) -> None:
    """Where not even the marker can be made, the free bytes tell."""
    configuration = _configure(tmp_path, disk)
    disk.fill_up_to(0)
    with capture_logs() as logs:
        for _ in range(2):
            assert Pausing(configuration).look().is_paused
    assert pausing.look(configuration).is_paused
    assert {line["event"] for line in logs} == {"intake_paused"}


def test_copies_stop_between_two_files_when_the_disk_runs_short(tmp_path: Path, disk: Disk) -> None:
    """Each copy from another file system takes space: the threshold is looked at while files are taken in, too."""
    configuration = _configure(tmp_path, disk)
    place = Place(
        configuration.model_copy(
            update={
                "space": configuration.space.model_copy(
                    update={"pause_below_bytes": disk.get_free_bytes() - 15 * MEGABYTE}
                )
            }
        )
    )
    for number in range(4):
        place.drop(f"purchases_{number}.csv", b"x" * (10 * MEGABYTE))
    with place.start() as intake, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sftp_orchestrator.intake.claiming.CLAIMS_AT_ONCE", 1)
        scan = intake.scan()
    assert scan.claimed == 2
    assert scan.pause is not None
    assert place.list_staged() == ["purchases_2.csv", "purchases_3.csv"]


async def test_a_paused_intake_is_on_the_page_and_no_reason_to_restart(tmp_path: Path, disk: Disk) -> None:
    """Page and metrics tell of it; both probes stay well: deliveries go on, and a restart would mend nothing."""
    configuration = _configure(tmp_path, disk)
    disk.fill_up_to(BELOW - MEGABYTE)
    pulse = Pulse()
    pulse.is_ready = True
    with Ledger.open("sqlite", configuration.workspace) as ledger:
        app = make_app(Desk(configuration, ledger), Board(), pulse)
        async with serve(app) as page:
            replies = {path: await page.get(path) for path in ("/", "/metrics", "/healthz", "/readyz")}
    assert {path: reply.status for path, reply in replies.items()} == dict.fromkeys(replies, 200)
    assert "Make room: the intake is paused: " in replies["/"].body
    assert "sftp_orchestrator_intake_paused 1.0" in replies["/metrics"].body
    assert 'sftp_orchestrator_free_bytes{folder="workspace"} 4.' in replies["/metrics"].body
    assert 'sftp_orchestrator_free_bytes{folder="staging"} ' in replies["/metrics"].body


def test_a_workspace_that_is_gone_is_said(tmp_path: Path) -> None:
    """One line, and no word of space."""
    configuration = write_configuration(tmp_path).configuration
    shutil.rmtree(configuration.workspace)
    with pytest.raises(LocalFault, match="No such file or directory; the workspace must be a folder of ours"):
        pausing.look(configuration)
