"""The sandbox as a whole: starts, listens, looks at one manifest after the other, and stops."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import asyncssh

from sftp_orchestrator import errors
from sftp_orchestrator.sandbox import keys
from sftp_orchestrator.sandbox.activity import ActivityLog, Event, Listener
from sftp_orchestrator.sandbox.drop_box import choose_server
from sftp_orchestrator.sandbox.history import Arrival, History
from sftp_orchestrator.sandbox.inbox import Inbox
from sftp_orchestrator.sandbox.judging import Case, Clock, Judge, ManifestIgnored, Verdict, describe, open_manifest
from sftp_orchestrator.sandbox.openpgp import Decryptor, open_home
from sftp_orchestrator.sandbox.refusals import Ignored
from sftp_orchestrator.sandbox.settings import Paths, Settings
from sftp_orchestrator.sandbox.sftp import Login
from sftp_orchestrator.sandbox.snippet import DEFAULT_USERNAME, Access
from sftp_orchestrator.sandbox.table import Stopped

HOST = "127.0.0.1"
"""A sandbox is for this machine alone."""


@dataclass(frozen=True, kw_only=True)
class _Running:
    inbox: Inbox
    access: Access
    host_key: asyncssh.SSHKey
    worker: asyncio.Task[None]


class Sandbox:
    """A receiver in the caller's event loop; ``async with Sandbox(Settings(root=…)) as it`` starts and stops it."""

    def __init__(self, settings: Settings, *, listener: Listener | None = None, clock: Clock = time.time) -> None:
        self.settings = settings
        self.paths = Paths(root=settings.root.absolute())
        self._listener = listener
        self._clock = clock
        self._stack = AsyncExitStack()
        self._running: _Running | None = None

    async def start(self) -> None:
        """Make what is missing below the root, and listen; what came before a restart is looked at first.

        Raises:
            LocalFault: a key is not usable, the port or the folder is in use, or gpg is missing.
            ConfigurationError: only one of the OpenPGP key and its key id is given.
        """
        if (self.settings.openpgp_private_key is None) != (self.settings.key_id is None):
            raise errors.ConfigurationError(
                "start", "the sandbox", "an OpenPGP private key and its key id belong together", hint="give both"
            )
        async with AsyncExitStack() as stack:
            self._running = await self._open(stack)
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """End every session, leave what was not looked at for the next start, and stop. May be repeated."""
        self._running = None
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def access(self) -> Access:
        """How a client reaches it: host, port, user name, keys."""
        return self._get_running().access

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self.access.port

    @property
    def key_id(self) -> str:
        """The UUID by which a manifest names the OpenPGP key."""
        return self.access.key_id

    @property
    def host_public_key(self) -> str:
        """The host key to pin, as ``<algorithm> <base64>``."""
        return keys.format_public_key(self._get_running().host_key)

    async def wait_until_idle(self) -> None:
        """Return once every manifest that came so far has been looked at."""
        running = self._get_running()
        idle = asyncio.ensure_future(running.inbox.arrivals.join())
        try:
            await asyncio.wait({idle, running.worker}, return_when=asyncio.FIRST_COMPLETED)
            if running.worker.done():
                running.worker.result()
        finally:
            idle.cancel()

    def _get_running(self) -> _Running:
        if self._running is None:
            raise errors.LocalFault("use", "the sandbox", "it is not running")
        return self._running

    async def _open(self, stack: AsyncExitStack) -> _Running:
        log = self._open_log(stack)
        history = History(log.past, remembers_cut_manifests=self.settings.traits.remembers_cut_manifests)
        inbox = Inbox(self.paths.inbox, log, history, self._listener)
        decryptor = await self._open_decryptor(stack)
        host_key = self._provide_ssh_keys()
        listening = stack.enter_context(_bind(self.settings.port))
        access = self._get_access(listening.getsockname()[1])
        self.paths.known_hosts.write_text(keys.format_known_host(HOST, access.port, host_key))
        inbox.note(Event.STARTED, port=access.port)
        stack.callback(inbox.note, Event.STOPPED)
        inbox.note_found()
        worker = await stack.enter_async_context(self._work(inbox, decryptor, access.key_id))
        await stack.enter_async_context(self._serve(inbox, listening, host_key))
        return _Running(inbox=inbox, access=access, host_key=host_key, worker=worker)

    def _open_log(self, stack: AsyncExitStack) -> ActivityLog:
        self.paths.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.paths.inbox, self.paths.failures, self.paths.keys, self.paths.work):
            folder.mkdir(mode=0o700, exist_ok=True)
        log = stack.enter_context(ActivityLog(self.paths.activity))
        # The lock on the log is ours by now: what lies there is of an earlier life.
        for left in self.paths.work.iterdir():
            left.unlink()
        return log

    async def _open_decryptor(self, stack: AsyncExitStack) -> Decryptor:
        given = self.settings.openpgp_private_key
        shutil.rmtree(self.paths.given_gnupg_home, ignore_errors=True)
        home = self.paths.gnupg_home if given is None else self.paths.given_gnupg_home
        home.mkdir(mode=0o700, exist_ok=True)
        decryptor = await stack.enter_async_context(open_home(home))
        if given is None:
            await asyncio.to_thread(decryptor.provide_key, self.settings.openpgp_algorithm)
        else:
            await asyncio.to_thread(decryptor.import_key, given)
        self.paths.openpgp_public_key.write_text(await asyncio.to_thread(decryptor.export_public_key))
        return decryptor

    def _provide_ssh_keys(self) -> asyncssh.SSHKey:
        if self.settings.authorized_keys is None:
            keys.provide_key(self.paths.client_key)
        # Read at each login; here only to say at once what is wrong with it.
        self._read_authorized_keys()
        if self.settings.host_key is None:
            return keys.provide_key(self.paths.host_key)
        return keys.read_key(self.settings.host_key)

    def _read_authorized_keys(self) -> asyncssh.SSHAuthorizedKeys:
        given = self.settings.authorized_keys
        return keys.read_authorized_keys(given or keys.get_public_path(self.paths.client_key))

    def _get_access(self, port: int) -> Access:
        given = self.settings.authorized_keys
        return Access(
            host=HOST,
            port=port,
            username=self.settings.username or DEFAULT_USERNAME,
            private_key=self.paths.client_key if given is None else keys.find_private(given),
            authorized_keys=given,
            known_hosts=self.paths.known_hosts,
            openpgp_public_key=self.paths.openpgp_public_key,
            key_id=self.settings.key_id or self._provide_key_id(),
        )

    def _provide_key_id(self) -> str:
        if not self.paths.key_id.exists():
            keys.write_private(self.paths.key_id, f"{uuid.uuid4()}\n".encode())
        return self.paths.key_id.read_text().strip()

    @asynccontextmanager
    async def _serve(self, inbox: Inbox, listening: socket.socket, host_key: asyncssh.SSHKey) -> AsyncIterator[None]:
        connections: set[asyncssh.SSHServerConnection] = set()
        acceptor = await asyncssh.listen(
            sock=listening,
            server_factory=partial(
                Login,
                inbox,
                connections,
                self.settings.username,
                self._read_authorized_keys,
                most_connections=self.settings.traits.most_connections,
            ),
            server_host_keys=[host_key],
            sftp_factory=partial(choose_server(self.settings.traits), inbox=inbox),
            allow_pty=False,
            gss_host=None,
        )
        try:
            yield
        finally:
            acceptor.close()
            ending = list(connections)
            for connection in ending:
                connection.abort()
            for connection in ending:
                await connection.wait_closed()
            await acceptor.wait_closed()

    @asynccontextmanager
    async def _work(self, inbox: Inbox, decryptor: Decryptor, key_id: str) -> AsyncIterator[asyncio.Task[None]]:
        stopping = threading.Event()
        judge = Judge(
            paths=self.paths,
            limits=self.settings.limits,
            decryptor=decryptor,
            key_id=key_id,
            stopping=stopping,
            clock=self._clock,
        )
        worker = asyncio.create_task(self._look_at_arrivals(inbox, judge, stopping), name="sandbox-worker")
        try:
            yield worker
        finally:
            stopping.set()
            inbox.arrivals.put_nowait(None)
            await worker

    async def _look_at_arrivals(self, inbox: Inbox, judge: Judge, stopping: threading.Event) -> None:
        while (arrival := await inbox.arrivals.get()) is not None and not stopping.is_set():
            try:
                verdict = await self._decide(inbox, judge, arrival)
            except Stopped:
                return
            event, details = describe(verdict)
            inbox.note(event, **details, arrival=arrival.sequence)
            if self.settings.traits.removes_taken:
                inbox.remove_taken()
            inbox.arrivals.task_done()

    async def _decide(self, inbox: Inbox, judge: Judge, arrival: Arrival) -> Verdict:
        history = inbox.history
        try:
            document = open_manifest(inbox.folder, arrival, history.get_file(arrival.manifest))
        except Ignored as ignored:
            return ManifestIgnored(manifest=arrival.manifest, reason=ignored.reason)
        case = Case(
            arrival=arrival,
            is_used=history.is_used(arrival.manifest),
            document=document,
            data=history.get_file(str(document.get("fileName"))),
        )
        return await asyncio.to_thread(judge.judge, case)


def _bind(port: int) -> socket.socket:
    """Return a socket that is bound but does not listen yet: so the port is known before anybody can come."""
    # With the protocol left at 0, asyncio would not set TCP_NODELAY, and every answer could take 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise errors.LocalFault(
            "listen on", f"{HOST}:{port}", error.strerror or str(error), hint="--port 0 takes a free one"
        ) from error
    return bound
