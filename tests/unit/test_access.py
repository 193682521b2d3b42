"""Who may use the page, told by headers alone."""

from __future__ import annotations

import socket

import pytest

from sftp_orchestrator.web.access import LONGEST_NAME, SESSION_SECONDS, Access, Visitor

TOKEN = "0123456789abcdef"
OTHER = "fedcba9876543210"


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_without_a_token_everybody_who_reaches_the_page_may_use_it() -> None:
    """Nobody has a name, whatever they say of themselves."""
    access = Access()
    assert not access.needs_login
    assert access.recognize({"x-forwarded-user": "anna"}, None) == Visitor()
    assert not access.is_token("")


def test_behind_a_proxy_its_word_names_the_visitor() -> None:
    """The history tells who decided, as the proxy knows them; what is no plain text is left out of it."""
    visitor = Access(behind_proxy=True).recognize({"x-forwarded-user": " an\x1bna " + "x" * 99}, None)
    assert visitor is not None
    assert visitor.signature.startswith("anna x")
    assert len(visitor.name) == LONGEST_NAME


@pytest.mark.parametrize("said", [f"Bearer {TOKEN}", f"bearer {TOKEN} "])
def test_a_script_shows_the_token_itself(said: str) -> None:
    """And is known as a script, which no other site can pose as."""
    visitor = Access(token=TOKEN).recognize({"authorization": said}, None)
    assert visitor == Visitor(is_script=True)


@pytest.mark.parametrize("said", ["Bearer", "Bearer ", f"Bearer {OTHER}", f"Bearer {TOKEN}x", "Bearer \u00fc"])
def test_another_token_is_none(said: str) -> None:
    """Even with a session beside it: who says something wrong is told."""
    access = Access(token=TOKEN)
    assert access.recognize({"authorization": said}, access.open_session("anna")) is None


def test_a_session_lasts_for_a_shift_and_over_a_restart() -> None:
    """It holds its visitor's name; another daemon with the same token knows it, until it is over."""
    clock = _Clock()
    cookie = Access(token=TOKEN, clock=clock).open_session("Anna Müller\n")
    again = Access(token=TOKEN, clock=clock)
    visitor = again.recognize({}, cookie)
    assert visitor is not None
    assert (visitor.name, visitor.signature, visitor.is_script) == ("Anna Müller", "Anna Müller (page)", False)
    clock.now += SESSION_SECONDS + 1
    assert again.recognize({}, cookie) is None


def test_a_session_of_our_own_making_alone_is_one() -> None:
    """Changed in any place, signed by another token, or made up: nobody is let in, and nothing breaks."""
    access = Access(token=TOKEN)
    cookie = access.open_session("anna")
    end, name, signature = cookie.split(".")
    made_up = (
        None,
        "",
        "..",
        "a.b.c",
        f"{int(end) + 1}.{name}.{signature}",
        f"{end}.{name}x.{signature}",
        f"{end}.{name}.{signature[:-1]}0" if signature[-1] != "0" else f"{end}.{name}.{signature[:-1]}1",
        f"{end}.{name}.\u00fc",
        Access(token=OTHER).open_session("anna"),
    )
    assert [access.recognize({}, one) for one in made_up] == [None] * len(made_up)


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("localhost", True),
        ("LOCALHOST:8765", True),
        ("127.0.0.1:8765", True),
        ("[::1]:8765", True),
        ("192.168.1.5", True),
        ("etl.example.com:443", True),
        (socket.gethostname(), True),
        ("evil.example.com", False),
        ("etl.example.com.evil.org", False),
        ("127.0.0.1.evil.org:8765", False),
        ("localhost.evil.org", False),
        ("", False),
        ("[", False),
    ],
)
def test_a_name_that_is_none_of_ours_is_known_as_such(host: str, is_known: bool) -> None:  # noqa: FBT001 - a case
    """Whoever has a name of their own lead here (DNS rebinding) comes by that name; an address cannot be made to."""
    assert Access(hosts=("etl.example.com",)).is_known_host(host) is is_known


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "same-origin", "host": "a"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://a", "host": "a"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://a", "host": "a"}, False),
        ({"sec-fetch-site": "none", "host": "a"}, False),
        ({"origin": "http://a:8765", "host": "a:8765"}, True),
        ({"origin": "http://a:8766", "host": "a:8765"}, False),
        ({"origin": "https://etl.example.com", "host": "127.0.0.1:8765"}, True),
        ({"origin": "https://evil.org", "host": "127.0.0.1:8765"}, False),
        ({"origin": "null", "host": "null"}, False),
        ({"origin": "null", "host": ""}, False),
        ({"host": "a"}, False),
    ],
)
def test_a_form_of_another_site_is_known_as_such(headers: dict[str, str], is_ours: bool) -> None:  # noqa: FBT001 - a case
    """By what the browser says of where it comes from; one that says nothing is not believed."""
    assert Access(hosts=("etl.example.com",)).is_same_origin(headers) is is_ours


def test_a_form_is_for_the_visitor_it_was_shown_to() -> None:
    """Its mark fits no other session, and no other daemon."""
    access = Access(token=TOKEN)
    anna, ben = Visitor(session="a"), Visitor(session="b")
    assert access.is_own_form(anna, access.mark_form(anna))
    assert not access.is_own_form(ben, access.mark_form(anna))
    assert not Access(token=TOKEN).is_own_form(anna, access.mark_form(anna))
    assert not access.is_own_form(anna, "")
