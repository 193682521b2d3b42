"""gpg as a child that cannot hold us up: a process group of its own, killed where it gives no sign of life."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import gnupg

from sftp_orchestrator.errors import LocalFault, Transient

BUFFER_BYTES = 1024 * 1024
ANSWER_SECONDS = 20.0
"""A question about a key takes 0.1 s; a start must be given up before a stop of it is (30 s)."""
SILENCE_SECONDS = 60.0
"""Without a byte in or out: gpg takes 40 MB a second, and a disk that stalls is back by then or lost."""
_LOOK_SECONDS = 0.25
_PASSED_ON = frozenset({"PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LD_LIBRARY_PATH"})
"""What gpg gets of our environment, and the locale: secrets may stand in the rest."""
_OPTIONS = ["--no-options", "--no-tty", "--no-autostart"]
_AGAIN = "it is tried again"


class Warden:
    """Watches the gpg processes of one piece of work, one at a time, from ``__enter__`` to ``__exit__``.

    What it kills it kills with all that it started; ``require_success`` tells why.
    """

    def __init__(
        self,
        subject: str,
        *,
        patience_seconds: float,
        stop: threading.Event | None = None,
        get_life: Callable[[], object] = lambda: None,
    ) -> None:
        """``get_life`` returns what changes while work goes on; ``stop`` ends it at once."""
        self._subject = subject
        self._patience_seconds = patience_seconds
        self._stop = stop or threading.Event()
        self._get_life = get_life
        self._process: subprocess.Popen[bytes] | None = None
        self._has_given_up = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gpg-warden", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def open(self, home: Path) -> Any:  # noqa: ANN401 - python-gnupg publishes no types
        """Return python-gnupg on a private GNUPGHOME, every process of it watched.

        Raises:
            LocalFault: gpg cannot be started, or gives no answer.
        """
        try:
            return _Gpg(home, self._start)
        except ValueError as error:
            # It tells with its whole output that gpg did not even say its version.
            self.require_success(None)
            raise LocalFault("start", "gpg", str(error).splitlines()[0]) from error

    def require_success(self, returncode: int | None) -> None:
        """Return where gpg ended by itself, well or not; ``returncode`` defaults to that of the last process.

        Raises:
            LocalFault: it was killed, by us because it gave no sign of life, or by somebody else.
            Transient: the work was stopped.
        """
        if self._stop.is_set():
            raise Transient("encrypt", self._subject, "it was stopped")
        if self._has_given_up:
            cause = f"gpg gave no sign of life for {self._patience_seconds:g} s and was killed"
            raise LocalFault(
                "run gpg for", self._subject, cause, hint=f"{_AGAIN}; is a disk, or a lock in gnupg/, stuck?"
            )
        code = returncode if returncode is not None or self._process is None else self._process.returncode
        if code is not None and code < 0:
            cause = f"gpg was ended by {_name_signal(-code)}"
            raise LocalFault("run gpg for", self._subject, cause, hint=f"{_AGAIN}; is memory short?")

    def _start(self, command: Sequence[str], environment: dict[str, str] | None) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours; a list, so no shell reads it
                command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
            )
        except OSError as error:
            raise LocalFault(
                "start", "gpg", error.strerror or str(error), hint="it must be installed, and let us run it"
            ) from error
        return self._process

    def _watch(self) -> None:
        life, since = self._look(), time.monotonic()
        while not self._is_over.wait(_LOOK_SECONDS):
            now = self._look()
            if now != life:
                life, since = now, time.monotonic()
            if time.monotonic() - since >= self._patience_seconds:
                self._has_given_up = True
            if self._has_given_up or self._stop.is_set():
                self._kill()

    def _look(self) -> tuple[object, object]:
        return self._process and self._process.pid, self._get_life()

    def _kill(self) -> None:
        # Not by its own return code: what it started may hold its pipes open, which is what we wait for.
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


class _Gpg(gnupg.GPG):  # type: ignore[misc] # python-gnupg publishes no types
    """python-gnupg, which asks ``start`` for its processes."""

    def __init__(
        self, home: Path, start: Callable[[Sequence[str], dict[str, str] | None], subprocess.Popen[bytes]]
    ) -> None:
        self._start = start
        passed_on = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith("LC_")}
        super().__init__(gnupghome=str(home), options=_OPTIONS, env=passed_on)
        self.encoding = "utf-8"
        self.buffer_size = BUFFER_BYTES

    def _open_subprocess(self, args: list[str], passphrase: bool = False) -> subprocess.Popen[bytes]:  # noqa: FBT001, FBT002 - the base class's signature
        return self._start(self.make_args(args, passphrase), self.env)


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
