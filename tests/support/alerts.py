"""A configuration with alerts, and sources that are worth one."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sftp_orchestrator.alerts import wording
from sftp_orchestrator.alerts.channels import Channel
from sftp_orchestrator.alerts.courier import Courier
from sftp_orchestrator.alerts.wording import Text
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import LocalFault, Unreachable
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, Message
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import write_configuration

TOKEN = "T0kenThatNobodyMaySee"
WRITE_SUBSTITUTE = partial(wording.write_substitute, "etl-1", "sftp-orchestrator", None)
TAKE, REFUSE, HANG = "take", "refuse", "hang"
"""What a channel does with a message."""


@dataclass(frozen=True, kw_only=True)
class PlannedChannel(Channel):
    """A channel that answers as it is planned, and takes what nothing is planned for."""

    name: str = "alerts.urls[0]"
    place: str = "here"
    url: str = ""
    plan: list[str] = field(default_factory=list)
    given: list[Text] = field(default_factory=list)
    """every message, whatever became of it"""
    taken: list[Text] = field(default_factory=list)
    hanging: list[tuple[Future[None], Text]] = field(default_factory=list)
    hangs: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, text: Text) -> Future[None]:
        """Answer by the first of the plan."""
        result: Future[None] = Future()
        result.set_running_or_notify_cancel()
        self.given.append(text)
        self.hanging.append((result, text))
        answer = self.plan.pop(0) if self.plan else TAKE
        if answer == HANG:
            self.hangs.set()
        else:
            self.end(answer)
        return result

    def end(self, answer: str) -> None:
        """Take or refuse what hangs."""
        while self.hanging:
            result, text = self.hanging.pop()
            if answer == TAKE:
                self.taken.append(text)
                result.set_result(None)
            else:
                result.set_exception(Unreachable("send an alert by", self.name, "error=503"))


def make_courier(ledger: Ledger, channel: Channel) -> Courier:
    """Return a courier that survives a ledger that fails."""
    guard = partial(contextlib.suppress, LocalFault)
    return Courier(channel, ledger.alerts, write_substitute=WRITE_SUBSTITUTE, guard=guard)


def note_messages(ledger: Ledger, channel: Channel, *titles: str, at: datetime.datetime | None = None) -> None:
    """Put messages on their way to a channel, each of a look of its own."""
    began, moment = at or datetime.datetime.now(datetime.UTC), datetime.timedelta(milliseconds=1)
    messages = [
        Message(channel=channel.key, made_at=began + number * moment, is_good=False, title=title, body="why")
        for number, title in enumerate(titles)
    ]
    ledger.alerts.note([], [], messages)


def write_secret(folder: Path, name: str, content: str) -> Path:
    """Write a file that only we may read; return where."""
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(content, encoding="utf-8")
    return path


def configure_alerts(folder: Path, *urls: str, feeds: Mapping[str, Any] | None = None, **alerts: Any) -> Configuration:
    """Return the small configuration with alerts, its URLs one a line of one secret."""
    path = write_secret(folder, "alerts.url", "# whom to tell\n\n" + "\n".join(urls) + "\n")
    values = {"alerts": {"urls": [{"file": str(path)}], "group_seconds": 0, **alerts}, "feeds": feeds or {}}
    configuration = write_configuration(folder, values).configuration
    Workspace(root=configuration.workspace).prepare()
    return configuration


def claim(ledger: Ledger, *names: str) -> None:
    """Have sources of these ids claimed."""
    for name in names:
        claimed = Claim(
            source_id=name,
            feed="purchases",
            type=FeedType.EVENT,
            destination="production",
            relative_path=f"{name}.csv".encode(),
            device=1,
            inode=1,
            size=1,
            mtime_ns=1,
        )
        ledger.sources.begin_claims([claimed])
        ledger.sources.finish_claims([claimed])


def quarantine(ledger: Ledger, *names: str) -> None:
    """Have sources of these ids claimed and quarantined."""
    claim(ledger, *names)
    for name in names:
        ledger.sources.quarantine(name, "it breaks a rule")


def make_json_url(port: int, path: str = "alerts") -> str:
    """Return the Apprise URL of a web server on this machine."""
    return f"json://127.0.0.1:{port}/{path}?token={TOKEN}"
