"""People: one-time links, passwords, roles that end, tokens of their own, guesses."""

import json
import re

from tests.integration.api_client import API, Reply, fetch
from tests.integration.browsing import Browser, link, signed_in, token
from tests.support import Installation, Server, eventually

Headers = dict[str, str]


def call(server: Server, who: Headers, method: str, path: str, body: object = None) -> Reply:
    return fetch(server, method, API + path, body, who)


def test_the_first_start_shows_the_way_in_and_later_ones_do_not(site: Installation) -> None:
    site.env["HIVE_TOKEN"] = ""
    first = site.up()
    shown = eventually(lambda: re.findall(r"/login\?key=\S+", first.output), "a link")
    browser = Browser(first)
    assert browser.get(shown[0]).headers["location"] == "/"
    assert b"admin" in browser.get("/account").body
    assert browser.get("/").status == 200
    first.stop()

    again = site.up()

    eventually(lambda: "Ctrl-C" in again.output, "all to be said")
    assert "key=" not in again.output
    assert "hive link" in again.output
    assert Browser(again).get("/").status == 302
    browser_again = Browser(again)
    browser_again.cookies = browser.cookies
    assert browser_again.get("/").status == 200  # it is still signed in


def test_a_link_is_good_for_one_browser(house: Installation, door: Server) -> None:
    path = link(house)
    preview = fetch(door, "HEAD", path, headers={"Cookie": ""})
    assert all(line.startswith("hive_csrf") for line in preview.cookies)
    browser = Browser(door)
    assert browser.get(path).status == 302
    assert browser.get("/").status == 200
    again = Browser(door)
    reply = again.get(path)
    assert reply.status == 403
    assert b"already used" in reply.body
    assert again.get("/").status == 302
    assert Browser(door).get("/login?key=guess").status == 403


def test_a_user_chooses_a_password_signs_out_and_in(house: Installation, door: Server) -> None:
    done = house.script("user", "create", "carla", "--role", "operator")
    path = re.search(r"/login\?key=\S+", done.stdout.decode())
    assert path, done
    browser = Browser(door)
    assert browser.get(path[0]).headers["location"] == "/"
    weak = browser.post(
        "/account/password", form_at="/account", new_password1="carla", new_password2="carla"
    )
    assert weak.status == 422
    secret = "correct horse battery"
    chosen = browser.post(
        "/account/password", form_at="/account", new_password1=secret, new_password2=secret
    )
    assert chosen.status == 302
    assert browser.get("/").status == 200
    assert browser.post("/logout", form_at="/account").status == 302
    eventually(lambda: browser.get("/").status == 302, "it to be signed out", 3)
    old = dict(browser.cookies)

    assert browser.sign_in("carla", "wrong horse").status == 403
    assert browser.sign_in("nobody", secret).status == 403
    reply = browser.sign_in("carla", secret)

    assert (reply.status, reply.headers["location"]) == (302, "/")
    cookie = next(line for line in reply.cookies if not line.startswith("hive_csrf"))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert browser.cookies != old
    assert b"carla" in browser.get("/").body
    made = fetch(
        door, "POST", f"{API}/sessions", {"task": "x"}, {**browser.headers, "Origin": door.url}
    )
    assert made.json["owner"] == "carla"
    actions = [
        json.loads(line)
        for line in house.script("audit", "--json", "--limit", "50").stdout.splitlines()
    ]
    told = [(e["action"], e["principal"]) for e in actions]
    for expected in (
        ("signed_in", "carla"),
        ("signed_out", "carla"),
        ("sign_in_failed", "nobody"),
        ("password_changed", "carla"),
        ("created", "carla"),
    ):
        assert expected in told, expected
    assert secret not in str(actions)


def test_another_password_signs_other_browsers_out(house: Installation, door: Server) -> None:
    house.script("user", "create", "dora")
    first, second = (
        signed_in(door, house, "--user", "dora"),
        signed_in(door, house, "--user", "dora"),
    )
    secret = "correct horse battery"
    first.post("/account/password", form_at="/account", new_password1=secret, new_password2=secret)
    assert first.get("/").status == 200
    eventually(lambda: second.get("/").status == 302, "the other one to be signed out", 3)


def test_a_disabled_user_is_out_with_all_their_tokens(house: Installation, door: Server) -> None:
    house.script("user", "create", "emil")
    browser = signed_in(door, house, "--user", "emil")
    theirs = token(house, "emils", "administrator", "--user", "emil")
    who = call(door, theirs, "POST", "/sessions", {"task": "t"})
    assert who.json["owner"] == "emil"
    call(door, theirs, "GET", "/audit").problem(403, "forbidden")  # no more than emil may
    assert house.script("user", "disable", "emil").returncode == 0
    eventually(lambda: browser.get("/").status == 302, "the browser to be out", 3)
    eventually(lambda: call(door, theirs, "GET", "/sessions").status == 401, "the token", 3)
    house.script("user", "enable", "emil")
    eventually(lambda: call(door, theirs, "GET", "/sessions").status == 200, "to be in again", 3)


def test_tokens_of_ones_own_on_the_account_page(house: Installation, door: Server) -> None:
    house.script("user", "create", "fred")
    browser = signed_in(door, house, "--user", "fred")
    made = browser.post(
        "/account/tokens", form_at="/account", name="laptop", role="operator", lasts="90d"
    )
    shown = re.search(r"hivetok_[\w-]+", made.body.decode())
    assert shown
    bearer = {
        "Authorization": f"Bearer {re.findall(r'hivetok_[A-Za-z0-9_-]{51}', made.body.decode())[0]}"
    }
    assert call(door, bearer, "POST", "/sessions", {"task": "t"}).json["owner"] == "fred"
    greedy = browser.post(
        "/account/tokens", form_at="/account", name="more", role="administrator", lasts="90d"
    )
    assert greedy.status == 422
    taken = browser.post(
        "/account/tokens", form_at="/account", name="laptop", role="viewer", lasts=""
    )
    assert taken.status == 422
    other = signed_in(door, house)
    assert b"laptop" in other.get("/account").body  # the administrator sees them all
    stranger = signed_in(door, house, "--user", "fred")
    assert stranger.post("/account/tokens/revoke", form_at="/account", name="viewer").status == 302
    assert b"no valid token" in stranger.get("/account").body
    assert browser.post("/account/tokens/revoke", form_at="/account", name="laptop").status == 302
    eventually(lambda: call(door, bearer, "GET", "/sessions").status == 401, "to be revoked", 3)


def test_guesses_at_a_password_are_slowed_down(house: Installation, door: Server) -> None:
    house.script("user", "create", "gina")
    browser = signed_in(door, house, "--user", "gina")
    secret = "correct horse battery"
    browser.post(
        "/account/password", form_at="/account", new_password1=secret, new_password2=secret
    )
    thief, owner = Browser(door), Browser(door)
    answers = [thief.sign_in("gina", f"guess number {n}") for n in range(7)]
    assert [reply.status for reply in answers] == [403] * 5 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert b"Too many attempts" in answers[-1].body
    # a right one has to wait as well, so that nothing is learnt; a link needs no password
    assert owner.sign_in("gina", secret).status == 429
    assert owner.sign_in("GINA", secret).status == 429
    assert signed_in(door, house, "--user", "gina").get("/").status == 200
