"""A configuration with alerts, and sources that are worth one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import write_configuration

TOKEN = "T0kenThatNobodyMaySee"


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
        ledger.sources.finish_claim(claimed)


def quarantine(ledger: Ledger, *names: str) -> None:
    """Have sources of these ids claimed and quarantined."""
    claim(ledger, *names)
    for name in names:
        ledger.sources.quarantine(name, "it breaks a rule")


def make_json_url(port: int, path: str = "alerts") -> str:
    """Return the Apprise URL of a web server on this machine."""
    return f"json://127.0.0.1:{port}/{path}?token={TOKEN}"
