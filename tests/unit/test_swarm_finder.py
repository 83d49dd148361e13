"""Looking for the swarms of runs: cheap, bounded, and never in the way of anything."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from sessions_app import db, services
from sessions_app.conf import Conf
from sessions_app.models import AgentSession
from sessions_app.spawner import swarms
from sessions_app.telemetry import swarm
from tests import hive_databases
from tests.hive_databases import SWARM
from tests.support import eventually
from tests.unit.verb_steps import create, set_running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(swarms, "PERIOD", 0.02)
    yield
    for pool in db._POOLS.values():  # their connections are to this test's database
        pool.submit(connections.close_all).result()


@contextlib.asynccontextmanager
async def finder(*sessions: AgentSession, said: dict[uuid.UUID, str] | None = None) -> Any:
    """One at work."""
    found = swarms.SwarmFinder(lambda: sessions, lambda: said or {})
    task = asyncio.create_task(found.run())
    try:
        yield found
        assert not task.done()
    finally:
        task.cancel()


def runs() -> AgentSession:
    """A session that runs, as far as its row says."""
    session_id = create()
    set_running(session_id)
    return services.get(session_id)


async def until(condition: Any) -> None:
    """Wait until it holds."""
    await asyncio.to_thread(eventually, condition, "it to hold")


async def test_one_is_found_whatever_others_have_there(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given runs with no database, a foreign one, one without a swarm, and one with a bad id
    none, foreign, empty, bad, good = [await asyncio.to_thread(runs) for _ in range(5)]
    file = hive_databases.hive_db(Path(foreign.working_dir))
    file.parent.mkdir()
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    for session, swarm_id in ((empty, None), (bad, "a b\n"), (good, SWARM)):
        db = hive_databases.make_hive(Path(session.working_dir))
        db.execute("UPDATE swarms SET id = ?", (swarm_id,))
        if swarm_id is None:
            db.execute("DELETE FROM swarms")
        db.close()
    reads: list[uuid.UUID] = []
    first_id = swarm.first_id

    def counted(session: AgentSession) -> str:
        reads.append(session.id)
        return first_id(session)

    monkeypatch.setattr(swarm, "first_id", counted)

    async with finder(none, foreign, empty, bad, good):
        # when it has looked, then the good one has its id, and the others none
        await until(lambda: services.get(good.id).swarm_id == SWARM)
        await asyncio.sleep(0.3)
        ids = [await asyncio.to_thread(services.get, s.id) for s in (none, foreign, empty, bad)]
        assert [session.swarm_id for session in ids] == [""] * 4
        # and what does not change is read once
        assert sorted(reads) == sorted({foreign.id, empty.id, bad.id, good.id})
        # when one gets a swarm later, then it is found
        late = hive_databases.connect(hive_databases.hive_db(Path(empty.working_dir)))
        late.execute("INSERT INTO swarms (id, name) VALUES ('late:1', 'x')")
        late.close()
        await until(lambda: services.get(empty.id).swarm_id == "late:1")


async def test_what_a_log_said_comes_first(conf: Conf) -> None:
    # given runs whose log has said an id, with another one in hive.db, and with a bad one
    told, bad, ended = [await asyncio.to_thread(runs) for _ in range(3)]
    for session in (told, bad, ended):
        hive_databases.make_hive(Path(session.working_dir)).close()
    async with finder(told, bad, said={told.id: "swarm-log", bad.id: "a b"}):
        # then the log's id counts
        await until(lambda: services.get(told.id).swarm_id == "swarm-log")
    # and at the end as well
    await swarms.last_look(ended, "swarm-last")
    assert (await asyncio.to_thread(services.get, ended.id)).swarm_id == "swarm-last"
    assert (await asyncio.to_thread(services.get, bad.id)).swarm_id == ""


async def test_a_look_that_fails_or_hangs_is_no_more_than_that(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a run that has ended, and something unheard of in its database
    session = await asyncio.to_thread(runs)
    hive_databases.make_hive(Path(session.working_dir)).close()
    first_id = swarm.first_id

    def broken(_: AgentSession) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(swarm, "first_id", broken)
    # when it is looked at last, then that fails quietly
    await swarms.last_look(session)
    # when its file system does not answer, then it is over in time
    monkeypatch.setattr(swarms, "LAST", 0.1)
    hangs = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(
        swarm,
        "first_id",
        lambda _: asyncio.run_coroutine_threadsafe(hangs.wait(), loop).result(10) and "",
    )
    async with asyncio.timeout(2):
        await swarms.last_look(session)
    hangs.set()
    # and when nothing is wrong, the id is there
    monkeypatch.setattr(swarms, "LAST", 10.0)
    monkeypatch.setattr(swarm, "first_id", first_id)
    await swarms.last_look(session)
    found = await asyncio.to_thread(services.get, session.id)
    assert found.swarm_id == SWARM
