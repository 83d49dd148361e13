"""Places in logs and search in them, asked of a running server."""

import contextlib
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from sessions_app import log_index
from tests.integration.api_client import API, create, fetch
from tests.integration.looking import ended, get
from tests.support import TOKEN, Installation, Server, eventually, installation, slack

SECRET = "sk-ant-known-to-this-installation"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a secret, which indexes although it does not sample."""
    base = tmp_path_factory.mktemp("places") / "site"
    settings = {"HIVE_SAMPLE_EVERY": "off", "ANTHROPIC_API_KEY": SECRET}
    with installation(base, **settings) as made:
        yield made


@pytest.fixture(scope="module")
def server(site: Installation) -> Server:
    """Its server."""
    return site.up()


def with_log(site: Installation, server: Server, content: bytes) -> str:
    """A session that has not been started, with a log; returns the log's address."""
    session_id = create(server)["session_id"]
    site.log(session_id).write_bytes(content)
    return f"{API}/sessions/{session_id}/log"


def test_lines_and_bytes_lead_to_each_other(site: Installation, server: Server) -> None:
    log = with_log(site, server, b"".join(b"line %d\n" % n for n in range(1, 100_001)) + b"last")
    by_line = fetch(server, "GET", f"{log}/position?line=50000").json
    assert (by_line["line"], by_line["lines"], by_line["removed"]) == (50_000, 100_001, None)
    part = fetch(server, "GET", f"{log}?offset={by_line['offset']}&limit=10").body
    assert part == b"line 50000"
    within = fetch(server, "GET", f"{log}/position?offset={by_line['offset'] + 4}").json
    assert within == by_line
    assert fetch(server, "GET", f"{log}/position?line=999999999").json["line"] == 100_001
    assert by_line["time"] is None  # it never ran


@pytest.mark.parametrize(
    "asked",
    ["", "line=1&offset=2", "line=0", "offset=-1", "time=yesterday", "time=2026-11-22", "line=x"],
)
def test_a_place_is_asked_for_in_one_way(site: Installation, server: Server, asked: str) -> None:
    log = with_log(site, server, b"a\n")
    fetch(server, "GET", f"{log}/position?{asked}").problem(422, "invalid")


def test_a_run_is_indexed_while_it_runs_and_by_the_next_spawner(
    site: Installation, server: Server
) -> None:
    body = {"task": "x", "args": ["--seconds", "3"], "start": True}
    session_id = server.request("POST", f"{API}/sessions", body)[1]["session_id"]
    run_dir = site.state_dir / "runs" / session_id

    def indexed() -> bool:
        return len(log_index.read(run_dir)) >= 3

    eventually(indexed, "the index")
    assert (run_dir / log_index.FILE).stat().st_mode & 0o777 == 0o600
    ended(server, session_id)
    session = get(server, session_id)
    data = site.log(session_id).read_bytes()
    index = log_index.read(run_dir)
    for entry in index.entries():
        assert entry.lines == data.count(b"\n", 0, entry.offset)
    log = f"{API}/sessions/{session_id}/log"
    place = fetch(server, "GET", f"{log}/position?line=3&span=100000").json
    began, over = (datetime.fromisoformat(session[key]) for key in ("started", "ended"))
    times = [datetime.fromisoformat(mark["time"]) for mark in place["marks"]]
    assert times == sorted(times)
    assert len(times) >= 3
    assert began.timestamp() - 1 <= times[0].timestamp() <= times[-1].timestamp()
    assert times[-1].timestamp() <= over.timestamp() + 1.5
    again = fetch(server, "GET", f"{log}/position?time={quote(place['marks'][-2]['time'])}").json
    assert again["offset"] <= place["marks"][-2]["offset"]


def test_text_is_found_with_its_line(site: Installation, server: Server) -> None:
    log = with_log(site, server, b"one\ntwo needle three\nfour\nfive Needle\n")
    found = fetch(server, "GET", f"{log}/search?text=needle").json
    assert found == {
        "hits": [
            {
                "offset": 8,
                "length": 6,
                "line": 2,
                "before": "two ",
                "match": "needle",
                "after": " three",
            }
        ],
        "next": None,
        "count": None,
        "complete": True,
        "size": 38,
    }
    asked = "text=needle&ignore_case=true&direction=backward&limit=1"
    found = fetch(server, "GET", f"{log}/search?{asked}").json
    assert [hit["line"] for hit in found["hits"]] == [4]
    found = fetch(server, "GET", f"{log}/search?{asked}&from={found['next']}").json
    assert [hit["line"] for hit in found["hits"]] == [2]


@pytest.mark.parametrize("text", [".*", "$(id)", "a b", "-e", "%27;--", "\\n", "\U0001f41d", "'"])
def test_a_text_is_only_a_text(site: Installation, server: Server, text: str) -> None:
    log = with_log(site, server, f"what is {text} here\nand not a-b or xx\n".encode())
    found = fetch(server, "GET", f"{log}/search?text={quote(text)}&count=true").json
    assert found["count"] == 1
    assert found["hits"][0]["match"] == text


@pytest.mark.parametrize("text", [SECRET, SECRET[:6], SECRET[3:9], f"={SECRET}"])
def test_a_search_does_not_confirm_a_secret(site: Installation, server: Server, text: str) -> None:
    log = with_log(site, server, f"KEY={SECRET}\nplain\n".encode())
    found = fetch(server, "GET", f"{log}/search?text={quote(text)}&count=true").json
    nothing = fetch(server, "GET", f"{log}/search?text=not-in-there&count=true").json
    assert found == nothing
    (hit,) = fetch(server, "GET", f"{log}/search?text=KEY").json["hits"]
    assert hit["after"] == "=" + "*" * len(SECRET)


@pytest.mark.parametrize(
    "asked", ["", "text=", "text=a%0Ab", "text=a&limit=1001", "text=a&from=-1"]
)
def test_what_cannot_be_searched_is_refused(site: Installation, server: Server, asked: str) -> None:
    log = with_log(site, server, b"a\n")
    fetch(server, "GET", f"{log}/search?{asked}").problem(422, "invalid")


def test_a_log_that_is_gone_cannot_be_searched(site: Installation, server: Server) -> None:
    log = with_log(site, server, b"a\n")
    site.log(log.split("/")[-2]).unlink()
    fetch(server, "GET", f"{log}/search?text=a").problem(404, "file_not_found")


def processes() -> dict[int, str]:
    """All processes and their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = (entry / "cmdline").read_text(errors="replace")
    return found


@contextlib.contextmanager
def asking(server: Server, path: str) -> Iterator[socket.socket]:
    """A request whose answer nobody has read yet."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        yield client


def children(server: Server) -> list[int]:
    """The searches that this server has under way."""
    found = []
    for pid, words in processes().items():
        with contextlib.suppress(OSError, IndexError):
            stat = Path(f"/proc/{pid}/stat").read_text()
            parent = int(stat.rpartition(")")[2].split()[1])
            if parent == server.process.pid and "log_finder" in words:
                found.append(pid)
    return found


@pytest.fixture
def slow_log(site: Installation, server: Server) -> str:
    """A log that takes long to search: every byte of it is a candidate, all of them masked."""
    return with_log(site, server, (SECRET + "\n").encode() * 2_000_000)


def test_a_search_ends_when_its_reader_leaves(
    site: Installation, server: Server, slow_log: str
) -> None:
    with asking(server, f"{slow_log}/search?text=s"):
        (pid,) = eventually(lambda: children(server), "the search")

        def bounded() -> bool:
            nice = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16]
            limits = Path(f"/proc/{pid}/limits").read_text()
            return nice == "10" and "Max address space         268435456" in limits

        eventually(bounded, "its bounds")
        assert SECRET not in Path(f"/proc/{pid}/cmdline").read_text()
        left = time.monotonic()
    eventually(lambda: not children(server), "the search's end")
    assert time.monotonic() - left < 3 * slack()


def test_two_searches_at_once_are_enough(site: Installation, server: Server, slow_log: str) -> None:
    path = f"{slow_log}/search?text=s"
    with asking(server, path), asking(server, path):
        eventually(lambda: len(children(server)) == 2, "two searches")
        # The third waits for its turn: either gets one, or is told that it did not.
        with asking(server, path) as third:
            time.sleep(0.2)
            assert len(children(server)) == 2
            third.settimeout(20)
            answer = third.recv(65536).decode()
    status = int(answer.split()[1])
    assert status in (200, 429)
    if status == 429:
        assert "retry-after" in answer.lower()
    eventually(lambda: not children(server), "their end")


def test_a_cleaned_log_has_text_only(site: Installation, server: Server) -> None:
    dirty = f"\x1b[31mred\x1b[0m {SECRET}\n10%\r99%\rdone\nend".encode()
    log = with_log(site, server, dirty)
    reply = fetch(server, "GET", f"{log}?cleaned=true&download=1")
    assert reply.body.decode() == f"red {'*' * len(SECRET)}\ndone\nend"
    assert reply.headers["content-disposition"].endswith('.txt"')
    big = with_log(site, server, b"\x1b[1mx\x1b[0m" * 300_000 + b"\nnext\n")
    assert fetch(server, "GET", f"{big}?cleaned=true").body == b"x" * 300_000 + b"\nnext\n"
