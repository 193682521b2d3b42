"""What the options say, held against what an earlier set-up wrote: nothing that was said is passed over in silence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config.model import Configuration, Destination
from sftp_orchestrator.deliver.credentials import get_fingerprint, load_credentials, load_host_keys
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.intake.matching import explain_mismatch, list_matching_feeds
from sftp_orchestrator.prepare.given import require_file
from sftp_orchestrator.setting_up import host_keys
from sftp_orchestrator.setting_up.answers import Given
from sftp_orchestrator.setting_up.layout import Layout
from sftp_orchestrator.setting_up.login_key import provide_key

_Said = tuple[str, object, object]
"""An option, what it says, and what the configuration has."""


def require_same(layout: Layout, configuration: Configuration, given: Given) -> None:
    """Return where what is ``given`` by options is what an earlier set-up wrote. Blocking; may be repeated.

    Of several destinations, which somebody added since, one has to be as the options say; the nearest is told of.
    ``--accept-new-host-key`` contradicts no pin: what is pinned is what the host must show.

    Raises:
        ConfigurationError: an option says something else, or what it says cannot be read.
    """
    for contradiction in _list_contradictions(_list_places(configuration, given)):
        raise _refuse(layout, contradiction)
    _require_destination(layout, configuration, given)
    _require_feeds(layout, configuration, given)


def _require_destination(layout: Layout, configuration: Configuration, given: Given) -> None:
    nearest = sorted(
        configuration.destinations.items(), key=lambda one: len([*_list_contradictions(_list_words(one[1], given))])
    )
    found: list[str] = []
    for name, destination in nearest:
        contradiction = next(_contradict(layout, name, destination, given), None)
        if contradiction is None:
            return
        found.append(contradiction if len(nearest) == 1 else f"of destination {name} it {contradiction}")
    raise _refuse(layout, found[0])


def _contradict(layout: Layout, name: str, destination: Destination, given: Given) -> Iterator[str]:
    yield from _list_contradictions(_list_words(destination, given))
    yield from _list_contradictions(_list_keys(layout, name, destination, given))
    yield from _list_unpinned(name, destination, given)


def _list_contradictions(words: Iterable[_Said]) -> Iterator[str]:
    for option, said, written in words:
        if said is not None and said != written:
            yield f"says {written!r} where {option} says {said!r}"


def _list_places(configuration: Configuration, given: Given) -> Iterator[_Said]:
    yield "--staging", _locate(given.staging), _locate(configuration.staging)
    yield "--workspace", _locate(given.workspace), _locate(configuration.workspace)


def _list_words(destination: Destination, given: Given) -> Iterator[_Said]:
    encryption, passphrase = destination.encryption, destination.private_key_passphrase
    yield "--host", given.host, destination.host
    yield "--port", given.port, destination.port
    yield "--username", given.username, destination.username
    yield "--client-email", given.client_email, destination.client_email
    yield "--key-id", given.key_id, encryption.key_id if encryption is not None else None
    yield "--passphrase-file", _locate(given.passphrase_file), _locate(passphrase.file if passphrase else None)


def _list_keys(layout: Layout, name: str, destination: Destination, given: Given) -> Iterator[_Said]:
    if given.private_key is not None:
        ours = get_fingerprint(load_credentials(destination, name).key)
        yield "--private-key", provide_key(layout, given.private_key, given.passphrase_file).fingerprint, ours
    if given.public_key is not None:
        require_file("take in", given.public_key)
        key = destination.encryption.public_key if destination.encryption is not None else None
        is_same = key is not None and key.read(private=False) == given.public_key.read_bytes()
        written = "another OpenPGP key" if key is not None else "no OpenPGP key"
        yield "--public-key", str(given.public_key), str(given.public_key) if is_same else written


def _list_unpinned(name: str, destination: Destination, given: Given) -> Iterator[str]:
    """Yield where a key is trusted that has none of the fingerprints ``given``: somebody would believe it compared."""
    wanted = host_keys.to_bare(given.host_key_fingerprints)
    if not wanted:
        return
    pinned = load_host_keys(destination, name).list_fingerprints(destination.host, "", destination.port)
    found = host_keys.to_bare(text.rpartition(" ")[2] for text in pinned)
    if not found or not found <= wanted:
        said = ", ".join(given.host_key_fingerprints)
        yield f"pins {', '.join(pinned) or 'no key by itself'} where --host-key-fingerprint says {said}"


def _require_feeds(layout: Layout, configuration: Configuration, given: Given) -> None:
    feeds = configuration.feeds
    for sample in given.samples:
        fitting = list_matching_feeds(os.fsencode(sample.name), feeds)
        if not fitting:
            msg = f"it is there, and has no feed for --sample {sample}: {explain_mismatch(fitting, feeds)}"
            hint = f"`{COMMAND} infer {sample}` prints an entry to paste there"
            raise ConfigurationError("set up", str(layout.config), msg, hint=hint)
    types = {feed.type for feed in feeds.values()}
    if given.feed_type is not None and given.feed_type not in types:
        raise _refuse(layout, f"has no feed of --feed-type {given.feed_type}")


def _locate(path: Path | None) -> str | None:
    return str(path.resolve()) if path is not None else None


def _refuse(layout: Layout, contradiction: str) -> ConfigurationError:
    hint = "correct it there; --force writes it anew"
    return ConfigurationError("set up", str(layout.config), f"it is there, and {contradiction}", hint=hint)
