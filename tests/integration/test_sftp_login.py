"""Logging in: which keys count, which host keys are trusted, and what a person reads when it fails."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sftp_orchestrator import errors
from sftp_orchestrator.deliver.sftp import connect
from tests.support.openssh import OpenSSH, make_key, read_public_key, run_openssh
from tests.support.paramiko_server import NoSftp, run_paramiko
from tests.support.remotes import connected


def get_fingerprint(key: Path) -> str:
    """Return the fingerprint that ssh-keygen shows for ``key``."""
    said = subprocess.run(["ssh-keygen", "-l", "-f", str(key)], check=True, capture_output=True, text=True)
    return said.stdout.split()[1]


def hash_names(known_hosts: Path) -> None:
    """Hash the hosts' names in ``known_hosts``, as HashKnownHosts does."""
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known_hosts)], check=True, capture_output=True)
    assert "127.0.0.1" not in known_hosts.read_text()


def change_form(key: Path, form: str, *, passphrase: str) -> None:
    """Write a private key anew as ssh-keygen's ``-m`` says, with the same passphrase."""
    change = ["ssh-keygen", "-p", "-q", "-m", form, "-P", passphrase, "-N", passphrase, "-f", str(key)]
    subprocess.run(change, check=True, capture_output=True)


def run(command: str) -> bytes:
    """Return what a command prints."""
    return subprocess.run(command.split(), check=True, capture_output=True).stdout


@pytest.fixture(params=[("rsa", "ed25519"), ("ecdsa", "rsa", "ed25519")], ids="+".join)
def many_keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenSSH]:
    """An OpenSSH server with several host keys."""
    with run_openssh(tmp_path / "openssh", host_key_algorithms=request.param) as server:
        yield server


async def test_a_pinned_key_is_asked_for_by_its_kind(many_keys: OpenSSH) -> None:
    """Whichever of the server's host keys is pinned, that one is shown."""
    for key in many_keys.folder.glob("host_*.pub"):
        pinned = " ".join(key.read_text().split()[:2])
        async with connected(many_keys.get_destination(host_keys=[pinned])) as remote:
            assert remote.host_key == f"{pinned.split()[0]} {get_fingerprint(key)}"


@pytest.mark.parametrize("host", ["sftp..example.com", "a" * 64 + ".example.com"])
async def test_a_name_that_no_host_can_have_is_told_in_one_line(openssh: OpenSSH, host: str) -> None:
    """An empty or too long part of the host's name is a mistake in the configuration, and the setting is named."""
    with pytest.raises(errors.ConfigurationError) as caught:
        await connect(openssh.get_destination(host=host), "production")
    assert "destinations.production.host" in str(caught.value)
    assert str(caught.value).isprintable()


async def test_one_of_several_pins_is_enough(openssh: OpenSSH, tmp_path: Path) -> None:
    """The key to come may be pinned beside the present one."""
    coming = read_public_key(make_key(tmp_path / "coming"))
    async with connected(openssh.get_destination(host_keys=[coming, openssh.host_key])) as remote:
        assert remote.is_usable


@pytest.mark.parametrize("form", ["[127.0.0.1]:{port}", "127.0.0.1", "[127.0.0.*]:{port}"])
@pytest.mark.parametrize("hashed", [False, True])
async def test_known_hosts(openssh: OpenSSH, tmp_path: Path, form: str, hashed: bool) -> None:  # noqa: FBT001 - parametrized
    """A known_hosts file counts as it does for OpenSSH: with a port, without, with patterns, and hashed."""
    if hashed and "*" in form:
        form = "[127.0.0.1]:{port}"  # a pattern cannot be hashed
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(
        f"# comment\n{form.format(port=openssh.port)} {openssh.host_key}\nother.example {openssh.host_key}\n"
    )
    if hashed:
        hash_names(known_hosts)
    async with connected(openssh.get_destination(host_keys=[], known_hosts=known_hosts)) as remote:
        assert remote.is_usable


async def test_a_pin_by_address_serves_a_name(openssh: OpenSSH, tmp_path: Path) -> None:
    """A host reached by its name may be pinned by its address."""
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{openssh.port} {openssh.host_key}\n")
    destination = openssh.get_destination(host="localhost", host_keys=[], known_hosts=known_hosts)
    async with connected(destination) as remote:
        assert remote.is_usable


async def test_a_changed_host_key_is_shown_beside_the_pinned_one(openssh: OpenSSH, tmp_path: Path) -> None:
    """A person sees both fingerprints and where to adopt the new key."""
    other = make_key(tmp_path / "other")
    with pytest.raises(errors.LoginRefused) as caught:
        await connect(openssh.get_destination(host_keys=[read_public_key(other)]), "production")
    assert get_fingerprint(openssh.folder / "host_ed25519") in caught.value.cause
    assert get_fingerprint(other) in caught.value.cause
    assert "destinations.production.host_keys" in str(caught.value)


async def test_a_pinned_key_is_shown_once_and_the_command_that_shows_the_new_one(
    openssh: OpenSSH, tmp_path: Path
) -> None:
    """A line of known_hosts that fits by name and by address is one pin; what to type has the port in it."""
    other = make_key(tmp_path / "other")
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{openssh.port} {read_public_key(other)}\n")
    with pytest.raises(errors.LoginRefused) as caught:
        await connect(openssh.get_destination(host_keys=[], known_hosts=known_hosts), "production")
    assert caught.value.cause.count(get_fingerprint(other)) == 1
    assert f"`ssh-keyscan -p {openssh.port} 127.0.0.1`" in str(caught.value.hint)


async def test_a_host_key_of_another_kind_is_shown_too(openssh: OpenSSH, tmp_path: Path) -> None:
    """Also when the server has no key of the pinned kind at all."""
    other = make_key(tmp_path / "other", algorithm="ecdsa")
    with pytest.raises(errors.LoginRefused) as caught:
        await connect(openssh.get_destination(host_keys=[read_public_key(other)]), "production")
    assert get_fingerprint(openssh.folder / "host_ed25519") in caught.value.cause


async def test_a_host_that_known_hosts_does_not_name_is_refused(openssh: OpenSSH, tmp_path: Path) -> None:
    """An unknown host is never trusted on first use, and nothing is written."""
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"other.example {openssh.host_key}\n")
    before = known_hosts.read_bytes()
    with pytest.raises(errors.LoginRefused, match="none for this host"):
        await connect(openssh.get_destination(host_keys=[], known_hosts=known_hosts), "production")
    assert known_hosts.read_bytes() == before


async def test_what_is_said_of_an_unknown_host_lets_it_in(openssh: OpenSSH, tmp_path: Path) -> None:
    """The command in the hint prints lines that begin as the hint says, and with them the host is known."""
    known_hosts = tmp_path / "known_hosts"
    known_hosts.touch()
    destination = openssh.get_destination(host_keys=[], known_hosts=known_hosts)
    with pytest.raises(errors.LoginRefused) as caught:
        await connect(destination, "production")
    found = re.fullmatch(r".*`(ssh-keyscan [^`]+)` prints: a line that begins with (\S+)", str(caught.value.hint))
    assert found is not None
    known_hosts.write_bytes(run(found[1]))
    assert known_hosts.read_text().startswith(f"{found[2]} ")
    async with connected(destination) as remote:
        assert remote.is_usable


async def test_a_revoked_host_key_is_refused(openssh: OpenSSH, tmp_path: Path) -> None:
    """@revoked in known_hosts outweighs a pin."""
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"@revoked * {openssh.host_key}\n")
    with pytest.raises(errors.LoginRefused, match="revoked"):
        await connect(openssh.get_destination(known_hosts=known_hosts), "production")


async def test_an_unregistered_key_is_named_by_its_fingerprint(openssh: OpenSSH, tmp_path: Path) -> None:
    """Who has to register the key learns which, and for whom."""
    stranger = make_key(tmp_path / "stranger")
    with pytest.raises(errors.LoginRefused) as caught:
        await connect(openssh.get_destination(private_key={"file": stranger}), "production")
    assert get_fingerprint(stranger) in str(caught.value)
    assert f"for user {openssh.username}" in str(caught.value)


async def test_no_other_key_is_tried(openssh: OpenSSH, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the keys and settings in ~/.ssh nor an agent take part."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_bytes(openssh.private_key.read_bytes())
    (home / ".ssh" / "id_ed25519").chmod(0o600)
    (home / ".ssh" / "config").write_text(f"Host *\n  IdentityFile {openssh.private_key}\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "no agent here"))
    with pytest.raises(errors.LoginRefused):
        await connect(openssh.get_destination(private_key={"file": make_key(tmp_path / "stranger")}), "production")


async def test_an_encrypted_key_opens_with_its_passphrase(openssh: OpenSSH, tmp_path: Path) -> None:
    """A key in OpenSSH's format with a passphrase works; a line end after the passphrase does not count."""
    key = make_key(tmp_path / "locked", passphrase="open sesame")
    (openssh.folder / "authorized_keys").write_text(read_public_key(key) + "\n")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("open sesame\n")
    passphrase.chmod(0o600)
    destination = openssh.get_destination(private_key={"file": key}, private_key_passphrase={"file": passphrase})
    async with connected(destination) as remote:
        assert remote.is_usable


@pytest.mark.parametrize("form", ["OPENSSH", "PEM", "PKCS8"])
@pytest.mark.parametrize(
    ("passphrase", "said"),
    [
        (None, "it is locked with a passphrase; set destinations.production.private_key_passphrase"),
        ("wrong", "the passphrase does not open it; check destinations.production.private_key_passphrase"),
    ],
)
async def test_a_locked_key_is_a_configuration_error(
    openssh: OpenSSH, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, passphrase: str | None, said: str
) -> None:
    """A missing or wrong passphrase is told with the key of the configuration, whatever the key's form."""
    key = make_key(tmp_path / "locked", algorithm="rsa", passphrase="open sesame")
    if form != "OPENSSH":
        change_form(key, form, passphrase="open sesame")
    monkeypatch.setenv("PASSPHRASE", passphrase or "")
    reference = {"env": "PASSPHRASE"} if passphrase else None
    destination = openssh.get_destination(private_key={"file": key}, private_key_passphrase=reference)
    with pytest.raises(errors.ConfigurationError, match=r"destinations\.production\.private_key") as caught:
        await connect(destination, "production")
    assert str(caught.value).endswith(said)


async def test_a_file_that_is_no_private_key_is_a_configuration_error(openssh: OpenSSH, tmp_path: Path) -> None:
    """The public half is told from something else, with what to do."""
    public = tmp_path / "id_ed25519.pub"
    public.write_bytes(openssh.private_key.with_name("id_ed25519.pub").read_bytes())
    other = tmp_path / "id_other"
    other.write_text("nonsense")
    said = {public: "it is a public key, the private one is wanted; ", other: "it is no private SSH key; ssh-keygen "}
    for path, cause in said.items():
        path.chmod(0o600)
        with pytest.raises(errors.ConfigurationError, match=cause):
            await connect(openssh.get_destination(private_key={"file": path}), "production")


async def test_malformed_pins_are_configuration_errors(openssh: OpenSSH, tmp_path: Path) -> None:
    """A pin or a known_hosts file that cannot be read is named."""
    with pytest.raises(errors.ConfigurationError, match=r"host_keys\[1\]"):
        await connect(openssh.get_destination(host_keys=[openssh.host_key, "nonsense"]), "production")
    known_hosts = tmp_path / "known_hosts"
    with pytest.raises(errors.ConfigurationError, match="No such file"):
        await connect(openssh.get_destination(known_hosts=known_hosts), "production")
    known_hosts.write_text("nonsense\n")
    with pytest.raises(errors.ConfigurationError, match="not a known_hosts file"):
        await connect(openssh.get_destination(known_hosts=known_hosts), "production")


async def test_nobody_listens(openssh: OpenSSH) -> None:
    """A refused connection is unreachable, and says where, and what to look at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(errors.Unreachable) as caught:
            await connect(openssh.get_destination(port=port), "production")
    assert caught.value.cause == f"nothing listens at 127.0.0.1:{port}"
    assert "destinations.production.host and port" in str(caught.value.hint)


async def test_a_name_that_does_not_resolve(openssh: OpenSSH) -> None:
    """A host without an address is unreachable: the name service may be back later."""
    with pytest.raises(errors.Unreachable, match=r"the name nowhere\.invalid (is not known|cannot be looked up now); "):
        await connect(openssh.get_destination(host="nowhere.invalid"), "production")


async def test_a_silent_server_is_given_up(openssh: OpenSSH) -> None:
    """A server that takes the connection and says nothing costs no more than the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        destination = openssh.get_destination(port=silent.getsockname()[1], timeout_seconds=0.3)
        with pytest.raises(errors.Unreachable, match=r"no answer within 0\.3 s"):
            await connect(destination, "production")


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-1.5-old\r\n", b"Exceeded MaxStartups\r\n"]
)
async def test_something_else_answers(openssh: OpenSSH, greeting: bytes) -> None:
    """Whatever else answers on the port is a failure of ours, never a foreign exception."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises((errors.Unreachable, errors.ReceiverRefused)):
            await connect(openssh.get_destination(port=port, timeout_seconds=5), "production")


async def test_a_server_without_sftp_refuses(tmp_path: Path) -> None:
    """A login without SFTP is a permanent refusal with a hint."""
    with (
        run_paramiko(tmp_path / "receiver", logins=NoSftp) as server,
        pytest.raises(errors.ReceiverRefused, match="SFTP"),
    ):
        await connect(server.get_destination(), "production")


async def test_a_cancelled_login_leaves_nothing(openssh: OpenSSH) -> None:
    """A login may be given up at any moment."""
    task = asyncio.create_task(connect(openssh.get_destination(), "production"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
