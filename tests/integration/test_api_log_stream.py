"""Following a log over server-sent events: every byte once, at once, across reconnects."""

import contextlib
import time
from pathlib import Path

import pytest

from tests.integration.api_client import API, Event, Stream, create, ended, fetch, get, run
from tests.support import Installation, Server, eventually, slack


def stream_url(session_id: str) -> str:
    """Where a session's log is followed."""
    return f"{API}/sessions/{session_id}/log/stream"


def text_of(events: list[Event]) -> str:
    """The text that events carry; they must follow each other without gap or repetition."""
    text = ""
    for before, event in zip([None, *events], events, strict=False):
        assert event.kind == "log"
        assert before is None or event.data["offset"] == before.id
        text += event.data["text"]
    return text


def stop(server: Server, session_id: str) -> None:
    """End a session that never ran."""
    assert fetch(server, "POST", f"{API}/sessions/{session_id}/stop").status == 202


def test_a_run_is_followed_to_its_end(shared_site: Installation, shared_server: Server) -> None:
    # given: a run that prints emoji and colours, a little at a time
    session_id = run(shared_server, "--seconds", "1", "--lines", "300", "--exit")["session_id"]
    with Stream(shared_server, stream_url(session_id)) as stream:
        *events, end = stream
    log = shared_site.log(session_id).read_bytes()
    assert text_of(events).encode() == log
    assert len(events) > 2
    position = 0
    for event in events:
        assert event.data["offset"] == position
        position += len(event.data["text"].encode())
        assert event.id == position
    assert end == Event(
        len(log), "end", {"status": "completed", "reason": "exited", "exit_code": 0}
    )
    assert get(shared_server, session_id)["status"] == "completed"


def test_who_comes_back_goes_on_where_it_was(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = run(shared_server, "--seconds", "1", "--lines", "300", "--exit")["session_id"]
    events: list[Event] = []
    while not events or events[-1].kind != "end":
        seen = {"Last-Event-ID": str(events[-1].id)} if events else {}
        with Stream(shared_server, f"{stream_url(session_id)}?offset=0", seen) as stream:
            for _, event in zip(range(2), stream, strict=False):  # and breaks off after two
                events.append(event)
    assert text_of(events[:-1]).encode() == shared_site.log(session_id).read_bytes()
    # and: who had the end, and comes back all the same, gets nothing but the end
    with Stream(
        shared_server, stream_url(session_id), {"Last-Event-ID": str(events[-1].id)}
    ) as stream:
        assert list(stream) == events[-1:]


def test_a_line_comes_at_once(shared_site: Installation, shared_server: Server) -> None:
    session_id = create(shared_server)["session_id"]
    path = shared_site.log(session_id)
    path.write_bytes(b"first\n")
    with Stream(shared_server, stream_url(session_id)) as stream:
        events = iter(stream)
        assert next(events).data == {"offset": 0, "text": "first\n"}
        for number in range(5):
            with path.open("ab") as log:
                log.write(b"line %d\n" % number)
            begun = time.monotonic()
            assert next(events).data["text"] == f"line {number}\n"
            assert time.monotonic() - begun < 1.0 * slack()
        stop(shared_server, session_id)
        begun = time.monotonic()
        *rest, end = events
        assert time.monotonic() - begun < 1.5 * slack()
    assert text_of(rest) == "hiveweb: stopped before it ran\n"
    assert (end.kind, end.data["status"], end.data["reason"]) == ("end", "failed", "stopped")


def test_a_character_is_never_cut(shared_site: Installation, shared_server: Server) -> None:
    session_id = create(shared_server)["session_id"]
    path = shared_site.log(session_id)
    path.write_bytes("a🐝".encode()[:3])
    with Stream(shared_server, stream_url(session_id)) as stream:
        events = iter(stream)
        assert next(events) == Event(1, "log", {"offset": 0, "text": "a"})
        with path.open("ab") as log:
            log.write("🐝".encode()[2:] + b"\n")
        assert next(events) == Event(6, "log", {"offset": 1, "text": "🐝\n"})


def test_bytes_that_are_no_text_are_replaced_and_offsets_stay_true(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server)["session_id"]
    content = b"\xff\xfe ok \x80\x80\n" + b"x" * 200_000 + "é🐝".encode() * 20_000 + b"\nend"
    content += "🐝".encode()[:2]  # and a last character that is never completed
    stop(shared_server, session_id)
    shared_site.log(session_id).write_bytes(content)
    with Stream(shared_server, stream_url(session_id)) as stream:
        *events, end = stream
    assert text_of(events) == content.decode(errors="replace")
    assert end.id == len(content)
    for event in events:
        part = content[event.data["offset"] : event.id]
        assert event.data["text"] == part.decode(errors="replace")


def test_what_is_there_already_comes_in_whole_lines(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = create(shared_server)["session_id"]
    lines = "".join(f"line {number} {'y' * (number % 90)}\n" for number in range(20_000))
    shared_site.log(session_id).write_text(lines)
    with Stream(shared_server, stream_url(session_id)) as stream:
        events = []
        for event in stream:
            events.append(event)
            if event.id == len(lines):
                break
    assert text_of(events) == lines
    assert len(events) > 10
    assert all(event.data["text"].endswith("\n") for event in events)


@pytest.mark.parametrize(
    ("query", "headers", "text"),
    [
        ("?tail=2", {}, "three\nfour"),
        ("?offset=4", {}, "two\nthree\nfour"),
        ("?offset=4&tail=1", {}, "two\nthree\nfour"),
        ("?offset=4", {"Last-Event-ID": "8"}, "three\nfour"),
        ("?offset=99999", {}, ""),
    ],
)
def test_a_stream_begins_where_it_is_asked_to(
    shared_site: Installation, shared_server: Server, query: str, headers: dict[str, str], text: str
) -> None:
    session_id = create(shared_server)["session_id"]
    stop(shared_server, session_id)
    shared_site.log(session_id).write_bytes(b"one\ntwo\nthree\nfour")
    with Stream(shared_server, stream_url(session_id) + query, headers) as stream:
        *events, end = stream
    assert (text_of(events), end.id) == (text, 18)


@pytest.mark.parametrize(
    ("query", "headers"),
    [("", {"Last-Event-ID": "x"}), ("", {"Last-Event-ID": "9" * 30}), ("?offset=-1", {})],
)
def test_a_beginning_that_makes_no_sense_is_refused(
    shared_server: Server, query: str, headers: dict[str, str]
) -> None:
    session_id = create(shared_server)["session_id"]
    url = stream_url(session_id) + query
    fetch(shared_server, "GET", url, headers=headers).problem(422, "invalid")


def test_a_session_that_is_removed_ends_its_streams(site: Installation, server: Server) -> None:
    session_id = run(server, "--seconds", "0", "--exit")["session_id"]
    ended(server, session_id)
    kept = create(server)["session_id"]
    with Stream(server, stream_url(kept)) as stream:
        # given: a stream of a session that is still open
        with site.log(kept).open("ab") as log:
            log.write(b"hello\n")
        events = iter(stream)
        assert next(events).data["text"] == "hello\n"
        # when: its row goes away under the reader
        code = (
            "from sessions_app.models import AgentSession as A, SessionEvent as E;"
            "from django.utils import timezone as t;"
            f"A.objects.filter(id='{kept}').delete();"
            f"E.objects.create(session_id='{kept}', kind='removed', at=t.now())"
        )
        assert site.manage("shell", "-c", code).returncode == 0
        assert [(event.kind, event.data["status"]) for event in events] == [("end", "not_found")]


def test_who_leaves_is_forgotten_at_once(site: Installation, server: Server) -> None:
    session_id = create(server)["session_id"]

    def watching() -> bool:
        infos = Path(f"/proc/{server.process.pid}/fdinfo")
        with contextlib.suppress(FileNotFoundError):  # a descriptor that was closed meanwhile
            return any("inotify wd:" in info.read_text() for info in infos.iterdir())
        return True

    with Stream(server, stream_url(session_id)):
        eventually(watching, "the server to watch the log")
    eventually(lambda: not watching(), "the server to watch it no longer", timeout=2 * slack())
