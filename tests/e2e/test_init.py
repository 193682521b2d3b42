"""``init`` as a process: from an empty folder to a file that is delivered, with and without questions."""

from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
import yaml

from sftp_orchestrator.sandbox.activity import Event, read_activity
from tests.support.configuration import generate_host_key
from tests.support.sandboxes import SandboxReceiver, run_sandbox
from tests.support.service import COMMAND, DEADLINE_SECONDS, Answer, call
from tests.support.terminals import Terminal, run_at_terminal

EVENTS = "event_name,time_stamp,user_id,amount\nSold,1790000000,u1,2.5\nSold,1790000001,u2,3.5\n"
PROFILES = "user_id,Name\nu1,Ada\nu2,Bob\n"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxReceiver]:
    """A receiver on this machine; it takes the keys in ``authorized_keys``, which it reads at every login."""
    authorized = tmp_path / "authorized_keys"
    authorized.write_text(f"{generate_host_key()} of somebody else\n", encoding="utf-8")
    with run_sandbox(tmp_path / "receiver", authorized_keys=authorized) as sandbox:
        yield sandbox


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A small file of events."""
    path = tmp_path / "purchases_1.csv"
    path.write_text(EVENTS, encoding="utf-8")
    return path


async def _init(folder: Path, *arguments: str) -> Answer:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "init", "box", *arguments, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return Answer(code=process.returncode, out=out.decode(), errors=errors.decode())


def _get_options(sandbox: SandboxReceiver, sample: Path) -> list[str]:
    access = sandbox.access
    return [
        *("--host", access.host, "--port", str(access.port), "--username", "1000000000"),
        *("--client-email", "data-team@example.com", "--sample", str(sample)),
    ]


def _get_fingerprint(sandbox: SandboxReceiver) -> str:
    return asyncssh.import_public_key(sandbox.host_key).get_fingerprint("sha256")


def _register(folder: Path) -> None:
    shutil.copy(folder / "box" / "id_ed25519.pub", folder / "authorized_keys")


def _hurry(config: Path) -> None:
    """Let a file be complete at once, so that the test need not wait."""
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("\nfeeds:", "\nintake: {settle_seconds: 0}\n\nfeeds:"), encoding="utf-8")


async def test_one_command_without_questions_and_a_sample_is_delivered(
    tmp_path: Path, sandbox: SandboxReceiver, sample: Path
) -> None:
    """Key made, host key pinned by its fingerprint, encryption on, feed inferred; once registered, it delivers."""
    options = [
        *_get_options(sandbox, sample),
        *("--host-key-fingerprint", _get_fingerprint(sandbox)),
        *("--public-key", str(sandbox.access.openpgp_public_key), "--key-id", sandbox.access.key_id),
    ]
    first = await _init(tmp_path, *options)
    assert (first.code, first.errors) == (3, ""), first
    public = (tmp_path / "box" / "id_ed25519.pub").read_text(encoding="utf-8")
    assert f"\n{public}\nNext:\n" in first.out
    assert first.out.endswith(f"  2. Then look again: sftp-orchestrator init {tmp_path / 'box'}\n")

    await asyncio.to_thread(_register, tmp_path)
    again = await _init(tmp_path, *options)
    assert (again.code, again.errors) == (0, ""), again
    assert "ok  destination production: logged in to " in again.out
    is_warned = any(line.startswith("warning") for line in again.out.splitlines())
    assert ("Read first what is warned of above: " in again.out) == is_warned

    config = tmp_path / "box" / "config.yml"
    await asyncio.to_thread(_hurry, config)
    shutil.copy(sample, tmp_path / "box" / "staging")
    delivered = await call(config, "run", "--once")
    assert (delivered.code, delivered.out) == (0, "1 delivered (1 part, 83 B)\n"), delivered
    await asyncio.to_thread(sandbox.wait_until_idle)
    (taken,) = [entry for entry in read_activity(sandbox.activity) if entry.event is Event.TAKEN]
    assert (taken.details["rows"], taken.details["decrypted"], taken.details["violations"]) == (2, True, [])


async def test_secrets_are_ours_alone_and_the_rest_is_as_it_must_be(
    tmp_path: Path, sandbox: SandboxReceiver, sample: Path
) -> None:
    """Modes: the private key 0600, the workspace 0700, staging open to its group, the folder to nobody else."""
    answer = await _init(tmp_path, *_get_options(sandbox, sample), "--accept-new-host-key")
    assert answer.code == 3, answer
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "box", *(tmp_path / "box").iterdir())}
    assert modes == {
        "box": 0o750,
        "config.yml": 0o640,
        "id_ed25519": 0o600,
        "id_ed25519.pub": 0o644,
        "known_hosts": 0o644,
        "staging": 0o2770,
        "workspace": 0o700,
    }


async def test_several_samples_become_a_feed_a_kind(tmp_path: Path, sandbox: SandboxReceiver, sample: Path) -> None:
    """Files with the same columns are one feed, others their own."""
    (tmp_path / "customers.csv").write_text(PROFILES, encoding="utf-8")
    (tmp_path / "purchases_2.csv").write_text(EVENTS.replace("u1", "u3"), encoding="utf-8")
    more = [part for name in ("customers.csv", "purchases_2.csv") for part in ("--sample", str(tmp_path / name))]
    answer = await _init(tmp_path, *_get_options(sandbox, sample), *more, "--accept-new-host-key")
    assert answer.code == 3, answer
    feeds = yaml.safe_load((tmp_path / "box" / "config.yml").read_text(encoding="utf-8"))["feeds"]
    assert {name: feed["type"] for name, feed in feeds.items()} == {"purchases": "event", "customers": "profile"}


async def test_what_is_not_said_is_one_error_with_every_option(tmp_path: Path) -> None:
    """Where nobody can be asked, the options that are missing are told at once, and nothing is written."""
    answer = await _init(tmp_path, "--username", "1000000000")
    assert (answer.code, answer.out, answer.errors.count("\n")) == (2, "", 1)
    for option in ("--host,", "--client-email", "--sample or --feed-type", "--accept-new-host-key"):
        assert option in answer.errors
    assert "--username" not in answer.errors
    assert not (tmp_path / "box").exists()


async def test_another_host_key_than_expected_is_refused_and_nothing_written(
    tmp_path: Path, sandbox: SandboxReceiver, sample: Path
) -> None:
    """A fingerprint that the host does not show ends it with 3; both are told."""
    answer = await _init(
        tmp_path, *_get_options(sandbox, sample), "--host-key-fingerprint", "SHA256:0000000000000000000000000000"
    )
    assert (answer.code, answer.out) == (3, "")
    assert _get_fingerprint(sandbox) in answer.errors
    assert not (tmp_path / "box").exists()


async def test_what_is_there_is_kept(tmp_path: Path, sandbox: SandboxReceiver, sample: Path) -> None:
    """A second call with other answers changes nothing; ``--force`` writes configuration and pins anew."""
    options = _get_options(sandbox, sample)
    await _init(tmp_path, *options, "--accept-new-host-key")
    before = {path.name: path.read_bytes() for path in (tmp_path / "box").iterdir() if path.is_file()}
    other = await _init(tmp_path, *options, "--username", "2000000000")
    assert (other.code, other.out) == (2, "")
    assert "says '1000000000' where --username says '2000000000'" in other.errors
    forced = await _init(tmp_path, *options, "--username", "2000000000", "--accept-new-host-key", "--force")
    assert forced.code == 3, forced
    after = {path.name: path.read_bytes() for path in (tmp_path / "box").iterdir() if path.is_file()}
    assert {name for name in after if after[name] != before[name]} == {"config.yml"}


async def test_a_sample_beside_a_configuration_is_held_against_its_feed(
    tmp_path: Path, sandbox: SandboxReceiver, sample: Path
) -> None:
    """What changed in the file is told by its columns, with the command that prints the entry; nothing is written."""
    options = [*_get_options(sandbox, sample), "--accept-new-host-key"]
    await _init(tmp_path, *options)
    config = tmp_path / "box" / "config.yml"
    before = config.read_bytes()
    command = f"`sftp-orchestrator infer {sample}`"
    same = await _init(tmp_path, *options)
    assert f"--sample {sample}: feed purchases maps it as {command} proposes.\n" in same.out
    await asyncio.to_thread(sample.write_text, EVENTS.replace("amount", "colour"), encoding="utf-8")
    changed = await _init(tmp_path, *options)
    assert changed.code == 3, changed
    assert (
        f"feed purchases is left as it was, though {command} proposes another entry, to be pasted there: "
        in changed.out
    )
    assert "columns that the feed does not map: colour; columns that are gone: amount." in changed.out
    assert config.read_bytes() == before


async def test_nothing_that_is_said_again_is_passed_over(
    tmp_path: Path, sandbox: SandboxReceiver, sample: Path
) -> None:
    """Each option is compared with what is there, and refused by its name in one line; the same ones change nothing."""
    key = tmp_path / "other_key"
    key.touch(mode=0o600)
    key.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    same = [*_get_options(sandbox, sample), "--accept-new-host-key", "--staging", str(tmp_path / "box" / "staging")]
    await _init(tmp_path, *same)
    for option, value in (
        ("--host", "not a host"),
        ("--host-key-fingerprint", "SHA256:0000000000000000000000000000"),
        ("--staging", str(tmp_path / "elsewhere")),
        ("--workspace", str(tmp_path / "elsewhere")),
        ("--private-key", str(key)),
        ("--passphrase-file", str(key)),
        ("--public-key", str(sandbox.access.openpgp_public_key)),
        ("--sample", str(tmp_path / "customers.csv")),
        ("--feed-type", "profile"),
    ):
        other = await _init(tmp_path, *same, option, value)
        assert (other.code, other.out, other.errors.count("\n")) == (2, "", 1), (option, other)
        assert option in other.errors
        assert "--force writes it anew" in other.errors or option in {"--host", "--sample"}
    own = ["--host-key-fingerprint", _get_fingerprint(sandbox), "--private-key", str(tmp_path / "box" / "id_ed25519")]
    kept = await _init(tmp_path, *same, *own)
    assert (kept.code, kept.errors) == (3, ""), kept
    assert " is there and is kept; --force writes it anew.\n" in kept.out


async def test_a_pgp_key_that_cannot_encrypt_is_refused(tmp_path: Path, sandbox: SandboxReceiver, sample: Path) -> None:
    """What is no public key is told by its option, before anything is written."""
    answer = await _init(
        tmp_path,
        *_get_options(sandbox, sample),
        *("--accept-new-host-key", "--public-key", str(sample), "--key-id", sandbox.access.key_id),
    )
    assert (answer.code, answer.out) == (2, "")
    assert answer.errors.startswith(f"sftp-orchestrator: use --public-key {sample}: it holds no OpenPGP key")
    assert not (tmp_path / "box").exists()


def _answer_all(terminal: Terminal, sandbox: SandboxReceiver, sample: Path) -> int:
    terminal.answer("Host, or region", "not a host")
    terminal.expect("not a host: must be a host name or an address")
    terminal.answer("Host, or region", sandbox.access.host)
    terminal.answer("Port [22]", str(sandbox.access.port))
    terminal.answer("User name", "1000000000")
    terminal.answer("E-mail", "data-team@example.com")
    terminal.answer("A typical file", "/no/such/file")
    terminal.expect("there is no such file")
    terminal.answer("A typical file", str(sample))
    terminal.answer("Another one", "")
    terminal.answer("OpenPGP key to encrypt", str(sandbox.access.openpgp_public_key))
    terminal.answer("Key ID", sandbox.access.key_id)
    terminal.expect(f"  ssh-ed25519 {_get_fingerprint(sandbox)}")
    terminal.answer("Is it what the receiver published", "y")
    terminal.expect("y: must be yes, no or a fingerprint")
    terminal.answer("Is it what the receiver published", "yes")
    return terminal.end()


async def test_questions_are_asked_at_a_terminal(tmp_path: Path, sandbox: SandboxReceiver, sample: Path) -> None:
    """A person who knows his account is led to the public key to register, and what is wrong is asked again."""

    def talk() -> tuple[int, str]:
        with run_at_terminal("init", "box", folder=tmp_path) as terminal:
            return _answer_all(terminal, sandbox, sample), terminal.text

    code, text = await asyncio.to_thread(talk)
    assert code == 3, text
    public = (tmp_path / "box" / "id_ed25519.pub").read_text(encoding="utf-8")
    assert public in text
    # What is copied stays in one piece: the key, and paths.
    told = text.partition("\nSSH key")[2].splitlines()
    assert not [line for line in told if len(line) > 80 and not line.startswith(("ssh-ed25519 AAAA", "  /"))]


@pytest.mark.parametrize("said", ["no", "SHA256:0000000000000000000000000000", None])
async def test_who_does_not_trust_the_host_key_leaves_nothing(
    tmp_path: Path, sandbox: SandboxReceiver, sample: Path, said: str | None
) -> None:
    """A no, another fingerprint, or Ctrl-C at the last question: as if it had never been called."""
    options = _get_options(sandbox, sample)

    def talk() -> int:
        with run_at_terminal("init", "box", *options, folder=tmp_path) as terminal:
            terminal.answer("OpenPGP key to encrypt", "")
            terminal.expect("Is it what the receiver published")
            if said is None:
                terminal.interrupt()
            else:
                terminal.type(f"{said}\n")
            return terminal.end()

    assert await asyncio.to_thread(talk) == {"no": 2, None: 130}.get(said, 3)
    assert not (tmp_path / "box").exists()
