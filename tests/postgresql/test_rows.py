"""Rows on PostgreSQL: events in order whoever commits first, texts with NUL, searches, turns."""

import asyncio
import contextlib
import os
import resource
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from channels.layers import channel_layers
from django.db import connection
from django.utils import timezone

from sessions_app import claims, events, publish, queries, relay, schema, services
from sessions_app.cluster import permits
from sessions_app.conf import Conf
from sessions_app.filters import Filters, narrow
from sessions_app.launchers.local import LocalLauncher
from sessions_app.lifecycle import EventKind
from sessions_app.models import AgentSession, SessionEvent, postgresql
from sessions_app.spawner.supervise import Supervisor
from sessions_app.telemetry.summary import Measured
from sessions_app.webhooks import queueing
from tests import databases

Connect = Callable[[], "psycopg.Connection[Any]"]
EVERYTHING = events.Wanted()


@pytest.fixture
def connect(transactional_db: None) -> Iterator[Connect]:
    """Further connections to the database of the tests, each with its transactions."""
    made: list[psycopg.Connection[Any]] = []
    settings = connection.settings_dict

    def one_more() -> "psycopg.Connection[Any]":
        made.append(
            psycopg.connect(
                host=settings["HOST"],
                port=settings["PORT"],
                user=settings["USER"],
                dbname=settings["NAME"],
            )
        )
        return made[-1]

    yield one_more
    for each in made:
        each.close()


def happens(of: "psycopg.Connection[Any]") -> int:
    """An event in the transaction of a connection; its id."""
    values = [uuid.uuid4(), timezone.now()]
    row = of.execute(
        "INSERT INTO sessions_app_sessionevent (session_id, kind, at, data) "
        "VALUES (%s, 'pinned', %s, '{}') RETURNING id",
        values,
    ).fetchone()
    assert row is not None
    return int(row[0])


def read_on(position: int) -> list[int]:
    """The ids that a reader is told who knows all up to a position."""
    ids = [event["id"] for event in events.after(position, EVERYTHING).events]
    assert [event for event, _ in queries.events_after(position)] == ids
    return ids


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_no_event_is_skipped_that_commits_late(connect: Connect, end: str) -> None:
    late, early = connect(), connect()
    with connect() as other:
        known = happens(other)
    position = events.after(0, EVERYTHING).position
    assert position == known
    # given one that has its id and is not there yet, and a later one that is
    first, second = happens(late), happens(early)
    early.commit()
    assert first < second
    # then readers are told of neither, and webhooks and pages come no further
    assert read_on(position) == []
    assert queueing.after(position).position == position
    assert queries.changes_after(position).cursor == position
    happens(late)  # further ones of the same transaction change nothing
    assert read_on(position) == []
    # when the first one is decided
    getattr(late, end)()
    # then they are told of what is there, in order
    told = read_on(position)
    assert told[:2] == ([first, second] if end == "commit" else [second])
    # and who had come further already stays there
    happens(late)
    ahead = queries.latest_event() + 1
    assert events.after(ahead, EVERYTHING).reset == ""
    assert events.after(ahead, EVERYTHING).position >= ahead
    assert "no such event" in events.after(ahead + 1000, EVERYTHING).reset


def test_writers_do_not_wait_for_each_other(connect: Connect) -> None:
    one, other = connect(), connect()
    other.execute("SET lock_timeout = '1s'")
    for _ in range(3):
        happens(one)
        happens(other)
    one.rollback()
    other.commit()
    assert len(read_on(0)) == 3


@pytest.mark.django_db
def test_a_nul_is_kept_in_metadata_and_replaced_where_others_wrote(conf: Conf) -> None:
    metadata = {"a\0b": 'c\0d \\u0000 \\\\u0000 "', "plain": "x"}
    session = services.create("a task", metadata=metadata)
    session.refresh_from_db()
    assert session.metadata == metadata
    AgentSession.objects.note(session.id, EventKind.PINNED, said='\0 \\u0000 \\\\u0000 "\0"')
    told = SessionEvent.objects.filter(session_id=session.id, kind=EventKind.PINNED).get()
    assert told.data["said"] == '\ufffd \\u0000 \\\\u0000 "\ufffd"'
    AgentSession.objects.filter(id=session.id).update(detail="a\0b")
    session.refresh_from_db()
    assert session.detail == "a\ufffdb"
    # such a row breaks no search
    services.create("another task", metadata={"plain": "x"})
    assert len(queries.find(filters=Filters(metadata=("plain=x",))).sessions) == 1
    assert len(queries.find(text="TASK").sessions) == 2


@pytest.mark.django_db
def test_metadata_is_given_back_as_it_came(conf: Conf) -> None:
    metadata = {"zebra": 1.0, "a": 1e16, "b": -0.0, "n": 2**70, "text": "ä"}
    session = services.create("a task", metadata=metadata)
    session.refresh_from_db()
    assert repr(session.metadata) == repr(metadata)


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["pool", "node"])
def test_a_list_of_a_pool_or_a_host_uses_its_index(field: str) -> None:
    wish: dict[str, Any] = {field: "gpu"}
    found = narrow(AgentSession.objects.all(), Filters(**wish))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    assert f"session_by_{field}" in found.order_by("-created", "-id")[:50].explain()


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["a text", "550e8400", "swarm-1795651543251"])
def test_a_search_uses_its_index(text: str) -> None:
    found = narrow(AgentSession.objects.all(), Filters(text=text))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = found.explain()
    assert "session_search" in plan
    assert "Seq Scan" not in plan


def test_migrations_take_turns(transactional_db: None) -> None:
    order = []
    begun = threading.Event()

    def migrate() -> None:
        begun.set()
        schema.migrate()
        order.append("migrated")
        connection.close()

    with postgresql.one_at_a_time(postgresql.MIGRATIONS):
        other = threading.Thread(target=migrate)
        other.start()
        begun.wait()
        other.join(0.3)
        order.append("first")
    other.join()
    assert order == ["first", "migrated"]


async def test_another_process_hears_at_once_also_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with databases.redis() as hints:
        layer = {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [hints.url], "prefix": "test."},
        }
        monkeypatch.setitem(channel_layers.configs, relay.LAYER, layer)
        monkeypatch.setattr(channel_layers, "backends", {})
        heard: list[int] = []
        one, other = relay.Relay(lambda _: None), relay.Relay(heard.append)
        tasks = [asyncio.create_task(each.run()) for each in (one, other)]
        number = 0

        async def until_heard() -> None:
            nonlocal number
            async with asyncio.timeout(40):
                while number not in heard:  # who has just begun to listen may miss the first
                    number += 1
                    one.tell(number)
                    await asyncio.sleep(0.05)

        await until_heard()
        hints.stop()
        one.tell(number := number + 1)
        hints.start()
        await until_heard()
        other.tell(number)  # it was heard: it is not said again
        assert not tasks[0].done()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert publish.TICK < 1


def test_a_connection_that_was_cut_is_noticed_among_a_thousand_readers(connect: Connect) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    connection.close()
    with contextlib.ExitStack() as open_fds:
        open_fds.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        while (fd := os.open(os.devnull, os.O_RDONLY)) < 1100:
            open_fds.callback(os.close, fd)
        os.close(fd)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        assert connection.connection.fileno() > 1023

        postgresql.hang_up_if_cut(connection)
        assert connection.connection is not None, "nothing has happened to it"
        connect().execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        postgresql.hang_up_if_cut(connection)
        assert connection.connection is None


def test_who_has_given_an_attempt_up_keeps_off_the_next_one(conf: Conf, connect: Connect) -> None:
    """Its supervisor, say, that did not hear that its last word had arrived, and looks again."""
    us, session_id = conf.cluster.node, services.create("x", start=True).id

    async def unmeasured(*_: object) -> Measured:
        return Measured()

    launcher = LocalLauncher(conf.runs_dir)
    supervisor = Supervisor(conf, launcher, session_id, lambda: None, unmeasured)
    first = claims.claim_next(us, 9)
    asyncio.run(supervisor.run(adopt=True, row=first))
    assert AgentSession.objects.get(id=session_id).claimed_by == "", "it never ran"

    for attempt, host in ((2, "another"), (3, us)):
        assert claims.claim_next(host, 9)
        asyncio.run(supervisor.run(adopt=True))
        session = AgentSession.objects.get(id=session_id)
        assert (session.claimed_by, session.attempt) == (host, attempt)
        claims.release(session_id, attempt, "for the next one")


@pytest.mark.django_db
def test_lost_permits_are_made_anew_a_few_at_a_time(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many may wait (a copied database) that others would wait long for one transaction."""
    for _ in range(3):
        services.create("x", start=True)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    monkeypatch.setattr(permits, "MOST_AT_ONCE", 2)

    assert [permits.balance() for _ in range(3)] == [{"default": 2}, {"default": 1}, {}]
