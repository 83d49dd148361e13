"""Attacks by paths: no id, name or address of a caller's leads to a place of their choice.

Refused elsewhere: ids in the API (tests/integration/test_api_errors.py), on the websockets
(tests/integration/test_consumers_refusals.py), files outside /static/
(tests/integration/test_static_files.py), paths of output files and links in them
(tests/security/test_outputs.py).
"""

import re
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.integration.api_client import API, fetch
from tests.security.conftest import Town

OF_A_SESSION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNKNOWN = "00000000-0000-4000-8000-000000000000"
#: What is given in the place of an id.
IDS = [
    "..",
    "../..",
    "../../../../etc/passwd",
    "/etc/passwd",
    f"{UNKNOWN}/../../../state",
    f"../sessions/{UNKNOWN}",
    "....//....//etc",
    "..\\..\\etc",
    "index.json",
    "*",
    "",
    ".",
    f"{UNKNOWN}\n",
    f" {UNKNOWN}",
    f"{UNKNOWN}.json",
    f"{{{UNKNOWN}}}",
    UNKNOWN.replace("-", "–"),
    "०" * 8 + UNKNOWN[8:],  # digits that are no ASCII
    "A" * 5000,
    "-x",
    "--help-me",
    "$(touch pwned)",
    "; touch pwned #",
]
VERBS = ("status", "get", "log", "output-dir", "start", "stop", "pause", "pin", "retry")
PAGES = ("", "start", "stop", "pin", "update", "retry", "cleanup")


def strangers(*places: Path) -> dict[str, bytes]:
    """The files below directories that belong to no session and are not the index, and contents."""
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for place in places
        for path in place.rglob("*")
        if not OF_A_SESSION.search(str(path)) and path.name != "index.json"
    }


@pytest.mark.parametrize("given", IDS, ids=lambda text: text[:30])
def test_in_the_place_of_an_id_a_path_is_unknown_to_every_door(town: Town, given: str) -> None:
    before = strangers(town.site.workspace, town.site.log_dir)

    for verb in VERBS:
        done = town.site.script(verb, given, cwd=town.site.base)
        assert done.returncode in (2, 4), (verb, done)  # not understood, or not found
        assert b"root:" not in done.stdout
    done = town.site.script("update-status", given, "completed", cwd=town.site.base)
    assert done.returncode in (2, 4)
    for page in PAGES:
        for form in (quote(given, safe=""), quote(given)):
            path = f"/sessions/{form}/{page}"
            method = "POST" if page else "GET"
            reply = fetch(town.server, method, path, b"", town.root)
            assert reply.status in (403, 404), (path, reply)  # 403: a form without its token
    for tail in ("", "/log", "/outputs", "/outputs/x"):
        path = f"{API}/sessions/{quote(given, safe='')}{tail}"
        reply = fetch(town.server, "GET", path, headers=town.root)
        assert reply.status == 404 or not given, (path, reply)

    assert strangers(town.site.workspace, town.site.log_dir) == before
    assert not (town.site.base / "pwned").exists()


@pytest.mark.parametrize(
    "profile",
    ["../../etc/passwd", "/bin/sh", "..", "x\0y", "sample/../sample", "Sample", "x" * 999],
)
def test_a_profile_is_a_name_and_no_path(town: Town, profile: str) -> None:
    body = {"task": "x", "profile": profile}
    fetch(town.server, "POST", f"{API}/sessions", body, town.anna).problem(422, "invalid")
    fetch(town.server, "DELETE", f"{API}/holds/{quote(profile, safe='')}", None, town.root).problem(
        404, "not_found"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../../../etc/passwd",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/..%2f..%2fmanage.py",
        "/static/%252e%252e/manage.py",
        "/static/css/../../hiveweb/settings.py",
        "/static/..\\..\\manage.py",
        "/static/%00",
        "/static/css/tokens.css%00.html",
        "/static/css/",
        "/static/",
        "/static/../api/v1/sessions",
        "/static/../",
        "/login/../api/v1/sessions",
        "/healthz/../api/v1/sessions",
        "//etc/passwd",
    ],
)
def test_what_is_open_to_all_is_no_way_to_anything_else(town: Town, path: str) -> None:
    """/static/, /login and /healthz need no identity: nothing else hides behind their names."""
    reply = fetch(town.server, "GET", path, headers={"Cookie": ""})
    assert reply.status in (302, 400, 401, 404), reply
    for text in (b"root:", b"SECRET_KEY", b"sys.argv", b"next_cursor"):
        assert text not in reply.body
    if reply.status == 302:
        assert reply.headers["location"].startswith("/login")


def test_a_task_is_text_wherever_it_goes(town: Town) -> None:
    """Neither a shell nor a file name is ever made of it; the run gets it as one argument."""
    base = town.site.base / "injected"
    base.mkdir()
    task = f"$(touch {base}/a) `touch {base}/b`; touch {base}/c\n'\"\\ --exec=x ../../../{base}/d"
    metadata = {f"$(touch {base}/e)": f"'; touch {base}/f; '"}
    for number, form in enumerate((task, f"--priority={task}", f"-x {task}")):
        body = {"task": form, "metadata": metadata, "start": True}
        body["args"] = ["--echo-args", "--exit", "--seconds", "0", f"$(touch {base}/g{number})"]
        made = fetch(town.server, "POST", f"{API}/sessions", body, town.anna).json
        path = f"{API}/sessions/{made['session_id']}"
        over = fetch(town.server, "GET", f"{path}/wait?until=end&timeout=40", headers=town.anna)
        assert over.json["status"] == "completed", over
        assert over.json["task"] == form
    done = town.site.script("create", task, "high", '{"x": "$(touch pwned)"}', cwd=base)
    assert done.returncode == 0
    for words in (("cleanup", f"0; touch {base}/h"), ("cleanup", f"$(touch {base}/i)")):
        assert town.site.script(*words).returncode == 2
    assert not any(base.iterdir())
