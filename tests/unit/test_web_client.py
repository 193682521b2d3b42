"""Asking a daemon's page for its work: with the token where there is one, and nothing where nobody answers."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.config.web import Web
from sftp_orchestrator.progress import Phase
from sftp_orchestrator.web.client import fetch_work

TOKEN = "a token of many characters"
WORK = {"label": "a.csv 1/2", "phase": "upload", "done_bytes": 3, "total_bytes": 10, "idle_seconds": 0.1}


@contextlib.contextmanager
def _serve(body: bytes) -> Iterator[int]:
    """Answer ``body`` to whoever shows the token, and 401 to everybody else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers["Authorization"] == f"Bearer {TOKEN}" and self.path == "/status.json"
            self.send_response(200 if is_known else 401)
            self.end_headers()
            self.wfile.write(body if is_known else b"who?")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_the_work_is_read_with_the_token(tmp_path: Path) -> None:
    """Label, phase and bytes as the page has them; without the token nothing is told."""
    secret = tmp_path / "token"
    secret.touch(mode=0o600)
    secret.write_text(f"{TOKEN}\n", encoding="utf-8")
    with _serve(json.dumps({"work": [WORK]}).encode()) as port:
        listen = f"127.0.0.1:{port}"
        (work,) = fetch_work(Web(listen=listen, token=SecretReference(file=secret))) or []
        assert (work.label, work.phase, work.done_bytes, work.total_bytes) == ("a.csv 1/2", Phase.UPLOAD, 3, 10)
        assert fetch_work(Web(listen=listen)) is None


def test_where_nobody_can_be_asked_nothing_is_known(tmp_path: Path, closed_port: int) -> None:
    """No page, one whose port is not known, nobody there, no token to be read, or another program."""
    assert fetch_work(Web(listen=None)) is None
    assert fetch_work(Web(listen="127.0.0.1:0")) is None
    assert fetch_work(Web(listen=f"127.0.0.1:{closed_port}")) is None
    missing = SecretReference(file=tmp_path / "missing")
    assert fetch_work(Web(listen=f"127.0.0.1:{closed_port}", token=missing)) is None
