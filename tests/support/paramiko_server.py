"""A second implementation of a receiver: an SFTP server on paramiko, in threads, with one subclass for each fault."""

# ruff: noqa: D102 - the methods are paramiko's and documented there
# ruff: noqa: ARG002 - the same for their parameters

from __future__ import annotations

import contextlib
import os
import posixpath
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_NAMES,
    SFTP_FAILURE,
    SFTP_OK,
    SFTP_OP_UNSUPPORTED,
    SFTP_PERMISSION_DENIED,
)

from sftp_orchestrator.config.model import Destination
from tests.support.openssh import make_key, read_public_key
from tests.support.receivers import make_destination

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

USERNAME = "1000000000"
START_SECONDS = 20
STOP_SECONDS = 10


@dataclass(kw_only=True)
class Record:
    """What clients asked for; a list takes appends from several threads."""

    logins: list[str] = field(default_factory=list)
    """one entry for each login that went on to open a session"""
    offered_keys: int = 0
    """how often a key was offered; only where a subclass counts"""
    requests: list[str] = field(default_factory=list)
    """names of SFTP requests, as ``write``, in order"""
    open_flags: list[int] = field(default_factory=list)
    """flags of ``open``, as os.open takes them"""
    offsets: list[int] = field(default_factory=list)
    write_sizes: list[int] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)
    """``open`` or ``close``, and the name of the file, in order"""
    most_at_once: int = 0
    """connections open at the same time, at most"""


class Logins(paramiko.ServerInterface):
    """Lets the one user in by the one key, to SFTP only."""

    def __init__(self, server: ParamikoServer) -> None:
        self.server = server

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        if username != USERNAME or key.get_base64() != self.server.client_key.split()[1]:
            return AUTH_FAILED
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        # Not where the key is checked: a client asks that twice, whether it would do and then with it.
        self.server.record.logins.append(kind)
        return OPEN_SUCCEEDED


class Session(paramiko.SFTPServer):
    """Notes each request before it is served."""

    server: Files

    def _process(self, kind: int, request_number: int, message: paramiko.Message) -> None:
        self.server.record.requests.append(CMD_NAMES[kind])
        super()._process(kind, request_number, message)  # type: ignore[misc] # it is private, and there is no other door


class File(paramiko.SFTPHandle):
    """An open file, written with pwrite as a real server does."""

    def __init__(self, descriptor: int, files: Files, path: str, flags: int) -> None:
        super().__init__(flags)
        self.descriptor = descriptor
        self.files = files
        self.record = files.record
        self.path = path

    def write(self, offset: int, data: ReadableBuffer) -> int:
        self.record.offsets.append(offset)
        self.record.write_sizes.append(memoryview(data).nbytes)
        os.pwrite(self.descriptor, data, offset)
        return SFTP_OK

    def close(self) -> None:
        os.close(self.descriptor)
        self.record.steps.append(("close", self.path))


class Files(paramiko.SFTPServerInterface):
    """The files beneath a folder; no file outside it can be named."""

    file_class = File

    def __init__(self, server: Logins, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        self.root = server.server.root
        self.record = server.server.record
        self.hang_up = server.server.cut_all

    def locate(self, path: str) -> Path:
        """Return the local path of ``path``."""
        return self.root / posixpath.normpath(posixpath.join("/", path)).lstrip("/")

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        self.record.open_flags.append(flags)
        self.record.steps.append(("open", path))
        try:
            return self.file_class(os.open(self.locate(path), flags, 0o600), self, path, flags)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self.locate(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def remove(self, path: str) -> int:
        try:
            self.locate(path).unlink()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> int:
        if self.locate(newpath).exists():
            return SFTP_FAILURE
        try:
            self.locate(oldpath).rename(self.locate(newpath))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            return [
                paramiko.SFTPAttributes.from_stat(entry.stat(), entry.name) for entry in self.locate(path).iterdir()
            ]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)


class ReadOnlyFiles(Files):
    """Fault: nothing may be written."""

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            return SFTP_PERMISSION_DENIED
        return super().open(path, flags, attr)


class DropBox(Files):
    """Fault: what was put can be neither seen, nor listed, nor removed."""

    def stat(self, path: str) -> int:
        return SFTP_PERMISSION_DENIED

    def list_folder(self, path: str) -> int:
        return SFTP_PERMISSION_DENIED

    def remove(self, path: str) -> int:
        return SFTP_PERMISSION_DENIED


class ShowsLess(Files):
    """Fault: the size that is shown lacks one byte, as where the last block was not written yet."""

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        found = super().stat(path)
        if isinstance(found, paramiko.SFTPAttributes):
            found.st_size = (found.st_size or 1) - 1
        return found


class NoRename(Files):
    """Fault: does not know how to rename."""

    def rename(self, oldpath: str, newpath: str) -> int:
        return SFTP_OP_UNSUPPORTED


class BrokenDisk(Files):
    """Fault: every write beyond the first half megabyte fails."""

    class File(File):
        """Reports a failure as an error of the disk behind it."""

        def write(self, offset: int, data: ReadableBuffer) -> int:
            return SFTP_FAILURE if offset >= 512 * 1024 else super().write(offset, data)

    file_class = File


class LosesFirstManifestReply(Files):
    """Fault: the first manifest is stored in full, and every line is cut before anybody is told."""

    class File(File):
        """Hangs up once it is closed."""

        def close(self) -> None:
            super().close()
            manifests = [name for step, name in self.record.steps if step == "open" and name.endswith(".manifest")]
            if manifests == [self.path]:
                self.files.hang_up()

    file_class = File


class DropBoxLosesFirstManifestReply(DropBox):
    """Fault: as above, and what became of it cannot be seen."""

    file_class = LosesFirstManifestReply.File


class TakesAndHangsUp(Files):
    """Fault: takes data and manifest away once the manifest is closed, and every line is cut before anybody is told."""

    class File(File):
        """Takes a pair away when its manifest is closed."""

        def close(self) -> None:
            super().close()
            if self.path.endswith(".manifest"):
                self.files.remove(self.path)
                self.files.remove(self.path.removesuffix(".manifest") + ".csv")
                self.files.hang_up()

    file_class = File


class LosesData(Files):
    """Fault: a data file is gone once it was looked at."""

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        found = super().stat(path)
        if path.endswith(".csv"):
            self.remove(path)
        return found


class HasNoRoom(Files):
    """Fault: every write beyond the first 8 KB fails, and no reason is given."""

    class File(File):
        """Reports a failure without a reason."""

        def write(self, offset: int, data: ReadableBuffer) -> int:
            return SFTP_FAILURE if offset + memoryview(data).nbytes > 8_000 else super().write(offset, data)

    file_class = File


class SilentOnClose(Session):
    """Fault: the request to close a file is never answered, though the line stays up."""

    def _process(self, kind: int, request_number: int, message: paramiko.Message) -> None:
        if kind != CMD_CLOSE:
            super()._process(kind, request_number, message)


class HangsUpOnClose(Session):
    """Fault: the line is cut when the file is to be closed."""

    def _process(self, kind: int, request_number: int, message: paramiko.Message) -> None:
        if kind == CMD_CLOSE:
            assert self.sock is not None
            self.sock.get_transport().close()
            return
        super()._process(kind, request_number, message)


class NoSftp(Logins):
    """Fault: lets the user in, and then to nothing."""

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        return False


class ParamikoServer:
    """A listening server; one thread takes connections, paramiko runs one for each of them and each session."""

    def __init__(
        self,
        folder: Path,
        *,
        files: type[Files] = Files,
        logins: type[Logins] = Logins,
        session: type[Session] = Session,
        most_connections: int = 100,
    ) -> None:
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        self.record = Record()
        self.private_key = make_key(folder / "id_ed25519")
        self.client_key = read_public_key(self.private_key)
        host_key = make_key(folder / "host_ed25519")
        self.host_key = read_public_key(host_key)
        self.most_connections = most_connections
        """further ones are hung up on, as OpenSSH does beyond MaxStartups"""
        self._key = paramiko.Ed25519Key.from_private_key_file(str(host_key))
        self._files, self._logins, self._session = files, logins, session
        self._transports: list[paramiko.Transport] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._accept_all, name="paramiko-accept")

    def get_destination(self, **overrides: Any) -> Destination:
        """Return the configuration that reaches it, with ``overrides``."""
        return make_destination(
            overrides,
            port=self.port,
            username=USERNAME,
            private_key={"file": self.private_key},
            host_key=self.host_key,
        )

    def cut_all(self) -> None:
        """Hang up on everybody."""
        transports, self._transports = self._transports, []
        for transport in transports:
            transport.close()

    def start(self) -> None:
        """Begin to take connections."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody and end every thread."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(STOP_SECONDS)
        self.cut_all()

    def _accept_all(self) -> None:
        with contextlib.suppress(OSError):  # the listening socket was closed: that is how this ends
            while True:
                connection, _ = self._listening.accept()
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        self._transports = [transport for transport in self._transports if transport.is_active()]
        if len(self._transports) >= self.most_connections:
            connection.close()
            return
        transport = paramiko.Transport(connection)
        self._transports.append(transport)
        self.record.most_at_once = max(self.record.most_at_once, len(self._transports))
        transport.daemon = True
        transport.add_server_key(self._key)
        transport.set_subsystem_handler("sftp", self._session, self._files)
        # With an event it returns at once; the client may hang up at any time.
        transport.start_server(event=threading.Event(), server=self._logins(self))


@contextlib.contextmanager
def run_paramiko(folder: Path, **faults: Any) -> Iterator[ParamikoServer]:
    """Run a server for the time of the context with its files in ``folder``; ``faults`` are ``ParamikoServer``'s."""
    server = ParamikoServer(folder, **faults)
    server.start()
    try:
        yield server
    finally:
        server.stop()
