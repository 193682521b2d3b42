"""``python -m tests.pictures``: takes the pictures in ``docs/images`` anew, of a real daemon's page on a busy day."""

from __future__ import annotations

import asyncio
import datetime
import random
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Annotated, Any

import typer
from playwright.async_api import expect

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PlannedPart
from sftp_orchestrator.sandbox.settings import Traits
from tests.support.browsing import Tab, open_tab
from tests.support.ports import find_free_port
from tests.support.sandboxes import make_sandbox
from tests.support.service import Service, configure, run_service

IMAGES = Path(__file__).parents[2] / "docs" / "images"
EVENT_HEADER = "event_name,time_stamp,user_id,amount,item\n"
KILLED_LATE = {"SFTP_ORCHESTRATOR_FAILPOINT": "publish.manifest.after:kill"}
LINE = {
    "bandwidth": "1.5 MB/s",
    "limits": {"plain_bytes": 16_000_000},
    "connections": 4,
}
PNG = b"\x89PNG\r\n\x1a\n"
SEED = 7


class _Clock:
    """Shows the time that it is set to, a second later each time."""

    def __init__(self) -> None:
        self.now = datetime.datetime.now(datetime.UTC)

    def __call__(self) -> datetime.datetime:
        self.now += datetime.timedelta(seconds=1)
        return self.now


def main(
    *,
    folder: Annotated[Path | None, typer.Option(help="Where further pictures go: dark, phone, each page.")] = None,
) -> None:
    """Take the pictures of the README anew; with --folder also those that are only to be looked at."""
    for target in (IMAGES, *([folder] if folder else [])):
        target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sftp-demo-") as scratch:
        asyncio.run(_take(Path(scratch), folder))


async def _take(scratch: Path, folder: Path | None) -> None:
    port = find_free_port()
    overrides: dict[str, Any] = {
        "web": {"listen": f"127.0.0.1:{port}"},
        "intake": {"ready_marker": "{name}.ready", "rescan_seconds": 1},
        "destinations": {"production": LINE},
        "feeds": {"purchases": {"max_bad_rows": 0.01}},
    }
    async with make_sandbox(scratch / "receiver", traits=Traits(removes_taken=True)) as sandbox:
        written = await asyncio.to_thread(configure, scratch, sandbox, overrides)
        await asyncio.to_thread(_fill_day, scratch)
        staging = scratch / "staging"
        _drop(staging, "purchases_shop_1125.csv", _make_events(400))
        async with run_service(written.path, environment=KILLED_LATE) as service:
            await service.wait()
        await sandbox.wait_until_idle()
        async with run_service(written.path) as service:
            ids = await _make_busy(staging, service)
            await _photograph(port, ids, IMAGES, folder)
            await service.stop()


def _fill_day(scratch: Path) -> None:
    """Have the ledger remember a day like any other."""
    chance, clock = random.Random(SEED), _Clock()  # noqa: S311 - a picture, no secret
    end = clock.now
    with Ledger.open("sqlite", scratch / "workspace", clock=clock) as ledger:
        for hours in range(26, -1, -1):
            begin = end - datetime.timedelta(hours=hours, minutes=50)
            busy = 1 + round(6 * abs(12 - begin.hour) / 12) if begin.hour != 2 else 14
            for number in range(chance.randint(busy // 2, busy)):
                clock.now = begin + datetime.timedelta(minutes=3 * number)
                _remember(ledger, f"{hours:02}{number:02}day", chance.randint(20, 900) * 1_000_000, clock.now)
            if hours in {4, 9, 17}:
                _refuse(ledger, f"{hours:02}bad")


def _remember(ledger: Ledger, source_id: str, size: int, at: datetime.datetime) -> None:
    _claim(ledger, source_id, f"purchases_{at:%H%M}.csv", size)
    found = InspectedFile(
        size=size, mtime_ns=1, sha256=source_id * 8, records=size // 90, header_bytes=b"h\n", earliest_ts=1
    )
    ledger.sources.finish_inspection(source_id, found)
    names = {"data_name": f"{source_id}.csv", "manifest_name": f"{source_id}.manifest", "manifest": b"{}"}
    part = PlannedPart(start=0, end=size, records=size // 90, **names)  # type: ignore[arg-type] # texts and bytes
    ledger.sources.finish_planning(source_id, [part], plan_key="k")
    (planned,) = ledger.parts.list_of(source_id)
    ledger.parts.finish_upload(ledger.parts.finish_preparation(planned, size=size))
    ledger.parts.begin_publishing(planned)
    ledger.parts.finish_publishing(planned)
    ledger.sources.finish_deliveries([source_id])
    ledger.sources.finish_archives([source_id])


def _refuse(ledger: Ledger, source_id: str) -> None:
    _claim(ledger, source_id, f"purchases_{source_id}.csv", 1000)
    ledger.sources.quarantine(source_id, "a quoted field never ends")
    ledger.discards.discard(source_id, by="anna")


def _claim(ledger: Ledger, source_id: str, name: str, size: int) -> None:
    claim = Claim(
        source_id=source_id,
        feed="purchases",
        type=FeedType.EVENT,
        destination="production",
        relative_path=name.encode(),
        device=1,
        inode=2,
        size=size,
        mtime_ns=1,
    )
    ledger.sources.begin_claims([claim])
    ledger.sources.finish_claims([claim])


async def _make_busy(staging: Path, service: Service) -> dict[str, str]:
    """Drop what is to be seen; return the ids of sources by their names, once a large file goes up."""
    await service.wait_for("run_finished")
    _drop(staging, "purchases_app_1126.csv", _make_events(5000, bad=311))
    (staging / "purchases_export.csv").write_text(_make_events(90_000))
    (staging / "readme.txt").write_text("not for us")
    refused = await service.wait_for("source_quarantined")
    users = "".join(f"user-{number:07},Name {number:07},{'x' * 40}\n" for number in range(600_000))
    _drop(staging, "customers_crm_1126.csv", f"user_id,Name,Segment\n{users}")
    await service.wait_for("source_planned", feed="customers")
    _drop(staging, "purchases_shop_1126.csv", _make_events(60_000))
    _drop(staging, "purchases_kiosk_1126.csv", _make_events(2_000, first=1_700_500_000))
    await service.wait_for("source_claimed", file="purchases_kiosk_1126.csv")
    return {"refused": refused["source"]}


def _make_events(count: int, *, bad: int = 0, first: int = 1_700_000_000) -> str:
    """Return events; ``bad`` of them break a rule, each another one in turn."""
    rows = [
        f"Order placed,{first + number},user-{number:07},{number % 90 + 5}.90,SKU-{number % 977:05}"
        for number in range(count)
    ]
    for number in range(bad):
        moment = ("2026-11-26 07:15", "soon", "")[number % 3]
        rows[number * 7] = f"Order placed,{moment},user-{number:07},19.90,SKU-{number:05}"
    return EVENT_HEADER + "".join(f"{row}\n" for row in rows)


def _drop(staging: Path, name: str, content: str) -> None:
    (staging / name).write_text(content)
    (staging / f"{name}.ready").touch()


async def _photograph(port: int, ids: dict[str, str], images: Path, folder: Path | None) -> None:
    async with open_tab(port, width=1180, height=900) as tab:
        await tab.go()
        await expect(tab.page.locator(".work").first).to_contain_text("left")
        await expect(tab.page.locator("[data-live=waiting]")).to_contain_text("purchases_kiosk")
        await tab.page.wait_for_function("() => document.querySelector('progress').position > 0.25")
        shrink(await tab.page.screenshot(), images / "page.png")
        tab.check()
    async with open_tab(port, width=1180, height=900, scheme="dark") as tab:
        await tab.go(f"/sources/{ids['refused']}")
        shrink(await tab.page.screenshot(), images / "report.png")
        tab.check()
    if folder is not None:
        await _photograph_more(port, ids, folder)


def shrink(content: bytes, path: Path) -> None:
    """Write a PNG with its pixels packed as well as can be: a browser packs them quickly (PNG, *Chunk layout*)."""
    at, chunks, pixels = len(PNG), [], b""
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IDAT":
            pixels += data
        else:
            chunks.append((kind, data))
    chunks.insert(-1, (b"IDAT", zlib.compress(zlib.decompress(pixels), 9)))
    packed = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(PNG + packed)


async def _photograph_more(port: int, ids: dict[str, str], folder: Path) -> None:
    for scheme in ("light", "dark"):
        for width, name in ((1240, "desktop"), (390, "phone")):
            async with open_tab(port, width=width, height=844, scheme=scheme, scale=2 if width < 400 else 1) as tab:
                await _walk(tab, ids, folder, f"{name}-{scheme}")


async def _walk(tab: Tab, ids: dict[str, str], folder: Path, name: str) -> None:
    for path, page in (
        ("/", "overview"),
        (f"/sources/{ids['refused']}", "report"),
        (f"/sources/{ids['refused']}/discard", "discard"),
    ):
        await tab.go(path)
        await tab.page.screenshot(path=folder / f"{name}-{page}.png", full_page=True)
    tab.check()


typer.run(main)
