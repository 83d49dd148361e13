"""``hive up --server uvicorn``: the same installation, pages, streams and limits on another server.

What its edge refuses is in test_edge*.py, what it answers at once in test_reads.py, how it stops in
test_server_stop.py: those run on each web server.
"""

import asyncio
import contextlib
import http.client
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sessions_app.viewer import WINDOW_BYTES
from tests.integration.api_client import API, Stream, create, fetch, run
from tests.integration.browsing import signed_in, token
from tests.integration.edges import MIB, OURS, connected, memory
from tests.integration.viewers import view
from tests.support import BEARER, PATIENCE, PYTHON, ROOT, Installation, Server, installation

UPGRADE = (
    f"{OURS}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
#: What is imported of other web servers where one was chosen, and the application with it.
IMPORTED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "hiveweb.settings"
from channels.routing import get_default_application
get_default_application()
from sessions_app import server
server._web(sys.argv[1])
found = {name.partition(".")[0] for name in sys.modules}
print(*sorted(found & {"daphne", "twisted", "autobahn", "uvicorn", "httptools", "websockets"}))
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation where nobody may ask often."""
    with installation(tmp_path_factory.mktemp("fast") / "site", HIVE_RATE_LIMIT="40") as made:
        yield made


@pytest.fixture(scope="module")
def fast(house: Installation) -> Server:
    """Its server."""
    return house.up("--server", "uvicorn")


@pytest.mark.parametrize(
    ("kind", "modules"),
    [("daphne", "autobahn daphne twisted"), ("uvicorn", "httptools uvicorn websockets")],
)
def test_nothing_of_the_other_server_is_imported(
    house: Installation, kind: str, modules: str
) -> None:
    done = subprocess.run(
        [PYTHON, "-c", IMPORTED, kind],
        cwd=ROOT,
        env=house.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == modules.split()


def test_what_is_missing_is_said_in_one_line(house: Installation, tmp_path: Path) -> None:
    # given: a Python where the extra is not installed
    missing = "raise ModuleNotFoundError('no httptools', name='httptools')\n"
    (tmp_path / "httptools.py").write_text(missing)
    env = {**house.env, "PYTHONPATH": str(tmp_path), "HIVE_SERVER": "uvicorn"}
    told = house.hive("up", env=env)
    assert told.returncode != 0
    assert told.stderr.decode().splitlines() == [
        "hive up: --server uvicorn needs httptools, not installed: run `make install-fast`, or "
        "pip install -r requirements-fast.txt"
    ]
    # and: of a server that there is not
    told = house.hive("up", "--server", "apache")
    assert told.returncode != 0
    assert told.stderr == b"hive up: --server must be daphne or uvicorn, not 'apache'\n"
    told = house.hive("up", env={**house.env, "HIVE_SERVER": "apache"})
    assert b"HIVE_SERVER must be daphne or uvicorn, not 'apache'" in told.stderr


def test_it_serves_pages_files_and_the_local_socket(house: Installation, fast: Server) -> None:
    browser = signed_in(fast, house)
    page = browser.get("/")
    assert page.status == 200
    assert page.headers["server"] == "hiveweb"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert fetch(fast, "GET", "/static/js/page.js").status == 200
    assert fetch(fast, "HEAD", f"{API}/me").body == b""
    session_id = create(fast)["session_id"]
    assert house.script("status", session_id).stdout == b"created\n"
    assert "Traceback" not in fast.output


async def test_a_log_is_followed_by_all_ways_to_its_end(house: Installation, fast: Server) -> None:
    session = await asyncio.to_thread(
        run, fast, "--seconds", "0.5", "--lines", "3000", "--exit", "--fast"
    )
    session_id = session["session_id"]
    async with view(fast, f"/ws/sessions/{session_id}?offset=0") as viewer:
        await viewer.frame("end")
    log = house.log(session_id).read_bytes()
    assert viewer.log == log

    def streamed() -> int:
        with Stream(fast, f"{API}/sessions/{session_id}/log/stream", BEARER) as stream:
            return sum(1 for _ in stream)

    assert await asyncio.to_thread(streamed) > 1


async def test_a_viewer_that_stops_reading_costs_a_bounded_buffer(
    house: Installation, fast: Server, tell: Callable[[str], None]
) -> None:
    # given a log of many megabytes
    session_id = (await asyncio.to_thread(create, fast))["session_id"]
    with house.log(session_id).open("wb") as log:
        for _ in range(16):
            log.write(b"x" * 127 * 8192 + b"\n")
    before = memory(fast)
    with contextlib.ExitStack() as stack:
        # when viewers ask for all of it, and take nothing
        for _ in range(4):
            deaf = stack.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", fast.port))
            path = f"/ws/sessions/{session_id}?offset=0"
            deaf.sendall(f"GET {path} HTTP/1.1\r\n{UPGRADE}\r\n".encode())
        # then another one gets it
        async with view(fast, f"/ws/sessions/{session_id}?offset=0") as viewer:
            await viewer.log_of(16 * 127 * 8192)
        # and they cost their windows at most
        grown = memory(fast) - before
        tell(f"four that take nothing of 16 MiB: {grown / MIB:+.1f} MiB")
        assert grown < 4 * WINDOW_BYTES + 4 * MIB


def test_a_websocket_that_never_stops_talking_is_cut_off(fast: Server) -> None:
    message = b'{"watch":[]}' + b" " * 15_000
    frame = b"\x81\xfe" + len(message).to_bytes(2, "big") + bytes(4) + message
    before = memory(fast)
    with connected(fast) as loud:
        loud.sendall(f"GET /ws/sessions HTTP/1.1\r\n{UPGRADE}\r\n".encode())
        assert b" 101 " in loud.recv(4096)
        with pytest.raises(ConnectionError):
            loud.sendall(frame * 20_000)
    assert memory(fast) - before < 16 * MIB
    assert fetch(fast, "GET", "/healthz").status == 200


@pytest.mark.parametrize(
    "lines",
    [
        UPGRADE.replace("Version: 13", "Version: 7"),
        UPGRADE.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-Key: none"),
        UPGRADE + "X-Long: " + "x" * 9000 + "\r\n",
        UPGRADE.replace(BEARER["Authorization"], "Bearer nonsense"),
        UPGRADE.replace("Upgrade: websocket", "Upgrade: h2c"),
    ],
    ids=["version", "no key", "a long line", "a guess", "something else"],
)
def test_what_opens_no_websocket_is_answered(fast: Server, lines: str) -> None:
    with connected(fast) as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(f"GET /ws/sessions HTTP/1.1\r\n{lines}\r\n".encode())
        with contextlib.suppress(ConnectionResetError):
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split()[1] in (b"400", b"403", b"404", b"426"), answer
    assert "Traceback" not in fast.output


def test_a_kept_connection_may_not_ask_more_often_than_another(
    house: Installation, fast: Server
) -> None:
    mine = token(house, "greedy", "operator")
    session_id = create(fast)["session_id"]
    connection = http.client.HTTPConnection("127.0.0.1", fast.port, timeout=PATIENCE)
    statuses: list[int] = []
    with contextlib.closing(connection):
        while len(statuses) < 5000 and 429 not in statuses:
            connection.request("GET", f"{API}/sessions/{session_id}/status", headers=mine)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    assert set(statuses) == {200, 429}
    assert statuses.index(429) >= 200  # five seconds' worth
    assert fetch(fast, "GET", f"{API}/sessions/{session_id}/status").status == 200
