"""ETags, changes that are made to what was seen only, chosen fields, names and pages."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from sessions_app.api import schemas
from tests.integration.api_client import API, Reply, create, fetch, get
from tests.support import Installation, Server


def again(server: Server, path: str, tag: str) -> Reply:
    """A GET of somebody who has the answer with this tag."""
    return fetch(server, "GET", API + path, headers={"If-None-Match": tag})


@pytest.mark.parametrize(
    "path",
    [
        "/sessions/ID",
        "/sessions/ID?fields=task,pinned",
        "/sessions/ID/status",
        "/sessions/ID/outputs",
        "/sessions?q=ID",
        "/sessions?q=ID&fields=session_id,status",
        "/registry",
    ],
)
def test_what_one_has_is_not_sent_again(
    shared_site: Installation, shared_server: Server, path: str
) -> None:
    session_id = create(shared_server)["session_id"]
    path = path.replace("ID", session_id)
    first = fetch(shared_server, "GET", API + path)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    # given nothing has changed
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        reply = again(shared_server, path, known)
        assert (reply.status, reply.body) == (304, b""), known
        assert reply.headers["etag"] == tag
        assert reply.headers["cache-control"] == "private, no-cache"
        assert "content-type" not in reply.headers
        assert reply.headers["content-length"] == str(len(first.body))
    head = fetch(shared_server, "HEAD", API + path, headers={"If-None-Match": tag})
    assert (head.status, head.headers["etag"]) == (304, tag)
    assert "content-type" not in head.headers
    for other in ("", '"x"', tag.strip('"'), tag.replace('"', '"0', 1)):
        assert again(shared_server, path, other).body == first.body
    # when it changes
    fetch(shared_server, "PATCH", f"{API}/sessions/{session_id}", {"pinned": True})
    fetch(shared_server, "POST", f"{API}/sessions/{session_id}/stop")
    (shared_site.output_dir(session_id) / "new").touch()
    changed = again(shared_server, path, tag)
    assert changed.status == 200
    assert changed.headers["etag"] != tag
    assert changed.body == fetch(shared_server, "GET", API + path).body


def test_a_change_of_other_fields_is_none(shared_server: Server) -> None:
    session_id = create(shared_server)["session_id"]
    path = f"/sessions/{session_id}?fields=task,status"
    tag = fetch(shared_server, "GET", API + path).headers["etag"]
    fetch(shared_server, "PATCH", f"{API}/sessions/{session_id}", {"pinned": True})
    assert again(shared_server, path, tag).status == 304


def test_fields_are_chosen_by_their_names(shared_server: Server) -> None:
    session = create(shared_server, task=f"trimmed {uuid.uuid4()}")
    url = f"{API}/sessions/{session['session_id']}"
    some = fetch(shared_server, "GET", f"{url}?fields=waiting,%20task,,limits").json
    assert [*some] == ["task", "limits", "waiting"]
    assert some == {name: session[name] for name in some}
    assert fetch(shared_server, "GET", f"{url}?fields=").json == session
    found = fetch(
        shared_server, "GET", f"{API}/sessions?q={session['session_id']}&fields=status"
    ).json
    assert found == {"sessions": [{"status": "created"}], "next_cursor": None}
    for where in (url, f"{API}/sessions"):
        wrong = fetch(shared_server, "GET", f"{where}?fields=task,colour,taste")
        detail = wrong.problem(422, "invalid")["detail"]
        assert detail.startswith("fields: a session has no colour, taste; it has session_id, task,")
        for name in session:
            assert name in detail


def test_names_are_those_of_session_json(shared_site: Installation, shared_server: Server) -> None:
    session = create(shared_server, metadata={"k": "ä"}, args=["x"], priority="low")
    file = shared_site.session_dir(session["session_id"]) / "session.json"
    stored = json.loads(file.read_text())
    told = get(shared_server, session["session_id"])
    assert told.pop("waiting") is None  # it depends on other sessions
    assert told == stored
    assert [*told] == [*stored]
    assert [*stored, "waiting"] == [*schemas.Session.model_fields]


def test_pages_are_stable_while_sessions_are_made_and_removed(site: Installation) -> None:
    server = site.up()
    ids = [create(server)["session_id"] for _ in range(7)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = fetch(server, "GET", f"{API}/sessions?limit=2&cursor={cursor}").json
        seen += [session["session_id"] for session in page["sessions"]]
        # when between two pages some are made, and one that was shown, even the last, goes
        create(server)
        fetch(server, "POST", f"{API}/sessions/{seen[-1]}/stop")
        fetch(server, "POST", f"{API}/cleanup", {"hours": 0})
        if not (cursor := page["next_cursor"]):
            break
    assert seen == ids[::-1]


def test_a_change_is_made_only_to_what_was_seen(shared_server: Server) -> None:
    session_id = create(shared_server)["session_id"]
    url = f"{API}/sessions/{session_id}"
    seen = fetch(shared_server, "GET", url).headers["etag"]

    def change(tag: str, **fields: object) -> Reply:
        return fetch(shared_server, "PATCH", url, fields, {"If-Match": tag})

    # given somebody who has seen it as it is
    done = change(seen, priority="high", metadata={"n": 1})
    assert (done.status, done.json["priority"]) == (200, "high")
    assert done.headers["etag"] == fetch(shared_server, "GET", url).headers["etag"]
    # and others who have not
    for stale in (seen, f"W/{done.headers['etag']}", "x", ""):
        for fields in ({"priority": "low"}, {"pinned": True}, {"metadata": None}):
            change(stale, **fields).problem(412, "precondition_failed")
    assert get(shared_server, session_id) == done.json
    assert change(done.headers["etag"], pinned=True, priority="low").status == 200
    assert change("*", pinned=False).status == 200
    # and a change that is none does no harm
    tag = fetch(shared_server, "GET", url).headers["etag"]
    assert change(tag, pinned=False).headers["etag"] == tag


def test_a_queue_that_moves_is_no_change_of_the_session(site: Installation) -> None:
    # given two that wait, where nothing is started
    site.env["HIVE_MIN_FREE_MEMORY"] = "1000TiB"
    server = site.up()
    first, second = (create(server, start=True)["session_id"] for _ in range(2))
    url = f"{API}/sessions/{second}"
    seen = fetch(server, "GET", url)
    assert seen.json["waiting"]["place"] == 2
    # when the one before it leaves
    fetch(server, "POST", f"{API}/sessions/{first}/stop")
    # then the answer is another one, and still nobody has changed the session
    assert again(server, f"/sessions/{second}", seen.headers["etag"]).json["waiting"]["place"] == 1
    known = {"If-Match": seen.headers["etag"]}
    assert fetch(server, "PATCH", url, {"priority": "high"}, known).status == 200
    fetch(server, "PATCH", url, {"priority": "low"}, known).problem(412, "precondition_failed")
    # and the tag of some of its fields is none of the session
    some = fetch(server, "GET", f"{url}?fields=priority").headers["etag"]
    fetch(server, "PATCH", url, {"priority": "low"}, {"If-Match": some}).problem(
        412, "precondition_failed"
    )


@pytest.mark.parametrize("field", ["metadata", "pinned"])
def test_of_ten_changes_at_once_one_is_made(shared_server: Server, field: str) -> None:
    session_id = create(shared_server)["session_id"]
    url = f"{API}/sessions/{session_id}"
    tag = fetch(shared_server, "GET", url).headers["etag"]
    together = threading.Barrier(10)

    def change(n: int) -> int:
        together.wait()
        value = {"n": n} if field == "metadata" else True
        return fetch(shared_server, "PATCH", url, {field: value}, {"If-Match": tag}).status

    with ThreadPoolExecutor(10) as threads:
        statuses = sorted(threads.map(change, range(10)))
    assert statuses == [200] + [412] * 9


def test_what_was_written_is_read(shared_server: Server) -> None:
    session_id = create(shared_server)["session_id"]
    where = f"{API}/sessions/{session_id}"
    for number in range(20):
        metadata = {"number": number}
        written = fetch(shared_server, "PATCH", where, {"metadata": metadata})
        read = fetch(shared_server, "GET", where)
        assert read.json["metadata"] == metadata
        assert (read.headers["etag"], read.body) == (written.headers["etag"], written.body)
    fetch(shared_server, "POST", f"{where}/stop")
    assert fetch(shared_server, "GET", f"{where}/status").json["status"] == "failed"
