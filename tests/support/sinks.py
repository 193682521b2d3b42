"""Who is told: a web server and a mail server on this machine that keep what they are given."""

from __future__ import annotations

import contextlib
import email
import email.message
import email.policy
import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

DEADLINE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Told:
    """One request."""

    method: str
    path: str
    body: str

    @property
    def json(self) -> dict[str, Any]:
        """The body of what Apprise's ``json://`` sends."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def title(self) -> str:
        """The title of that."""
        return str(self.json["title"])

    @property
    def message(self) -> str:
        """The text of that."""
        return str(self.json["message"])


@dataclass(kw_only=True)
class Sink:
    """What was told so far."""

    port: int
    told: list[Told] = field(default_factory=list)
    status: int = 200
    """what the web server answers"""
    location: str | None = None
    """where a redirect leads"""
    refuses: str | None = None
    """what is answered with 400 wherever it stands in a request, whatever ``status`` says"""
    news: threading.Condition = field(default_factory=threading.Condition)

    def keep(self, told: Told) -> None:
        """Note a request."""
        with self.news:
            self.told.append(told)
            self.news.notify_all()

    def list_alerts(self) -> list[Told]:
        """Return what came by Apprise."""
        return [told for told in self.told if told.path.startswith("/alerts")]

    def wait_for(self, is_meant: Callable[[Told], bool]) -> Told:
        """Return the first request that ``is_meant``, as soon as it is there; blocking."""
        with self.news:
            found = self.news.wait_for(lambda: list(filter(is_meant, self.told)), timeout=DEADLINE_SECONDS)
        assert found, self.told
        return found[0]

    def wait_until(self, count: int) -> None:
        """Return once there were ``count`` requests; blocking."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.told) >= count, timeout=DEADLINE_SECONDS), self.told


@contextlib.contextmanager
def run_web_sink() -> Iterator[Sink]:
    """Run a web server on 127.0.0.1 that takes whatever it is given."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            # Kept before it is answered: whoever sent it may look at once.
            sink.keep(Told(method=self.command, path=self.path, body=body))
            is_refused = sink.refuses is not None and sink.refuses in body
            self.send_response(400 if is_refused else sink.status)
            if sink.location is not None:
                self.send_header("location", sink.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink = Sink(port=server.server_address[1])
        with _serving(server):
            yield sink


@dataclass(kw_only=True)
class Drip:
    """A service that never gets to the end of its answer, so long as it is not let go."""

    port: int = 0
    asked: int = 0
    """how often somebody connected and asked"""
    let_go: threading.Event = field(default_factory=threading.Event)
    news: threading.Condition = field(default_factory=threading.Condition)

    def note(self) -> None:
        """Note a request."""
        with self.news:
            self.asked += 1
            self.news.notify_all()

    def wait(self) -> None:
        """Return once it was asked for the first time; blocking."""
        with self.news:
            assert self.news.wait_for(lambda: self.asked, timeout=DEADLINE_SECONDS)


@contextlib.contextmanager
def run_dripping_sink() -> Iterator[Drip]:
    """Run a web server on 127.0.0.1 whose answer comes line by line for ever: no time-out of a read ends that."""
    drip = Drip()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            for line in iter(self.rfile.readline, b"\r\n"):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.rfile.read(length)
            drip.note()
            with contextlib.suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not drip.let_go.wait(0.05):
                    self.wfile.write(b"X-Drip: 1\r\n")
                self.wfile.write(b"Content-Length: 0\r\n\r\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        drip.port = server.server_address[1]
        with _serving(server):
            try:
                yield drip
            finally:
                drip.let_go.set()


class _MailHandler(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as a sender needs that wants neither a login nor encryption."""

    def handle(self) -> None:
        self._say("220 sink")
        for line in iter(self.rfile.readline, b""):
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                self._say("354 go on")
                content = b"".join(iter(self.rfile.readline, b".\r\n"))
                message = email.message_from_bytes(content, policy=email.policy.default)
                keep: Callable[[email.message.EmailMessage], None] = self.server.keep  # type: ignore[attr-defined] # set below
                keep(message)
            elif word == b"QUIT":
                self._say("221 bye")
                return
            self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    keep: Callable[[email.message.EmailMessage], None]


@contextlib.contextmanager
def run_mail_sink() -> Iterator[tuple[int, list[email.message.EmailMessage]]]:
    """Run a mail server on 127.0.0.1; give its port, and the list of what it gets."""
    mails: list[email.message.EmailMessage] = []
    with _MailServer(("127.0.0.1", 0), _MailHandler) as server:
        server.keep = mails.append
        with _serving(server):
            yield server.server_address[1], mails


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
