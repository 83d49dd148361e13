"""What identities leave behind when they end, and what strangers cannot use up."""

import contextlib
import socket
import sqlite3
from collections.abc import Iterator

import pytest

from tests.integration.api_client import API, Stream, fetch, raw
from tests.integration.browsing import Browser, link, signed_in, token
from tests.integration.edges import MIB, memory
from tests.support import BEARER, Installation, Server, eventually, installation


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation."""
    with installation(tmp_path_factory.mktemp("limits") / "site") as made:
        yield made


@pytest.fixture(scope="module")
def door(house: Installation) -> Server:
    """Its server."""
    return house.up()


def _audited(server: Server, action: str) -> int:
    events = fetch(server, "GET", f"{API}/audit?limit=1000").json["events"]
    return sum(event["action"] == action for event in events)


def test_a_stream_that_ends_with_its_token_leaves_nothing_at_work(
    house: Installation, door: Server
) -> None:
    """Django runs a stream in tasks of its own, which must end, too."""
    brief = token(house, "brief", "viewer")
    with Stream(door, f"{API}/events", brief) as stream:
        assert house.script("token", "revoke", "brief").returncode == 0
        with contextlib.suppress(OSError):
            assert list(stream) == []
    assert house.script("list").returncode == 0  # a round trip later all has been said
    assert "never retrieved" not in door.output
    assert fetch(door, "GET", "/healthz").status == 200


def test_a_superuser_who_gets_a_lower_role_has_that_role(house: Installation, door: Server) -> None:
    made = house.manage(
        "shell",
        "-c",
        "from django.contrib.auth.models import User;"
        "User.objects.create_superuser('chief', password='correct horse battery')",
    )
    assert made.returncode == 0, made.stderr
    chief = signed_in(door, house, "--user", "chief")
    asks = f"{API}/audit"
    assert fetch(door, "GET", asks, headers=chief.headers).status == 200

    assert house.script("user", "role", "chief", "--role", "viewer").returncode == 0

    def refused() -> bool:
        return fetch(door, "GET", asks, headers=chief.headers).status == 403

    eventually(refused, "the role to count", 5)


def test_wrong_links_do_not_fill_the_audit_trail(door: Server) -> None:
    before = _audited(door, "sign_in_failed")
    for number in range(60):
        wrong = fetch(door, "GET", f"/login?key=wrong-{number}", headers={"Cookie": ""})
        assert wrong.status == 403
    assert 1 <= _audited(door, "sign_in_failed") - before <= 40


def test_who_has_a_browser_cannot_try_passwords_in_it(house: Installation, door: Server) -> None:
    house.script("user", "create", "hanna")
    browser = signed_in(door, house, "--user", "hanna")
    old, new = "correct horse battery", "another horse battery"
    form = {"form_at": "/account", "new_password1": new, "new_password2": new}
    first = {**form, "new_password1": old, "new_password2": old}
    assert browser.post("/account/password", **first).status == 302
    guesses = [browser.post("/account/password", **form, old_password="x") for _ in range(6)]
    assert [guess.status for guess in guesses] == [422] * 5 + [302]
    assert b"Too many attempts" in browser.get("/account").body
    browser.post("/account/password", **form, old_password=old)
    assert Browser(door).sign_in("hanna", new).status == 403, "a right one has to wait, too"


def test_only_one_line_of_cookies_counts(house: Installation, door: Server) -> None:
    """Of several Django would take another one than we, and they could cost a query each."""
    browser = signed_in(door, house)
    mine = f"Cookie: {browser.session_cookie}={browser.cookies[browser.session_cookie]}\r\n"
    other = f"Cookie: {browser.session_cookie}={'a' * 32}\r\n"
    for lines, status in ((mine, b"200"), (other + mine, b"401"), (mine + other, b"401")):
        head = f"GET {API}/me HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n"
        assert raw(door, head.encode()).split()[1] == status


@contextlib.contextmanager
def _without_room(house: Installation) -> Iterator[None]:
    """Nothing can be written into the audit trail."""
    with contextlib.closing(sqlite3.connect(house.database, timeout=20)) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON sessions_app_auditevent "
            "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        yield
        database.execute("DROP TRIGGER full")


def test_a_password_is_not_changed_where_that_cannot_be_told(
    house: Installation, door: Server
) -> None:
    house.script("user", "create", "ines")
    browser = signed_in(door, house, "--user", "ines")
    secret = "correct horse battery"
    with _without_room(house):
        form = {"form_at": "/account", "new_password1": secret, "new_password2": secret}
        assert browser.post("/account/password", **form).status == 500
    assert Browser(door).sign_in("ines", secret).status == 403
    assert browser.get("/").status == 200, "still signed in"


def test_a_link_is_not_used_up_where_that_cannot_be_told(house: Installation, door: Server) -> None:
    path, browser = link(house), Browser(door)
    with _without_room(house):
        refused = browser.get(path)
    assert refused.status == 503
    assert refused.headers["retry-after"]
    assert b"The database cannot be used now" in refused.body
    assert browser.get("/").status == 302, "nobody is signed in"
    assert browser.get(path).status == 302
    assert browser.get("/").status == 200


def test_a_websocket_that_says_more_than_is_heard_is_cut_off(
    house: Installation, door: Server
) -> None:
    """It may not fill the memory: daphne keeps whatever comes until somebody asks for it."""
    message = b'{"watch":[]}' + b" " * 15_000
    frame = b"\x81\xfe" + len(message).to_bytes(2, "big") + bytes(4) + message
    before = memory(door)
    with socket.create_connection(("127.0.0.1", door.port), 20) as loud:
        lines = (
            f"GET /ws/sessions HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Authorization: {BEARER['Authorization']}\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        loud.sendall(lines.encode())
        assert b" 101 " in loud.recv(4096)
        with pytest.raises(ConnectionError):
            loud.sendall(frame * 20_000)
    assert memory(door) - before < 64 * MIB
    assert fetch(door, "GET", "/healthz").status == 200
