"""Faults of a receiver, one subclass each, beside those in ``paramiko_server``."""

# ruff: noqa: D102 - the methods are paramiko's and documented there

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import AUTH_FAILED, OPEN_FAILED_RESOURCE_SHORTAGE
from paramiko.sftp import SFTP_FAILURE, SFTP_PERMISSION_DENIED

from tests.support.paramiko_server import File, Files, Logins

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Step(enum.Enum):
    """Steps of a delivery as a receiver sees them."""

    OPEN = "open of the data"
    WRITE = "middle of the data"
    CLOSE = "close of the data"
    STAT = "look at the data"
    MANIFEST_OPEN = "open of the manifest"
    MANIFEST_WRITE = "write of the manifest"
    MANIFEST_CLOSE = "close of the manifest"
    MANIFEST_TAKEN = "manifest taken, its reply lost"


def act_at(step: Step, act: Callable[[], None], base: type[Files] = Files) -> type[Files]:
    """Return a receiver that calls ``act`` once, when a delivery has come to ``step``, instead of serving the request.

    But for the last step: there the request was served, and only its reply is yet to be sent.
    """
    left = [act]

    def has_come(path: str, data_step: Step, manifest_step: Step | None) -> bool:
        is_now = step is (manifest_step if _is_manifest(path) else data_step) and bool(left)
        if is_now:
            left.pop()()
        return is_now

    return _make_acting(has_come, base)


def _make_acting(has_come: Callable[[str, Step, Step | None], bool], base: type[Files]) -> type[Files]:
    intact = base.file_class

    class ActingFile(intact):  # type: ignore[valid-type,misc] # a class made for the occasion
        """A file whose writes and close are steps."""

        def write(self, offset: int, data: ReadableBuffer) -> int:
            is_first = offset == 0 and not _is_manifest(self.path)
            if not is_first and has_come(self.path, Step.WRITE, Step.MANIFEST_WRITE):
                return SFTP_FAILURE
            return int(super().write(offset, data))

        def close(self) -> None:
            has_come(self.path, Step.CLOSE, Step.MANIFEST_CLOSE)
            super().close()
            if _is_manifest(self.path):
                has_come(self.path, Step.CLOSE, Step.MANIFEST_TAKEN)

    class Acting(base):  # type: ignore[valid-type,misc] # the same
        """Fault: as the act makes it."""

        file_class = ActingFile

        def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
            if has_come(path, Step.OPEN, Step.MANIFEST_OPEN):
                return SFTP_FAILURE
            opened: paramiko.SFTPHandle | int = super().open(path, flags, attr)
            return opened

        def stat(self, path: str) -> paramiko.SFTPAttributes | int:
            if has_come(path, Step.STAT, None):
                return SFTP_FAILURE
            found: paramiko.SFTPAttributes | int = super().stat(path)
            return found

    return Acting


def _is_manifest(path: str) -> bool:
    return path.endswith(".manifest")


class TakesPairsAway(Files):
    """Fault: data and manifest are gone once the manifest is closed."""

    class File(File):
        """Takes the pair away."""

        def close(self) -> None:
            super().close()
            if _is_manifest(self.path):
                self.files.remove(self.path)
                self.files.remove(self.path.removesuffix(".manifest") + ".csv")

    file_class = File


class Switch:
    """Whether a fault is there."""

    is_on = True


def store_less(switch: Switch) -> type[Files]:
    """Return a receiver that acknowledges each write in full, and stores a byte less while the switch is on."""

    class Storing(Files):
        """Fault: a short acknowledge: what it says it wrote it did not."""

        class File(File):
            """Loses the last byte of each write."""

            def write(self, offset: int, data: ReadableBuffer) -> int:
                return super().write(offset, memoryview(data)[:-1] if switch.is_on else data)

        file_class = File

    return Storing


def refuse_writes(switch: Switch, code: int = SFTP_PERMISSION_DENIED) -> type[Files]:
    """Return a receiver that answers each write with ``code`` while the switch is on."""

    class Refusing(Files):
        """Fault: takes no byte."""

        class File(File):
            """Refuses what is written."""

            def write(self, offset: int, data: ReadableBuffer) -> int:
                return code if switch.is_on else super().write(offset, data)

        file_class = File

    return Refusing


def show_more(switch: Switch) -> type[Files]:
    """Return a receiver that shows a byte too many of each file while the switch is on."""

    class Showing(Files):
        """Fault: the size that is shown is not that of the file."""

        def stat(self, path: str) -> paramiko.SFTPAttributes | int:
            found = super().stat(path)
            if isinstance(found, paramiko.SFTPAttributes) and switch.is_on:
                found.st_size = (found.st_size or 0) + 1
            return found

    return Showing


def refuse_logins(switch: Switch) -> type[Logins]:
    """Return a receiver that knows nobody's key while the switch is on."""

    class Refusing(Logins):
        """Fault: lets nobody in."""

        def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
            self.server.record.offered_keys += 1
            return AUTH_FAILED if switch.is_on else super().check_auth_publickey(username, key)

    return Refusing


def refuse_channels(switch: Switch) -> type[Logins]:
    """Return a receiver that has no room for a session while the switch is on."""

    class Refusing(Logins):
        """Fault: lets the user in, and opens no channel."""

        def check_channel_request(self, kind: str, chanid: int) -> int:
            return OPEN_FAILED_RESOURCE_SHORTAGE if switch.is_on else super().check_channel_request(kind, chanid)

    return Refusing
