"""``status --watch``: in place at a terminal, with what a running daemon has under way; plain elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Settings
from tests.support.configuration import write_configuration
from tests.support.ports import find_free_port
from tests.support.service import COMMAND, DEADLINE_SECONDS, configure, run_service
from tests.support.terminals import run_at_terminal

LONG = "purchases_2026-01-02T03-04-05_export_from_the_warehouse_of_the_western_region_number_0001.csv"


async def test_a_running_upload_is_shown_with_its_bar_and_q_quits(tmp_path: Path) -> None:
    """Bytes done and in all, as the daemon tells them, in the terminal's 80 columns; the terminal is as before."""
    async with Sandbox(Settings(root=tmp_path / "receiver", openpgp_algorithm=CURVE_25519)) as sandbox:
        slow = {"destinations": {"production": {"bandwidth": "20 KB/s"}}}
        written = configure(tmp_path, sandbox, slow | {"web": {"listen": f"127.0.0.1:{find_free_port()}"}})
        rows = "".join(f"Sold,{1_790_000_000 + number},u{number}\n" for number in range(200_000))
        (written.configuration.staging / LONG).write_text(f"event_name,time_stamp,user_id\n{rows}", encoding="utf-8")

        def look() -> tuple[int, str]:
            with run_at_terminal("--config", str(written.path), "status", "--watch") as terminal:
                terminal.expect("q quits")
                terminal.expect("upload ")
                terminal.expect(" kB/s ")
                terminal.type("q")
                return terminal.end(), terminal.text

        async with run_service(written.path) as service:
            await service.wait_for("source_planned")
            code, text = await asyncio.to_thread(look)
            await service.stop()
    assert code == 0, text
    assert max(map(len, text.splitlines())) <= 80


def test_ctrl_c_ends_it_with_130(tmp_path: Path) -> None:
    """Without a daemon there are no bars, and the ledger is shown all the same."""
    written = write_configuration(tmp_path)
    with run_at_terminal("--config", str(written.path), "status", "--watch") as terminal:
        terminal.expect("No daemon runs.")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130
        assert "Traceback" not in terminal.text


def test_piped_it_is_plain(tmp_path: Path) -> None:
    """Elsewhere than on a terminal: the time, the same lines as ``status``, and no escape at all."""
    written = write_configuration(tmp_path)
    process = subprocess.Popen(
        [*COMMAND, "--config", str(written.path), "status", "--watch"],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TZ": "Asia/Kolkata"},
        text=True,
    )
    try:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 130
        process.stdout.close()
    finally:
        process.kill()
        process.wait()
    assert first[0].startswith("At 20")
    assert first[0].endswith(" IST:\n")
    assert first[1] == "Nothing waits. 0 files were delivered so far.\n"
    assert "\x1b" not in "".join(first)


def test_it_does_not_go_with_json(tmp_path: Path) -> None:
    """The two together are wrong usage."""
    written = write_configuration(tmp_path)
    command = [*COMMAND, "--config", str(written.path), "status", "--watch", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("--json and --watch do not go together; leave one out\n")
