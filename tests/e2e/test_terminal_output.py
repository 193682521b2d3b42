"""What every command shows on a terminal of 80 columns, of names that are long and nasty; and without colour."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Settings
from tests.support.configuration import write_configuration
from tests.support.service import call, configure
from tests.support.terminals import run_at_terminal

COLUMNS = 80
LONG = "purchases_[red]2026-01-02T03-04-05[bold]_出口_export_from_the_western_region's_warehouse_\x1b[31m_number_0001"
HEADER = "event_name,time_stamp,user_id," + ",".join(f"a_property_with_a_rather_long_name_{n}" for n in range(3))
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


async def _fill(folder: Path, sandbox: Sandbox) -> tuple[Path, str, list[Path]]:
    """Deliver one file, refuse some rows of another, quarantine a third; return configuration, an id, and files."""
    written = configure(folder, sandbox, {"feeds": {"purchases": {"max_bad_rows": 0.5, "files": ["*.csv"]}}})
    contents = {
        "delivered": f"{HEADER}\nSold,1790000000,u1,1,2,3\n",
        "refused": f"{HEADER}\nSold,1790000000,u2,1,2,3\nSold,soon,u3,1,2,3\n",
        "quarantined": f'{HEADER}\nSold,1790000000,"u4,1,2,3\n',
    }
    files = []
    for name, content in contents.items():
        files.append(folder / f"{LONG}_{name}.csv")
        for path in (files[-1], written.configuration.staging / files[-1].name):
            path.write_text(content, encoding="utf-8")
    assert (await call(written.path, "run", "--once")).code == 1
    (written.configuration.staging / f"{LONG}_arriving.csv").write_text(HEADER, encoding="utf-8")
    (source,) = (await call(written.path, "status", "--json")).json["sources"]
    return written.path, source["id"], files


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], tuple[str, str]]:
    """What each command writes on a terminal, with colour and with NO_COLOR, by its arguments."""

    async def show() -> dict[tuple[str, ...], tuple[str, str]]:
        folder = tmp_path_factory.mktemp("t")
        async with Sandbox(Settings(root=folder / "r", openpgp_algorithm=CURVE_25519)) as sandbox:
            config, source_id, files = await _fill(folder, sandbox)
            paths = [path.name for path in files]
            commands: list[tuple[str, ...]] = [
                ("status",),
                ("history",),
                ("history", source_id),
                ("plan", *paths),
                ("validate", *paths),
                ("check", "--connect"),
                ("schema", "show"),
                ("run", "--once"),
            ]
            return {
                arguments: (
                    await asyncio.to_thread(_show, config, arguments, {}),
                    await asyncio.to_thread(_show, config, arguments, {"NO_COLOR": "1"}),
                )
                for arguments in commands
            }

    return asyncio.run(show())


def _show(config: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> str:
    with run_at_terminal(
        "--config", config.name, *arguments, folder=config.parent, environment=environment, columns=COLUMNS
    ) as terminal:
        terminal.end()
        # A bar is drawn over itself: what follows a return alone is a line of its own.
        return terminal.raw.replace("\r\n", "\n").replace("\r", "\n")


def test_every_line_fits(shown: dict[tuple[str, ...], tuple[str, str]]) -> None:
    """No line is wider than the terminal, but for a path that is to be copied, or a long name in an error."""
    for arguments, (raw, _) in shown.items():
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)
        wide = [line for line in text.splitlines() if cell_len(line) > COLUMNS]
        assert [line for line in wide if not line.startswith(("  /", "sftp-orchestrator: "))] == [], arguments
        assert len(text) > 20, arguments


def test_names_are_shown_whole_and_as_they_are(shown: dict[tuple[str, ...], tuple[str, str]]) -> None:
    """Folded, never cut; what looks like markup is text, and what would steer the terminal is spelled out."""
    for arguments in (("status",), ("history",)):
        for raw in shown[arguments]:
            squeezed = "".join(COLOUR.sub("", raw).split())
            assert "purchases_[red]2026-01-02T03-04-05[bold]_出口_export_from_the_western_region's" in squeezed
            assert "\x1b[31m_number" not in raw


def test_no_color_means_none(shown: dict[tuple[str, ...], tuple[str, str]]) -> None:
    """With NO_COLOR neither colour nor bold nor dim; without it there is some."""
    assert [arguments for arguments, (_, plain) in shown.items() if COLOUR.search(plain)] == []
    assert COLOUR.search(shown["status",][0])


def test_an_error_is_folded_between_words_and_what_is_to_be_copied_stays_whole(tmp_path: Path) -> None:
    """No path, id or command is cut at the edge of the terminal; elsewhere the line is one."""
    folder = tmp_path / "a_folder_with_a_name_that_is_long_enough_to_reach_beyond_the_edge_of_a_terminal"
    folder.mkdir()
    config = write_configuration(folder).path
    with run_at_terminal("--config", str(config), "history", "nosuchid00", columns=COLUMNS) as terminal:
        assert terminal.end() == 2
    first, *others = terminal.text.splitlines()
    assert first.startswith("sftp-orchestrator: ")
    assert all(line.startswith("  ") for line in others)
    commands = [f"`sftp-orchestrator --config {config} {name}`" for name in ("status", "history")]
    assert [line.strip() for line in others if str(config) in line] == commands
    assert all(cell_len(line) <= COLUMNS for line in (first, *others) if str(config) not in line)


async def test_a_receiver_that_is_away_is_told_once(tmp_path: Path) -> None:
    """On a terminal the log and the line at the end do not say the same; ``status`` says it once, of many files."""
    async with Sandbox(Settings(root=tmp_path / "r", openpgp_algorithm=CURVE_25519)) as sandbox:
        written = configure(tmp_path, sandbox, {"destinations": {"production": {"attempts": 1}}})
    for number in range(3):
        path = written.configuration.staging / f"purchases_{number}.csv"
        path.write_text(f"event_name,time_stamp,user_id\nSold,1790000000,u{number}\n", encoding="utf-8")
    for arguments in (("run", "--once"), ("status",)):
        raw = await asyncio.to_thread(_show, written.path, arguments, {"NO_COLOR": "1"})
        assert " ".join(raw.split()).count("nothing listens at") == 1, raw
