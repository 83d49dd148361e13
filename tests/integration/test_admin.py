"""Django's admin: who is let in, what is shown and what never, and that nothing can be changed."""

import hashlib
import re

import pytest

from tests.integration.api_client import fetch
from tests.integration.browsing import Browser, signed_in, token
from tests.support import Installation, Server

LISTS = ["agentsession", "sessionevent", "auditevent", "apitoken"]
PAGES = [f"/admin/sessions_app/{name}/" for name in LISTS] + ["/admin/auth/user/"]


@pytest.fixture(scope="module")
def root(house: Installation, door: Server) -> Browser:
    """An administrator's browser."""
    return signed_in(door, house)


@pytest.fixture(scope="module")
def secrets(house: Installation, door: Server) -> dict[str, str]:
    """A token, its digest, and the id of a session with <b> in its task."""
    header = token(house, "robot", "operator")
    text = header["Authorization"].split()[1]
    made = fetch(door, "POST", "/api/v1/sessions", {"task": "<b>bold</b> plan"}, header)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"text": text, "digest": digest, "id": made.json["session_id"]}


def test_only_administrators_who_are_signed_in_come_in(house: Installation, door: Server) -> None:
    nobody = fetch(door, "GET", "/admin/")
    assert (nobody.status, nobody.headers["location"]) == (302, "/login?next=%2Fadmin%2F")
    program = fetch(door, "GET", "/admin/", headers=token(house, "admins", "administrator"))
    assert program.status == 403
    for role in ("viewer", "operator"):
        house.script("user", "create", f"a-{role}", "--role", role)
        browser = signed_in(door, house, "--user", f"a-{role}")
        for path in ("/admin/", *PAGES, "/admin/nowhere/", "/admin/jsi18n/"):
            assert browser.get(path).status == 403, path
        assert b'href="/admin/"' not in browser.get("/").body


def test_what_django_calls_staff_plays_no_part(house: Installation, door: Server) -> None:
    house.script("user", "create", "staffer", "--role", "operator")
    code = "from django.contrib.auth.models import User; User.objects.update(is_staff=True)"
    assert house.manage("shell", "-v0", "-c", code).returncode == 0

    assert signed_in(door, house, "--user", "staffer").get("/admin/").status == 403


def test_rows_are_found_and_shown(root: Browser, secrets: dict[str, str]) -> None:
    assert b'href="/admin/"' in root.get("/").body
    assert root.get("/admin/").status == 200
    for path in PAGES:
        page = root.get(path).body.decode()
        row = re.search(rf'href="({path}[^/"]+/change/)[^"]*"', page)
        assert row, path
        assert root.get(row[1]).status == 200
    found = root.get(f"/admin/sessions_app/agentsession/?q={secrets['id'][:13]}").body.decode()
    assert "&lt;b&gt;bold&lt;/b&gt; plan" in found
    assert "<b>bold" not in found
    assert f'href="/sessions/{secrets["id"]}/"' in found
    assert "plan" not in root.get("/admin/sessions_app/agentsession/?q=zzz").body.decode()
    failed = root.get("/admin/sessions_app/agentsession/?status__exact=failed&reason=stopped")
    assert failed.status == 200
    assert "plan" not in failed.body.decode()
    trail = root.get(f"/admin/sessions_app/auditevent/?q={secrets['id']}").body.decode()
    assert "token:robot" in trail


def test_no_hash_is_shown_or_can_be_asked_for(root: Browser, secrets: dict[str, str]) -> None:
    tokens, people = "/admin/sessions_app/apitoken/", "/admin/auth/user/"
    page = root.get(f"{tokens}?q=robot").body.decode()
    row = re.search(rf'href="({tokens}\d+/change/)[^"]*"', page)
    user = re.search(rf'href="({people}\d+/change/)[^"]*"', root.get(people).body.decode())
    assert row
    assert user
    for shown in (page, root.get(row[1]).body.decode(), root.get(user[1]).body.decode()):
        for secret in (
            secrets["digest"],
            secrets["text"],
            secrets["digest"][:12],
            "pbkdf2",
            "assword",
        ):
            assert secret not in shown, secret
    beginning = secrets["digest"][:2]
    for path in (
        f"{tokens}?digest={secrets['digest']}",
        f"{tokens}?digest__startswith={beginning}",
        f"{tokens}?user__password__startswith=p",
        f"{tokens}?_to_field=digest",
        f"{people}?password__startswith=p",
        "/admin/sessions_app/agentsession/?task__regex=(a%2B)%2B",
    ):
        assert root.get(path).status == 400, path
    found = root.get(f"{tokens}?q={secrets['digest']}").body.decode()
    assert "robot" not in found.partition('id="changelist-form"')[2]


def test_nothing_can_be_changed(root: Browser, secrets: dict[str, str]) -> None:
    session = f"/admin/sessions_app/agentsession/{secrets['id']}"
    before = root.get(f"{session}/change/").body.decode()
    assert 'name="_save"' not in before
    for path in PAGES:
        for refused in (
            root.get(f"{path}add/"),
            root.post(f"{path}add/", form_at=path, username="mallory", password1="x"),
            root.post(f"{path}1/delete/", form_at=path, post="yes"),
            root.get(f"{path}1/history/"),
        ):
            assert refused.status == 403, path
        assert root.post(path, action="delete_selected", _selected_action="1").status in (200, 302)
    assert root.post(f"{session}/change/", status="completed").status == 403
    assert root.post(f"{session}/delete/", form_at=f"{session}/change/", post="yes").status == 403
    after = root.get(f"{session}/change/").body.decode()
    assert re.sub(r'value="\w+"', "", after) == re.sub(r'value="\w+"', "", before)
    for path in PAGES:
        assert root.get(path).body.count(b'class="field-') > 0


def test_other_sites_get_nothing_from_it(root: Browser, door: Server) -> None:
    evil = {"Origin": "https://evil.example"}
    assert fetch(door, "POST", PAGES[0], b"", {**root.headers, **evil}).status == 403
    assert fetch(door, "POST", PAGES[0], b"", {**root.headers, "Origin": door.url}).status == 403
    framed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert fetch(door, "GET", PAGES[0], headers={**root.headers, **framed}).status == 403
    assert (
        fetch(door, "GET", "/admin/", headers={**root.headers, "Host": "x.example"}).status == 400
    )


def test_ways_in_and_out_are_our_own(root: Browser) -> None:
    for path in ("login/", "logout/", "password_change/", "autocomplete/", "r/1/1/", "auth/group/"):
        assert root.get(f"/admin/{path}").status == 404, path
    page = root.get("/admin/").body.decode()
    assert 'action="/logout"' in page
    assert "password_change" not in page


def test_its_files_are_served(door: Server) -> None:
    for name in ("css/base.css", "css/dark_mode.css", "js/theme.js"):
        assert fetch(door, "GET", f"/static/admin/{name}").status == 200
