"""What ``init`` decides and how it puts it in place, without a receiver."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration, Destination
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError, LoginRefused
from sftp_orchestrator.inference.samples import Sample
from sftp_orchestrator.progress import Board
from sftp_orchestrator.setting_up import again, answers, feeds, host_keys, plan
from sftp_orchestrator.setting_up.layout import Content, Layout, find_layout, put
from sftp_orchestrator.setting_up.login_key import provide_key
from tests.support.configuration import FEEDS, get_values, write_configuration

RECEIVER = plan.make_receiver(host="sftp.example.com", port=2222, username="me")

NOTHING_GIVEN = answers.Given(
    host=None,
    port=None,
    username=None,
    client_email=None,
    samples=(),
    feed_type=None,
    private_key=None,
    passphrase_file=None,
    host_key_fingerprints=(),
    accepts_new_host_key=False,
    public_key=None,
    key_id=None,
    staging=None,
    workspace=None,
    is_forced=False,
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The usual places, in a folder that is not there yet."""
    return find_layout(tmp_path / "above" / "box", None, None)


def _make_plan(layout: Layout, **changes: Any) -> plan.Plan:
    facts: dict[str, Any] = {
        "layout": layout,
        "receiver": RECEIVER,
        "client_email": "data-team@example.com",
        "key": provide_key(layout, None, None),
        "host_keys": [asyncssh.generate_private_key("ssh-ed25519")],
        "openpgp": None,
        "feeds": feeds.render_plain_feed(FeedType.EVENT),
    }
    return plan.Plan(**(facts | changes))


def test_what_is_written_loads_and_says_what_was_decided(layout: Layout) -> None:
    """Relative paths, text in quotes where YAML would read a number, and nothing left to be filled in."""
    receiver = plan.make_receiver(host="10.0.0.1", port=22, username="0123")
    configuration = put(layout, _make_plan(layout, receiver=receiver).list_contents(), force=False, load=loading.load)
    destination = configuration.destinations["production"]
    assert (destination.host, destination.port, destination.username) == ("10.0.0.1", 22, "0123")
    assert (configuration.staging, configuration.workspace) == (layout.staging, layout.workspace)
    assert "private_key: {file: id_ed25519}" in layout.config.read_text(encoding="utf-8")
    assert {name: feed.type for name, feed in configuration.feeds.items()} == {"events": FeedType.EVENT}


@pytest.mark.parametrize("step", ["load", "write"])
def test_what_fails_halfway_leaves_nothing(layout: Layout, step: str) -> None:
    """Ctrl-C while the configuration is read, or a file that cannot be written: no file and no folder stays."""
    contents = _make_plan(layout).list_contents()
    expected: type[BaseException] = KeyboardInterrupt

    def interrupt(_: Path) -> Configuration:
        raise KeyboardInterrupt

    if step == "write":
        contents[layout.folder / "missing" / "file"] = Content(content=b"x")
        expected = Exception
    with pytest.raises(expected):
        put(layout, contents, force=False, load=interrupt)
    assert not layout.folder.parent.exists()


def test_what_fails_halfway_gives_back_what_was_there(layout: Layout) -> None:
    """With ``--force`` the earlier configuration, with its mode, is back after a failure."""
    put(layout, _make_plan(layout).list_contents(), force=False, load=loading.load)
    before = layout.config.read_bytes()
    layout.config.chmod(0o600)

    def refuse(path: Path) -> Configuration:
        assert path.read_bytes() != before
        raise ConfigurationError("load", str(path), "no")

    with pytest.raises(ConfigurationError):
        put(layout, _make_plan(layout, client_email="a@b.example").list_contents(), force=True, load=refuse)
    assert layout.config.read_bytes() == before
    assert layout.config.stat().st_mode & 0o777 == 0o600


def test_no_file_is_changed_without_a_word(layout: Layout) -> None:
    """A file that is there with another content is named, and everything stays as it is."""
    layout.folder.mkdir(parents=True)
    layout.known_hosts.write_text("other ssh-ed25519 AAAA\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="known_hosts: it is there, and is kept; --force writes it anew"):
        put(layout, _make_plan(layout).list_contents(), force=False, load=loading.load)
    assert [path.name for path in layout.folder.iterdir()] == ["known_hosts"]


def test_a_key_that_is_there_is_kept_and_another_taken_in(layout: Layout, tmp_path: Path) -> None:
    """Of three calls: a new key, the same once more, and then one of another kind under a name of its own."""
    first = provide_key(layout, None, None)
    put(layout, first.list_contents(), force=False, load=lambda _: None)  # type: ignore[arg-type,return-value]
    assert provide_key(layout, None, None).private == first.private
    other = tmp_path / "other"
    other.touch(mode=0o600)
    other.write_bytes(asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_private_key("openssh", "word"))
    with pytest.raises(ConfigurationError, match="locked with a passphrase; set --passphrase-file"):
        provide_key(layout, other, None)
    word = tmp_path / "word"
    word.touch(mode=0o600)
    word.write_text("word\n", encoding="utf-8")
    taken = provide_key(layout, other, word)
    assert (taken.path.name, taken.passphrase) == ("id_ecdsa", word)


def test_only_a_key_with_the_expected_fingerprint_is_pinned() -> None:
    """Of several keys that are shown those are chosen that somebody vouches for, else none is."""
    keys = [asyncssh.generate_private_key(kind) for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256")]
    said = keys[1].get_fingerprint("sha256")
    assert host_keys.choose(keys, [said], RECEIVER) == (keys[1],)
    with pytest.raises(LoginRefused, match="SHA256:") as caught:
        host_keys.choose(keys, ["SHA256:other"], RECEIVER)
    assert said in str(caught.value)


def test_pinned_keys_are_found_again(layout: Layout) -> None:
    """What was written to known_hosts is what a later call takes for pinned, for this host and port alone."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    layout.folder.mkdir(parents=True)
    layout.known_hosts.write_bytes(host_keys.render(RECEIVER, [key]))
    assert host_keys.list_pinned(layout.known_hosts, RECEIVER) == [f"ssh-ed25519 {key.get_fingerprint('sha256')}"]
    other = plan.make_receiver(host="sftp.example.com", port=22, username="me")
    assert host_keys.list_pinned(layout.known_hosts, other) == []


@pytest.mark.parametrize(
    ("typed", "host"),
    [("eu1", "eu1.sftp.clevertap.com"), (" in1 ", "in1.sftp.clevertap.com"), ("sftp.example.com", "sftp.example.com")],
)
def test_a_region_stands_for_its_host(typed: str, host: str) -> None:
    """CleverTap's regions by their short names, every other host as it is."""
    assert answers.HOST.take(typed) == host


@pytest.mark.parametrize("name", ["production", "archive"])
def test_a_set_up_is_the_same_where_any_of_its_destinations_is_as_the_options_say(tmp_path: Path, name: str) -> None:
    """Whoever added a second destination, before or behind, may call ``init`` again; a refusal names the nearest."""
    other = {**get_values()["destinations"]["production"], "host": "10.0.0.1", "username": "2000000000"}
    configuration = write_configuration(
        tmp_path,
        {"destinations": {"archive": other}, "feeds": {feed: {"destination": "production"} for feed in FEEDS}},
    ).configuration
    one = configuration.destinations[name]
    said = dataclasses.replace(NOTHING_GIVEN, host=one.host, username=one.username, private_key=one.private_key.file)
    layout = find_layout(tmp_path, None, None)
    again.require_same(layout, configuration, said)
    with pytest.raises(ConfigurationError, match=f"destination {name} it says {one.username!r} where --username says"):
        again.require_same(layout, configuration, dataclasses.replace(said, username="3000000000"))


def test_feeds_that_would_be_called_alike_are_numbered(tmp_path: Path) -> None:
    """Two kinds of files under one name stem become two feeds."""
    (tmp_path / "a").mkdir()
    (tmp_path / "export_1.csv").write_text("event_name,ts,user_id\nSold,1790000000,u1\n", encoding="utf-8")
    (tmp_path / "a" / "export_2.csv").write_text("user_id,Name\nu1,Ada\n", encoding="utf-8")
    samples = [Sample(path=path, name=path.name) for path in sorted(tmp_path.rglob("*.csv"), reverse=True)]
    assert [one.name for one in feeds.propose_feeds(samples, Board())] == ["export", "export_2"]


def test_what_to_read_first_is_named_where_there_is_any(tmp_path: Path) -> None:
    """Nobody looks for a warning that is not there; each that is has its subject."""
    configuration = write_configuration(tmp_path).configuration
    steps = list(plan.list_beginning(configuration, warned=(), doubts=0))
    assert [step.partition(" ")[0] for step in steps] == ["Drop", "Deliver", "Or"]
    warned = ("space", "feed purchases", "feed purchases")
    assert list(plan.list_beginning(configuration, warned=warned, doubts=2)) == [
        "Read first what is warned of above: space, feed purchases",
        "Read first the 2 comments in the configuration that begin with doubtful",
        *steps,
    ]
    first = next(plan.list_beginning(configuration, warned=warned, doubts=2, errors=1))
    assert first == "Put right first what stands below error in the configuration: else no file of it is sent"
    one = next(plan.list_beginning(configuration, warned=(), doubts=1))
    assert one == "Read first the comment in the configuration that begins with doubtful"


def test_what_to_do_next_names_the_dashboard_of_clevertap_alone(layout: Layout) -> None:
    """Where the key is pasted depends on whose receiver it is; the last step is always the command to look again."""
    put(layout, _make_plan(layout).list_contents(), force=False, load=loading.load)
    destination: Destination = loading.load(layout.config).destinations["production"]
    clevertap = destination.model_copy(update={"host": "eu1.sftp.clevertap.com"})
    assert "Saved Keys" in " ".join(plan.list_registering(clevertap, layout.folder))
    assert "CleverTap" not in " ".join(plan.list_registering(destination, layout.folder))
    assert list(plan.list_registering(clevertap, layout.folder))[-1].endswith(f"init {layout.folder}")


@pytest.mark.parametrize("text", ["127.0.0.1:2222", "sftp.example.com:22"])
def test_a_host_is_told_from_its_port_at_once(text: str) -> None:
    """Else all other questions come first, and a name that nobody knows is looked for."""
    with pytest.raises(ValueError, match="--port"):
        answers.get_host(text)
