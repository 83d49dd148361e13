"""The reconciler on real rows: whom it gives time, what a step that fails keeps from being done."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import Error, OperationalError, connection
from django.utils import timezone

from sessions_app import claims, db, services
from sessions_app.cluster import nodes
from sessions_app.conf import Conf
from sessions_app.launchers.local import LocalLauncher
from sessions_app.lifecycle import EventKind, NodeState, Status
from sessions_app.models import AgentSession, Node, Rounds, SessionEvent
from sessions_app.spawner import loop, reconcile
from sessions_app.spawner.hosting import Hosting
from tests.support import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shared(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> Conf:
    """The files of other hosts' sessions are here, too."""
    made = replace(conf, cluster=replace(conf.cluster, shared_storage=True))
    monkeypatch.setattr(settings, "HIVE", made)
    return made


def taken_by(host: str, **fields: str) -> AgentSession:
    """A session that a host has claimed, an hour ago."""
    session = services.create("x", start=True, **fields)  # type: ignore[arg-type]  # words
    assert claims.claim_next(host, 9)
    AgentSession.objects.filter(id=session.id).update(updated=timezone.now() - timedelta(hours=1))
    return session


def status(session: AgentSession) -> str:
    return AgentSession.objects.get(id=session.id).status


def silent(host: str) -> None:
    """It has said nothing for longer than its lease, and somebody listened."""
    long_ago = timezone.now() - timedelta(seconds=61)
    Node.objects.filter(name=host).update(heartbeat=long_ago)
    Rounds.objects.update(since=long_ago)


@contextlib.contextmanager
def refusing(change: str, condition: str, more: str = "", code: str = "P0001") -> Iterator[None]:
    """For a block, the database refuses a change of some sessions' rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '{code}'; END$$"
        )
        cursor.execute(
            f"CREATE CONSTRAINT TRIGGER refuses AFTER {change} ON sessions_app_agentsession {more} "
            f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")


def test_a_host_without_a_row_has_a_whole_lease_before_its_sessions_are_lost(conf: Conf) -> None:
    us = conf.cluster.node
    nodes.arrive(conf)
    gone, ours = taken_by("gone"), taken_by(us)
    # given hosts whose rows were deleted by hand, also the one that looks
    Node.objects.all().delete()
    for _ in range(2):
        reconcile.once(conf)
    assert (status(gone), status(ours)) == (Status.STARTING, Status.STARTING)
    # when one of them is alive, it hears that it is to arrive again, and may
    assert nodes.beat(conf) is NodeState.LOST
    assert not nodes.arrive(conf), "nobody had taken it for lost"
    assert nodes.beat(conf) is NodeState.ACTIVE
    # then the other one's lease goes by
    silent("gone")
    reconcile.once(conf)
    assert (status(gone), status(ours)) == (Status.FAILED, Status.STARTING)
    assert "host gone was lost" in AgentSession.objects.get(id=gone.id).detail


def test_a_session_that_cannot_be_settled_keeps_no_other_and_files_tell_what_rows_do(
    shared: Conf,
) -> None:
    sessions = [taken_by("gone") for _ in range(3)]
    reconcile.once(shared)
    silent("gone")
    bad = sessions[1]
    # given one whose end is refused when it is to be committed
    deferred = "DEFERRABLE INITIALLY DEFERRED"
    with (
        refusing("UPDATE", f"NEW.id = '{bad.id}'", deferred),
        pytest.raises(Error, match="not this one"),
    ):
        reconcile.once(shared)
    # then the others have ended, and it has not, neither here nor there
    assert [status(s) for s in sessions] == [Status.FAILED, Status.STARTING, Status.FAILED]
    for session in sessions:
        told = json.loads((Path(session.working_dir) / "session.json").read_text())
        assert told["status"] == status(session)
    # and it follows once it can
    reconcile.once(shared)
    assert status(bad) == Status.FAILED


def test_a_retry_that_cannot_be_made_keeps_no_other_and_permits_fit(shared: Conf) -> None:
    waiting = services.create("waits", start=True)
    lost = [services.create("x", on_lost="retry") for _ in range(4)]
    changes = {"status": Status.FAILED, "reason": "lost", "retry_wanted": True}
    AgentSession.objects.filter(id__in=[session.id for session in lost]).update(**changes)
    # given one that the database takes no retry of now, and one whose row nobody could use
    refused, unusable = lost[1], lost[2]
    AgentSession.objects.filter(id=unusable.id).update(args=5)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    with (
        refusing("INSERT", f"NEW.parent = '{refused.id}'", code="53100"),
        pytest.raises(OperationalError, match="not this one"),
    ):
        reconcile.once(shared)
    # then the others are tried again, and as many permits are there as sessions wait
    made = set(AgentSession.objects.exclude(parent=None).values_list("parent", flat=True))
    assert made == {lost[0].id, lost[3].id}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")
        assert cursor.fetchone() == (3,)
    assert status(waiting) == Status.STARTING
    # and each of the two says why it was not, or waits for its turn
    left = AgentSession.objects.filter(retry_wanted=True).values_list("id", flat=True)
    assert list(left) == [refused.id]
    said = SessionEvent.objects.get(session_id=unusable.id, kind=EventKind.RETRIED).data["why"]
    assert said.startswith("not tried again: its row cannot be used: 'int' object")
    reconcile.once(shared)
    assert AgentSession.objects.filter(parent=refused.id, status=Status.STARTING).exists()


async def test_a_spawner_takes_nothing_before_its_own_sessions_are_in_hand(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_hand: list[set[object]] = []
    begun = asyncio.Event()

    class Watched(Hosting):
        def helpers(self) -> "list[asyncio.Task[None]]":
            """Among these is what takes permits."""
            in_hand.append(set(self._supervised()))
            begun.set()
            return super().helpers()

    monkeypatch.setattr(loop, "Hosting", Watched)
    # given sessions that this host had taken on, and one that waits
    ours = await db.call(lambda: {taken_by(conf.cluster.node).id for _ in range(2)})
    await db.call(services.create, "waits", start=True)
    # when its spawner returns
    spawner = loop.Spawner(conf, LocalLauncher(conf.runs_dir))
    running = asyncio.create_task(spawner.run())
    started = asyncio.create_task(begun.wait())
    await asyncio.wait({running, started}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    # then it began to take others when it had those
    assert in_hand == [ours]
