"""The stream of events: in order, none lost, none repeated, whatever happens to the server."""

import contextlib
import http.client
import itertools
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api_client import API, Event, Stream, create, ended, fetch, get, run
from tests.integration.browsing import token
from tests.integration.test_access import make
from tests.support import BEARER, Installation, Server, eventually

QUICK = ["--exit", "--seconds", "0"]
EVENTS = f"{API}/events"


def stored(site: Installation, where: str = "1 = 1") -> list[tuple[int, str, str]]:
    """(id, kind, session id) of the events in the database."""
    query = f"SELECT id, kind, session_id FROM sessions_app_sessionevent WHERE {where} ORDER BY id"  # noqa: S608
    return [(n, kind, str(uuid.UUID(str(i)))) for n, kind, i in site.sql(query)]


def told(events: list[Event]) -> list[tuple[int, str, str]]:
    """The same of events that were sent."""
    for event in events:
        assert (event.kind, event.data["id"]) == ("session", event.id)
    return [(event.id, event.data["kind"], event.data["session_id"]) for event in events]


def upto(stream: Stream, event_id: int) -> list[Event]:
    """The events up to one that is known to come."""
    events = []
    for event in stream:
        events.append(event)
        if event.id >= event_id:
            break
    return events


def add_events(site: Installation, number: int, session_id: str | None = None) -> int:
    """Write events of some session; returns the last one's id."""
    of = uuid.UUID(session_id or str(uuid.uuid4())).hex
    row = f"('{of}', 'pinned', '2026-11-25 12:00:00', '{{}}')"
    rows = ", ".join([row] * number)
    site.sql(f"INSERT INTO sessions_app_sessionevent (session_id, kind, at, data) VALUES {rows}")  # noqa: S608
    return int(site.sql("SELECT max(id) FROM sessions_app_sessionevent")[0][0])


def test_a_reader_is_told_all_that_happens_from_now_on(
    shared_site: Installation, shared_server: Server
) -> None:
    before = create(shared_server)["session_id"]
    with Stream(shared_server, EVENTS) as stream:
        session_id = run(shared_server, *QUICK)["session_id"]
        last = ended(shared_server, session_id)
        newest = stored(shared_site, f"session_id = '{uuid.UUID(session_id).hex}'")[-1][0]
        events = upto(stream, newest)
    assert told(events) == stored(shared_site, f"id >= {events[0].id} AND id <= {newest}")
    kinds = [event.data["kind"] for event in events]
    assert (kinds[0], kinds[1], kinds[-1]) == ("created", "starting", "completed")
    assert before not in {event.data["session_id"] for event in events}
    # with the session as get has it at that moment
    assert events[-1].data["session"] == last
    assert set(events[0].data) == {"id", "kind", "session_id", "at", "session"}
    assert events[0].data["at"] == last["created"]


def test_a_reader_that_comes_back_goes_on_where_it_was(
    shared_site: Installation, shared_server: Server
) -> None:
    ids = [create(shared_server)["session_id"] for _ in range(4)]
    (first, *rest) = stored(shared_site, f"kind = 'created' AND session_id IN {hexes(ids)}")
    newest = rest[-1][0]
    for query, headers in (
        (f"?after={first[0]}", {}),
        ("", {"Last-Event-ID": str(first[0])}),
        ("?after=0", {"Last-Event-ID": str(first[0])}),
    ):
        with Stream(shared_server, EVENTS + query, headers) as stream:
            assert told(upto(stream, newest)) == rest
    with Stream(shared_server, f"{EVENTS}?after=0") as stream:
        assert told(upto(stream, newest)) == stored(shared_site, f"id <= {newest}")


def hexes(ids: list[str]) -> str:
    """Session ids as SQLite has them, for a query."""
    return "(" + ", ".join(f"'{uuid.UUID(i).hex}'" for i in ids) + ")"


def test_filters_leave_the_others_out(shared_site: Installation, shared_server: Server) -> None:
    mine, other = (create(shared_server)["session_id"] for _ in range(2))
    start = stored(shared_site)[-1][0]
    for session_id in (mine, other, mine):
        for pinned in (True, False):
            body = {"pinned": pinned}
            fetch(shared_server, "PATCH", f"{API}/sessions/{session_id}", body)
    newest = stored(shared_site, f"session_id = '{uuid.UUID(mine).hex}'")[-1][0]
    query = f"?after={start}&session={mine}"
    with Stream(shared_server, EVENTS + query) as stream:
        events = upto(stream, newest)
    assert [event.data["kind"] for event in events] == ["pinned", "unpinned"] * 2
    assert {event.data["session_id"] for event in events} == {mine}
    with Stream(shared_server, f"{EVENTS}{query}&kind=completed,%20unpinned") as stream:
        events = upto(stream, newest)
    assert [event.data["kind"] for event in events] == ["unpinned"] * 2


@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        ("?after=-1", {}, 422, "invalid"),
        ("?after=x", {}, 422, "invalid"),
        ("?kind=created,exploded", {}, 422, "invalid"),
        ("", {"Last-Event-ID": "1-2"}, 422, "invalid"),
        ("", {"Last-Event-ID": "9" * 30}, 422, "invalid"),
        (f"?session={uuid.UUID(int=4)}", {}, 404, "not_found"),
        ("?session=x", {}, 404, "not_found"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(
    shared_server: Server, query: str, headers: Mapping[str, str], status: int, code: str
) -> None:
    problem = fetch(shared_server, "GET", EVENTS + query, headers=headers).problem(status, code)
    if "exploded" in query:
        assert "no kind exploded; there are created, starting, " in problem["detail"]


def test_who_is_too_far_behind_or_from_elsewhere_begins_afresh(site: Installation) -> None:
    server = site.up()
    first = create(server)["session_id"]
    start = stored(site)[-1][0]
    # given an id that this database has not come to
    with Stream(server, f"{EVENTS}?after={start + 1000}") as stream:
        events = iter(stream)
        reset = next(events)
        assert (reset.kind, reset.id, reset.data["id"]) == ("reset", start, start)
        assert "no such event" in reset.data["detail"]
        # then it goes on from here
        create(server)
        assert told([next(events)])[0][:2] == (start + 1, "created")
    # given one that has missed 10,000 events; then it gets them
    newest = add_events(site, 9_999, first)
    with Stream(server, f"{EVENTS}?after={start}") as stream:
        assert [event.id for event in upto(stream, newest)] == [*range(start + 1, newest + 1)]
    # and one that has missed one more does not
    add_events(site, 1)
    with Stream(server, f"{EVENTS}?after={start}") as stream:
        reset = next(iter(stream))
        assert (reset.kind, reset.id) == ("reset", newest + 1)
        assert "10,000" in reset.data["detail"]
    # but whoever wants few of them has missed few
    with Stream(server, f"{EVENTS}?after={start}&kind=created") as stream:
        assert next(iter(stream)).id == start + 1


def test_a_removed_session_is_told_without_a_row(site: Installation) -> None:
    server = site.up()
    session_id = create(server)["session_id"]
    fetch(server, "POST", f"{API}/sessions/{session_id}/stop")
    with Stream(server, EVENTS) as stream:
        assert fetch(server, "POST", f"{API}/cleanup", {"hours": 0}).json["removed"] == [session_id]
        event = next(iter(stream))
    assert (event.data["kind"], event.data["session"]) == ("removed", None)


def test_a_session_that_one_may_not_see_makes_no_events(site: Installation) -> None:
    server = site.up(HIVE_PRIVATE_SESSIONS="on")
    anna, bert = token(site, "anna", "operator"), token(site, "bert", "operator")
    # given sessions of two people, both removed in the end
    ids = [make(server, who, task="secret") for who in (anna, bert, anna)]
    for session_id in ids:
        fetch(server, "POST", f"{API}/sessions/{session_id}/stop")
    hers, his = ids[0], ids[1]
    start = stored(site)[-1][0]
    with Stream(server, f"{EVENTS}?after=0", bert) as stream:
        seen = {event.data["session_id"] for event in upto(stream, of(site, his)[-1])}
    assert seen == {his}
    assert len(fetch(server, "POST", f"{API}/cleanup", {"hours": 0}).json["removed"]) == 3
    his_last = make(server, bert)
    # then each is told of their own
    with Stream(server, f"{EVENTS}?after={start}", bert) as stream:
        events = upto(stream, of(site, his_last)[-1])
    assert [(event.data["kind"], event.data["session_id"]) for event in events] == [
        ("removed", his),
        ("created", his_last),
    ]
    fetch(server, "GET", f"{EVENTS}?session={hers}", headers=bert).problem(404, "not_found")
    # and an administrator of all
    with Stream(server, f"{EVENTS}?after={start}") as stream:
        events = upto(stream, of(site, his_last)[-1])
    assert {event.data["session_id"] for event in events} == {*ids, his_last}


def of(site: Installation, session_id: str) -> list[int]:
    """The ids of a session's events."""
    return [n for n, _, _ in stored(site, f"session_id = '{uuid.UUID(session_id).hex}'")]


class Reader(threading.Thread):
    """A reader that comes back whenever its stream breaks, as browsers do."""

    def __init__(self, server: Server, after: int) -> None:
        super().__init__()
        self.server = server
        self.events: list[tuple[int, str]] = []
        self.last, self.breaks, self.done = after, 0, False
        self.start()

    def run(self) -> None:
        """Read until told to stop."""
        while not self.done:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._read()
            self.breaks += 1

    def _read(self) -> None:
        with Stream(self.server, EVENTS, {"Last-Event-ID": str(self.last)}) as stream:
            for event in stream:
                assert event.kind == "session"
                self.events.append((event.id, event.data["kind"]))
                self.last = event.id
                if self.done:
                    return


def test_nothing_is_lost_or_repeated_across_kills(site: Installation) -> None:
    # given sessions that are made and run all the time, and a reader
    server = site.up()
    create(server)
    begin = stored(site)[-1][0]
    reader = Reader(server, begin)
    made = []
    going = True

    def write() -> None:
        while going:
            with contextlib.suppress(OSError, http.client.HTTPException):
                made.append(run(server, *QUICK))

    writer = threading.Thread(target=write)
    writer.start()
    # when the server is killed in the middle of it
    try:
        for _ in range(2):
            seen = len(reader.events)
            eventually(lambda: len(reader.events) > seen + 8, "events to arrive")  # noqa: B023
            server.kill()
            server = site.up()
        eventually(lambda: len(made) > 3, "sessions to have been made all the while")
    finally:
        going = False
        writer.join()
    server.stop()  # no more events
    server = site.up()
    newest = stored(site)[-1][0]
    eventually(lambda: reader.last >= newest, "the reader to have got everything")
    reader.done = True
    create(server)  # wakes it
    reader.join()
    # then it has got each event once, in order; a change that was killed may leave an id unused
    assert reader.breaks > 2
    assert [event for event in reader.events if event[0] <= newest] == [
        (n, kind) for n, kind, _ in stored(site, f"id > {begin} AND id <= {newest}")
    ]


def memory(server: Server) -> int:
    """The server's resident memory in bytes."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def test_a_reader_that_does_not_read_costs_no_memory(site: Installation) -> None:
    # given 300 MB of events
    server = site.up()
    session_id = create(server, task="x" * 100_000)["session_id"]
    start = stored(site)[-1][0]
    add_events(site, 3000, session_id)
    get(server, session_id)
    before = memory(server)
    # when a reader asks for them and does not read, while others do
    with Stream(server, f"{EVENTS}?after={start}") as slow:
        with Stream(server, f"{EVENTS}?after={start + 2500}") as quick:
            quick_events = upto(quick, start + 3000)
        assert memory(server) < before + 60_000_000
        # then it still gets all of them
        slow_events = itertools.islice(slow, 300)
        assert [event.id for event in slow_events] == [*range(start + 1, start + 301)]
    assert [event.id for event in quick_events] == [*range(start + 2501, start + 3001)]
    assert memory(server) < before + 60_000_000


def words(server: Server, path: str) -> Iterator[str]:
    """The lines of a stream, comments too."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=40)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=BEARER)
        with connection.getresponse() as answer:
            while line := answer.readline():
                yield line.decode().rstrip("\n")


def test_a_new_reader_is_told_at_once_where_it_is(
    shared_site: Installation, shared_server: Server
) -> None:
    create(shared_server)
    newest = stored(shared_site)[-1][0]
    lines: Any = words(shared_server, f"{EVENTS}?kind=completed")
    assert [*itertools.islice(lines, 4)] == ["retry: 1000", "", f"id: {newest}", ""]
    lines.close()
