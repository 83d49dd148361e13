"""Which connection it is: what a configured proxy says, and nothing that anybody else says."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiveweb.proxies import Proxies, network_of, parse_address

PROXY = "10.0.0.1"
TRUSTED = Proxies(ipaddress.ip_network(text) for text in ("10.0.0.0/24", "fd00::/8", "::1"))
Headers = list[tuple[str, str]]


def scope(headers: Headers, peer: str | None = PROXY, kind: str = "http") -> dict[str, Any]:
    """The scope of a connection, as daphne makes it."""
    made: dict[str, Any] = {
        "type": kind,
        "root_path": "/app",
        "client": [peer, 4711] if peer else None,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    if kind == "http":  # daphne leaves it out of a websocket's
        made["scheme"] = "http"
    return made


def seen(headers: Headers, peer: str | None = PROXY, proxies: Proxies = TRUSTED) -> tuple[Any, str]:
    """The client's address and the scheme that everything behind us is told."""
    found = proxies.resolve(scope(headers, peer))
    return found["client"] and found["client"][0], found["scheme"]


FORGED = [
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "1"),
    ("X-Forwarded-Ssl", "on"),
    ("X-Forwarded", "for=203.0.113.9"),
    ("Forwarded", "for=203.0.113.9;proto=https;host=evil.example"),
    ("X-Real-IP", "203.0.113.9"),
    ("X_Forwarded_For", "203.0.113.9"),
    ("X-Forwarded_Proto", "https"),
    ("Daphne-Root-Path", "/static"),
    ("X-Scheme", "https"),
    ("Front-End-Https", "on"),
    ("Script-Name", "/x"),
    ("X-Original-URL", "/x"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("Remote-User", "root"),
]


@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.1", "10.0.1.1", "2001:db8::1", PROXY, None])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_nothing_of_it_reaches_what_is_behind_us(peer: str | None, kind: str) -> None:
    given = scope([("Host", "localhost"), *FORGED, ("Cookie", "a=b")], peer, kind)
    found = TRUSTED.resolve(given)
    assert found["headers"] == [(b"host", b"localhost"), (b"cookie", b"a=b")]
    assert found["root_path"] == ""


@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.1", "10.0.1.1", "2001:db8::1"])
def test_strangers_are_not_believed(peer: str) -> None:
    assert seen(FORGED, peer) == (peer, "http")
    assert seen(FORGED, peer, Proxies(())) == (peer, "http")
    found = TRUSTED.resolve(scope(FORGED, peer, "websocket"))
    assert (found["client"], found["scheme"]) == ([peer, 4711], "ws")


def test_by_default_no_proxy_is_believed() -> None:
    assert seen(FORGED, "127.0.0.1", Proxies(())) == ("127.0.0.1", "http")


def test_a_proxy_tells_address_and_scheme() -> None:
    told = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")]
    assert seen(told) == ("203.0.113.9", "https")
    assert seen(told, "::ffff:10.0.0.1") == ("203.0.113.9", "https")
    assert seen(told, "::1") == ("203.0.113.9", "https")
    found = TRUSTED.resolve(scope(told, kind="websocket"))
    assert (found["client"], found["scheme"]) == (["203.0.113.9", 0], "wss")
    assert seen([]) == (PROXY, "http")
    assert seen(told[1:]) == (PROXY, "https")
    assert seen([("X-Forwarded-Proto", "http")]) == (PROXY, "http")


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        # what the client sent stands to the left of what the proxy saw
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.9, 198.51.100.7", "198.51.100.7"),
        # further proxies of ours vouch for what stands to their left
        ("203.0.113.9, 198.51.100.7, 10.0.0.2, 10.0.0.3", "198.51.100.7"),
        ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
        # ports, brackets, other spellings
        ("198.51.100.7:1234", "198.51.100.7"),
        ("[2001:db8::7]:1234", "2001:db8::7"),
        ("[2001:DB8::7]", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        # what is no address ends it
        ("198.51.100.7, unknown", PROXY),
        ("198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("198.51.100.7, _hidden, ", PROXY),
        ("198.51.100.7, 10.0.0.2 198.51.100.8", PROXY),
        ("", PROXY),
        (" , ,", PROXY),
        ("localhost", PROXY),
        ("0x7f.1", PROXY),
        ('"198.51.100.7"', PROXY),
    ],
)
def test_the_rightmost_that_no_proxy_of_ours_is_counts(forwarded_for: str, client: str) -> None:
    assert seen([("X-Forwarded-For", forwarded_for)])[0] == client


def test_several_lines_are_one_list() -> None:
    lines = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "198.51.100.7")]
    assert seen(lines)[0] == "198.51.100.7"
    schemes = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")]
    assert seen(schemes)[1] == "http"
    assert seen([("X-Forwarded-Proto", "https, http")])[1] == "http"
    assert seen([("X-Forwarded-Proto", "http, HTTPS")])[1] == "https"
    assert seen([("X-Forwarded-Proto", "javascript")])[1] == "http"


def test_a_socket_without_addresses_has_no_proxy() -> None:
    assert seen(FORGED, None) == (None, "http")


def test_a_true_tls_connection_stays_one() -> None:
    given = {**scope([]), "scheme": "https"}
    assert TRUSTED.resolve(given)["scheme"] == "https"


@given(st.text(st.characters(max_codepoint=255)), st.text(st.characters(max_codepoint=255)))
def test_whatever_is_sent_the_last_word_is_the_proxys(forged: str, scheme: str) -> None:
    told = [
        ("X-Forwarded-For", forged),
        ("X-Forwarded-For", "198.51.100.7"),
        ("X-Forwarded-Proto", scheme),
        ("X-Forwarded-Proto", "http"),
        ("Forwarded", forged),
    ]
    assert seen(told) == ("198.51.100.7", "http")


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    found = parse_address(text)
    assert network_of(text) == text if found is None else network_of(text)
