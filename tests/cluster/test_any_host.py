"""A session's files are read through any host: the same bytes as on the host that has them."""

import base64
import contextlib
import http.client
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sessions_app.callers import Caller, Role, Via
from sessions_app.cluster import asking, passes
from tests.cluster.apart import KEY, LISTENING, Apart, apart
from tests.databases import PostgreSQL, Redis
from tests.integration.api_client import API, fetch
from tests.integration.viewers import create, view
from tests.support import Server, eventually, free_port, slack

SIZE = 2_500_032
_MAKE = (
    'cd "$HIVE_MIND_OUTPUT_DIR"; printf 0123456789 >"a b%25\u00e4"; mkdir d; echo "<x>" >d/e; '
    "head -c 300000 /dev/urandom >noise"
)


@pytest.fixture(scope="module")
def hosts(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL, redis: Redis
) -> Iterator[Apart]:
    """Two hosts for the whole file."""
    base = tmp_path_factory.mktemp("apart")
    with apart(base, postgresql, redis, HIVE_PRIVATE_SESSIONS="1") as made:
        yield made


@pytest.fixture(scope="module")
def ended(hosts: Apart) -> str:
    """A session that has ended on B, with a log of 2.5 MB and output files."""
    return hosts.run("run", json.dumps(["sh", "-c", _MAKE]), "fill", str(SIZE))


def test_every_file_operation_is_the_same_through_another_host(hosts: Apart, ended: str) -> None:
    base = f"/sessions/{ended}"
    size = len(hosts.same(f"{base}/log").body)
    assert size > SIZE
    for asked in ("bytes=0-0", "bytes=1000000-2000000", "bytes=-77", "bytes=99999999-", "bytes=5-"):
        hosts.same(f"{base}/log", {"Range": asked})
    for query in ("tail=3", "offset=77&limit=5", "cleaned=true", "download=true", "tail=1&limit=2"):
        hosts.same(f"{base}/log?{query}")
    for query in ("line=20000", "offset=1000000&span=2000000", "time=2026-01-01T00:00:00Z", ""):
        hosts.same(f"{base}/log/position?{query}")
    for query in ("text=0030000", "text=1&begin=9&direction=backward", "text=", "text=%F0%9F"):
        hosts.same(f"{base}/log/search?{query}")
    stream = hosts.same(f"{base}/log/stream?offset=2499000")
    assert "event: end" in stream.body.decode()
    hosts.same(f"{base}/log/stream", {"Last-Event-ID": str(size - 64)})

    listed = hosts.same(f"{base}/outputs").json["files"]
    assert {file["path"] for file in listed} == {"a b%25\u00e4", "d/e", "noise"}
    for file in listed:
        found = hosts.same(file["url"].removeprefix(API))
        tag = found.headers["etag"]
        hosts.same(file["url"].removeprefix(API), {"Range": "bytes=2-5", "If-Range": tag})
        hosts.same(file["url"].removeprefix(API), {"Range": "bytes=2-5", "If-Range": '"other"'})
    hosts.same(f"{base}/outputs/../d/e")
    hosts.same(f"{base}/outputs/%2e%2e/session.json")
    hosts.same(f"{base}/outputs.zip")
    tag = hosts.same(f"{base}/outputs").headers["etag"]
    assert hosts.same(f"{base}/outputs", {"If-None-Match": tag}).status == 304
    for name in ("metrics", "processes", "swarm", "metrics?points=0", "metrics?points=x"):
        hosts.same(f"{base}/{name}")
    for server in hosts.both:
        head = fetch(server, "HEAD", f"{API}{base}/log")
        assert (head.status, head.headers["content-length"], head.body) == (200, str(size), b"")


async def test_a_page_follows_a_session_of_another_host(hosts: Apart) -> None:
    session_id = create(hosts.web)
    acts = ["fill", str(SIZE), "sleep", "0.5", "say", "the end"]

    async with view(hosts.web, f"/ws/sessions/{session_id}?offset=0") as viewer:
        await viewer.frame("start")  # no host has taken it
        fetch(hosts.web, "POST", f"{API}/sessions/{session_id}/start", {"args": acts})
        await viewer.frame("end")

    assert viewer.start == 0
    assert viewer.log == hosts.b.site.log(session_id).read_bytes()
    assert viewer.log.endswith(b"the end\n")
    async with view(hosts.web, f"/ws/sessions/{session_id}?tail=100") as viewer:
        await viewer.frame("end")
    assert viewer.log.endswith(b"the end\n")
    assert viewer.start == viewer.offset - len(viewer.log) > SIZE - 200


async def test_a_page_shows_what_a_session_of_another_host_does(hosts: Apart) -> None:
    [session_id] = hosts.cluster.begin(1, "say", "at work", "sleep", "600")
    path = f"/sessions/{session_id}"
    eventually(lambda: fetch(hosts.web, "GET", f"{API}{path}/processes").json["processes"], "one")

    wish = {"sessions": [session_id], "parts": ["activity", "processes"], "rate": 5}
    async with view(hosts.web, "/ws/telemetry") as viewer:
        await viewer.send({"subscribe": wish})
        while not (frame := await viewer.frame("telemetry")).get("processes"):
            await viewer.send({"ack": frame["seq"]})
    assert "acting_hive" in frame["processes"][0]["command"]

    page = fetch(hosts.web, "GET", f"{path}/").body.decode()
    assert re.search(r"<pre[^>]*>at work\n?</pre>", page)
    near = fetch(hosts.local, "GET", f"{path}/").body.decode()
    sizes = re.compile(r"the whole log has ([^.]*)\.")
    assert sizes.findall(page) == sizes.findall(near) != []

    # from A it is stopped within a moment, by B
    begun = time.monotonic()
    stopped = fetch(hosts.web, "POST", f"{API}{path}/stop?wait=20")
    assert stopped.json["status"] == "failed"
    assert time.monotonic() - begun < 3 * slack()  # its grace is one second


def test_verbs_and_tools_read_on_the_host_that_has_the_session(hosts: Apart, ended: str) -> None:
    asker = hosts.cluster.asker  # a host of its own

    figures = json.loads(asker.hive("metrics", "--json", ended).stdout)
    assert figures["resources"] == hosts.same(f"/sessions/{ended}/metrics").json["resources"]
    call = {"name": "session_output", "arguments": {"session_id": ended, "path": "d/e"}}
    wish = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    told = [fetch(server, "POST", "/mcp", wish, headers=accept).body for server in hosts.both]
    assert told[0] == told[1]
    assert b"<x>" in told[0]


def test_verbs_follow_on_the_host_that_has_the_session(hosts: Apart, ended: str) -> None:
    # through the local socket of a host that runs none of these sessions
    port = str(free_port())
    site = hosts.site("c", HIVE_POOLS="c", HIVE_INTERNAL_PORT=port, **LISTENING)
    server = site.up()
    made = site.script("create", "--pool", "b", "act").stdout.decode().strip()

    run = site.script("start", made, "say", "to whoever started it", "exit", "7")

    assert (run.returncode, run.stdout) == (7, b"to whoever started it\n"), run.stderr
    assert site.script("log", "--follow", ended).stdout == site.log(ended).read_bytes()
    assert site.script("log", ended).stdout.decode().strip() == str(site.log(ended))
    index = json.loads((site.workspace / ".swarm/sessions/index.json").read_text())
    assert index["host"] in ("b", "c")

    # a server listens for the others as well as a spawner does
    own = site.script("create", "--pool", "c", "act").stdout.decode().strip()
    site.script("start", own, "say", "on c")
    assert fetch(hosts.web, "GET", f"{API}/sessions/{own}/log").body == b"on c\n"
    assert server.stop() == 0
    fetch(hosts.web, "GET", f"{API}/sessions/{own}/log").problem(503, "host_unavailable")


def test_each_host_removes_what_it_has(hosts: Apart) -> None:
    session_id = hosts.run("say", "x")
    hosts.run("say", "y")
    directory = hosts.b.site.session_dir(session_id)
    assert directory.is_dir()

    wish = {"action": "cleanup", "ids": [session_id]}
    one = fetch(hosts.web, "POST", f"{API}/sessions/bulk", wish)
    assert one.status == 200, one
    assert fetch(hosts.web, "GET", f"{API}/sessions/{session_id}").status == 404
    assert not directory.exists()
    would = fetch(hosts.web, "POST", f"{API}/cleanup", {"hours": 0, "dry_run": True}).json
    assert len(would["removed"]) >= 1
    assert hosts.b.site.session_dir(would["removed"][0]).is_dir()


def test_only_passes_of_other_hosts_are_good_and_each_for_one_request(
    hosts: Apart, ended: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SECRET_KEY = KEY
    target = f"{API}/sessions/{ended}/log?tail=1"
    asked = passes.Request("b", "GET", target)
    anna = Caller("anna", Role.VIEWER, Via.TOKEN, manages_others=True)

    def answer(
        shown: str | None, path: str = target, method: str = "GET", body: bytes = b""
    ) -> int:
        lines = {"Cookie": "", **({} if shown is None else {passes.HEADER: shown})}
        return fetch(inside, method, path, body or None, headers=lines).status

    inside = Server(hosts.web.process, hosts.port, hosts.web._output)
    good = passes.make(anna, asked)
    assert answer(good) == 200
    assert answer(good) == 401, "once only"
    told, _, digest = passes.make(anna, asked).partition(".")
    raised = json.loads(base64.urlsafe_b64decode(told))
    raised["who"][1] = "administrator"
    forged = base64.urlsafe_b64encode(json.dumps(raised).encode()).decode()
    for shown in (None, "", "x", "." * 9000, f"{forged}.{digest}", f"{told}.{digest[::-1]}"):
        assert answer(shown) == 401, shown
    assert answer(None, "/healthz") == answer(None, "/login") == answer(None, "/") == 401
    # nothing is read of who has none
    stranger = http.client.HTTPConnection("127.0.0.1", hosts.port, timeout=20)
    with contextlib.closing(stranger):
        stranger.putrequest("POST", f"{asking.PATH}log_end")
        stranger.putheader("Content-Length", "200000")
        stranger.endheaders(b"{")
        assert stranger.getresponse().status == 401
    # and a pass is one line of a header, however long what it is for
    assert fetch(hosts.web, "GET", f"{target}&x={'x' * 7000}").status == 200

    def fresh() -> str:
        return passes.make(anna, asked)

    assert answer(fresh(), target.replace("tail=1", "tail=2")) == 401
    assert answer(fresh(), target.replace("/log?", "/outputs?")) == 401
    assert answer(fresh(), method="HEAD") == 401
    assert answer(fresh(), body=b"{}") == 401
    for wrong in (passes.Request("a", "GET", target), passes.Request("b", "POST", target)):
        assert answer(passes.make(anna, wrong)) == 401
    for age in (-passes.LIFE - 1, passes.EARLY + 60):
        with monkeypatch.context() as patch:
            now = passes.clock.now() + age
            patch.setattr(passes.clock, "now", lambda now=now: now)
            shown = passes.make(anna, asked)
        assert answer(shown) == 401, age
    settings.SECRET_KEY = KEY.upper()
    assert answer(fresh()) == 401
    settings.SECRET_KEY = KEY

    # the doors for people take no passes
    shown_outside = {"Cookie": "", passes.HEADER: fresh()}
    assert fetch(hosts.local, "GET", target, headers=shown_outside).status == 401
    # what is somewhere else by now is not sent on
    hosts.move(ended, "a")
    try:
        assert answer(fresh()) == 503
    finally:
        hosts.move(ended, "b")


def test_who_may_not_see_a_session_sees_nothing_of_it_through_another_host(
    hosts: Apart, ended: str, settings: Any
) -> None:
    settings.SECRET_KEY = KEY
    code = "from sessions_app import tokens; from sessions_app.callers import Role; "
    token = hosts.cluster.act(code + "told = tokens.create('x', Role.OPERATOR)[1]")
    bearer = {"Authorization": f"Bearer {token}"}
    for name in ("log", "log/stream", "outputs", "outputs.zip", "metrics", "swarm"):
        path = f"{API}/sessions/{ended}/{name}"
        fetch(hosts.web, "GET", path, headers=bearer).problem(404, "not_found")
        shown = passes.make(
            Caller("token:x", Role.OPERATOR, Via.TOKEN), passes.Request("b", "GET", path)
        )
        inside = Server(hosts.web.process, hosts.port, hosts.web._output)
        lines = {"Cookie": "", passes.HEADER: shown}
        fetch(inside, "GET", path, headers=lines).problem(404, "not_found")
