"""The main job, from settled files to the last manifest, to a real sshd on loopback, beside other ways to upload."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks import data, measuring, peers
from benchmarks.case import QUICK_DIVISOR, Bench, Case, Contender, Stage
from benchmarks.measuring import Facts, Measurement, Work
from benchmarks.peers import Account
from benchmarks.verdicts import OURS, Budget, Kind
from sftp_orchestrator import logs, service, threads
from sftp_orchestrator.config import loading
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ExitCode, LocalFault
from sftp_orchestrator.files import fsync_file
from sftp_orchestrator.ledger.database import LEDGER_FILE
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.prepare.parts.split import get_encrypted_bound
from sftp_orchestrator.progress import Board
from tests.support.openpgp import KeyRing, open_keyring
from tests.support.openssh import OpenSSH, run_openssh

GIB, MIB = 1024**3, 1024**2
SMALL_FILES, SMALL_BYTES = 1000, 10_000
LARGE_BYTES = 5_000_000_000
ENCRYPTED_PARTS = 8
KEY_ID = "ec491319-9823-48cd-b6a1-6bb0bc666d75"
SFTP, RCLONE, LFTP = "sftp", "rclone", "lftp"
SCRIPT, VENDOR = "csv module and paramiko", "gpg, then sftp"


def deliver(config: str) -> Facts:
    """Make one pass over what lies in staging, as ``run --once`` does."""
    logs.configure(quiet=True)
    configuration = loading.load(Path(config))
    code = threads.run(service.serve(configuration, once=True, board=Board()))
    if code is not ExitCode.DONE:
        raise LocalFault("deliver", "what was dropped", f"the pass ended with {code}")
    return {}


@dataclass(kw_only=True)
class Place:
    """A server, what is sent to it, and a fresh folder for everything at each measurement."""

    folder: Path
    server: OpenSSH
    sources: list[Path]
    ring: KeyRing | None = None
    recipient: str = ""
    port: int | None = None
    """of a line to the server; straight to it where there is none"""
    settings: Mapping[str, object] = field(default_factory=dict)
    """of the destination, for ours"""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def open_account(self) -> Account:
        """Return how to reach an empty remote folder."""
        remote = self.server.root / f"remote-{next(self._numbers)}"
        remote.mkdir()
        known_hosts = self.folder / "known_hosts"
        port = self.port or self.server.port
        known_hosts.write_text(f"[127.0.0.1]:{port} {self.server.host_key}\n")
        return Account(
            port=port,
            username=self.server.username,
            private_key=str(self.server.private_key),
            known_hosts=str(known_hosts),
            folder=str(remote),
        )

    def measure_peer(self, work: Callable[..., Facts], **arguments: object) -> Measurement:
        """Measure another way to upload; what arrived must be there in full."""
        account = self.open_account()
        found = measuring.call(work, account=account.describe(), **arguments)
        sent = sum(path.stat().st_size for path in self.sources)
        return self._conclude(Path(account.folder), found, sent if work is not peers.encrypt_then_put else 1)

    def measure_ours(self, work: Work = deliver, *, ledger: Path | None = None) -> Measurement:
        """Measure ours; the files are dropped, and the ledger is there, before it begins: a copy of ``ledger``."""
        with self.open_ours(ledger=ledger) as (config, remote):
            found = measuring.call(work, config=str(config))
            data_bytes = sum(path.stat().st_size for path in self.sources)
            return self._conclude(remote, found, data_bytes if self.ring is None else 1)

    @contextmanager
    def open_ours(self, *, ledger: Path | None = None) -> Iterator[tuple[Path, Path]]:
        """Give a configuration whose files lie in staging, and its remote folder, for the time of the context."""
        account, root = self.open_account(), self.folder / f"ours-{next(self._numbers)}"
        try:
            staging = root / "staging"
            staging.mkdir(parents=True)
            for path in self.sources:
                dropped = staging / path.name
                shutil.copyfile(path, dropped)
                # By the time that a file has settled it is on the disk, as the peers' files are.
                fsync_file(dropped)
            config = root / "config.yml"
            config.write_text(yaml.safe_dump(self._configure(root, account)), encoding="utf-8")
            configuration = loading.load(config)
            configuration.workspace.mkdir(mode=0o700)
            if ledger is not None:
                shutil.copyfile(ledger, configuration.workspace / LEDGER_FILE)
            Ledger.open(configuration.ledger.url, configuration.workspace).close()
            yield config, Path(account.folder)
        finally:
            shutil.rmtree(root)

    def _configure(self, root: Path, account: Account) -> Mapping[str, object]:
        destination: dict[str, object] = {
            "host": "127.0.0.1",
            "port": account.port,
            "username": account.username,
            "private_key": {"file": account.private_key},
            "known_hosts": account.known_hosts,
            "remote_dir": account.folder,
            "client_email": "data-team@example.com",
            **self.settings,
        }
        if self.ring is not None:
            key = root / "key.asc"
            key.write_bytes(self.ring.export(self.recipient))
            destination["encryption"] = {"public_key": {"file": str(key)}, "key_id": KEY_ID}
        feed = {"type": "event", "files": ["*.csv"], "columns": data.FEEDS[FeedType.EVENT]}
        return {
            "staging": "staging",
            "workspace": "workspace",
            "intake": {"settle_seconds": 0},
            "web": {"listen": None},
            "destinations": {"bench": destination},
            "feeds": {"events": feed},
        }

    def _conclude(self, remote: Path, found: Measurement, least_bytes: int) -> Measurement:
        arrived = sum(path.stat().st_size for path in remote.rglob("*") if ".csv" in path.name)
        shutil.rmtree(remote)
        if arrived < least_bytes:
            raise LocalFault("measure", "an upload", f"{arrived:,} bytes arrived of {least_bytes:,}")
        return found


@contextmanager
def open_place(bench: Bench, make: Callable[[Path], list[Path]], *, encrypts: bool = False) -> Iterator[Place]:
    """Give a server, and what is to be sent: the files that ``make`` writes into a folder."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(dir=bench.work, prefix="deliver-")))
        ring = opened.enter_context(open_keyring()) if encrypts else None
        server = opened.enter_context(run_openssh(folder / "ssh"))
        recipient = ring.make_key("receiver", algorithm="rsa3072") if ring is not None else ""
        yield Place(folder=folder, server=server, sources=make(folder), ring=ring, recipient=recipient)


@contextmanager
def _set_up_plain(bench: Bench) -> Iterator[Stage]:
    path = bench.make(data.Recipe(size=GIB))
    with open_place(bench, lambda _: [path]) as place, tempfile.TemporaryDirectory(dir=bench.work) as alone:
        # rclone and lftp copy folders; the script and gpg write beside the file.
        copy = Path(alone) / path.name
        copy.hardlink_to(path)
        measures: dict[str, Callable[[], Measurement]] = {
            OURS: place.measure_ours,
            SFTP: lambda: place.measure_peer(peers.put_with_sftp, paths=[str(path)]),
            RCLONE: lambda: place.measure_peer(peers.copy_with_rclone, folder=alone),
            LFTP: lambda: place.measure_peer(peers.mirror_with_lftp, folder=alone),
            SCRIPT: lambda: place.measure_peer(peers.check_then_put, path=str(copy), identity="user_id"),
        }
        yield make_stage(path.stat().st_size, measures)


@contextmanager
def _set_up_large(bench: Bench) -> Iterator[Stage]:
    path = bench.make(data.Recipe(size=LARGE_BYTES))
    with open_place(bench, lambda _: [path]) as place:
        yield make_stage(path.stat().st_size, {OURS: place.measure_ours})


@contextmanager
def _set_up_encrypted(bench: Bench) -> Iterator[Stage]:
    path = bench.make(data.Recipe(size=512 * MIB))
    with open_place(bench, lambda _: [path], encrypts=True) as place:
        ring = place.ring
        if ring is None:
            raise ValueError("there is no keyring")
        copy = place.folder / path.name
        copy.hardlink_to(path)
        place.settings = {
            "limits": {"encrypted_bytes": get_encrypted_bound(path.stat().st_size // ENCRYPTED_PARTS) + MIB}
        }
        vendor = {"path": str(copy), "home": str(ring.home), "recipient": place.recipient}
        measures: dict[str, Callable[[], Measurement]] = {
            OURS: place.measure_ours,
            VENDOR: lambda: place.measure_peer(peers.encrypt_then_put, **vendor),
        }
        yield make_stage(path.stat().st_size, measures)


@contextmanager
def _set_up_small(bench: Bench) -> Iterator[Stage]:
    count = SMALL_FILES // QUICK_DIVISOR if bench.is_quick else SMALL_FILES
    with open_place(bench, lambda folder: make_small_files(folder, count)) as place:
        total = sum(path.stat().st_size for path in place.sources)
        # As many files as ours sends: a manifest for each.
        folder = place.folder / "small"
        for path in place.sources:
            path.with_suffix(".manifest").write_text("{}\n" * 100)
        measures: dict[str, Callable[[], Measurement]] = {
            OURS: place.measure_ours,
            RCLONE: lambda: place.measure_peer(peers.copy_with_rclone, folder=str(folder)),
            LFTP: lambda: place.measure_peer(peers.mirror_with_lftp, folder=str(folder)),
        }
        yield make_stage(total, measures)


def make_small_files(folder: Path, count: int) -> list[Path]:
    """Write so many files of events, no two alike, into ``folder``; return them."""
    (folder / "small").mkdir()
    model = data.make(folder, data.Recipe(size=SMALL_BYTES)).read_bytes()
    header, _, body = model.partition(b"\n")
    paths = []
    for number in range(count):
        # No two are alike: one that was sent before would be held.
        path = folder / "small" / f"events_{number:04}.csv"
        path.write_bytes(header + b"\n" + body.replace(b",user", b",user%d" % number))
        paths.append(path)
    return paths


def make_stage(size: int, measures: Mapping[str, Callable[[], Measurement]]) -> Stage:
    """Return the stage of a case, whose contenders go through ``size`` bytes each."""
    contenders = tuple(Contender(name=name, measure=measure) for name, measure in measures.items())
    return Stage(bytes=size, contenders=contenders)


_MEMORY = Budget(kind=Kind.PEAK, limit=300)

CASES = (
    Case(
        name="deliver",
        rounds=3,
        budgets=(
            Budget(kind=Kind.TIMES_FASTER, limit=1 / 1.6, peer=SFTP),
            Budget(kind=Kind.TIMES_FASTER, limit=5, peer=SCRIPT),
            _MEMORY,
        ),
        set_up=_set_up_plain,
    ),
    Case(
        name="deliver-encrypted",
        rounds=3,
        budgets=(Budget(kind=Kind.TIMES_FASTER, limit=3, peer=VENDOR), _MEMORY),
        set_up=_set_up_encrypted,
    ),
    Case(
        name="deliver-small",
        rounds=3,
        budgets=(Budget(kind=Kind.TIMES_FASTER, limit=1, peer=RCLONE), _MEMORY),
        set_up=_set_up_small,
    ),
    Case(name="deliver-memory", rounds=1, budgets=(_MEMORY,), is_quick=False, set_up=_set_up_large),
)
