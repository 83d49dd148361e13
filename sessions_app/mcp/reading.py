"""The tools that tell of sessions and swarms; files.py has those that read logs and outputs."""

from sessions_app import db, queries, services
from sessions_app.filters import Filters
from sessions_app.mcp import arguments
from sessions_app.mcp.answers import Answer, brief, sentence
from sessions_app.telemetry import performance, swarm
from sessions_app.telemetry import reading as telemetry


async def status(given: arguments.Status) -> Answer:
    """``session_status``."""
    return await db.read(_status, given)


def _status(given: arguments.Status) -> Answer:
    told = queries.full_json(services.get(given.session_id))
    return Answer(told if given.full else brief(told), sentence(told))


async def sessions(given: arguments.ListSessions) -> Answer:
    """``session_list``."""
    return await db.read(_sessions, given)


def _sessions(given: arguments.ListSessions) -> Answer:
    wish = Filters(**given.model_dump(exclude={"limit", "cursor"}))
    page = queries.find(filters=wish, limit=given.limit, cursor=given.cursor)
    found = [brief(session) for session in queries.many_json(page.sessions)]
    more = ", and there are more" if page.next_cursor else ""
    return Answer(
        {"sessions": found, "next_cursor": page.next_cursor},
        f"{_count(len(found), 'session')}, newest first{more}.",
    )


async def metrics(given: arguments.Metrics) -> Answer:
    """``session_metrics``."""
    session = await db.read(services.get, given.session_id)
    found = await telemetry.metrics.wait(session, given.points)
    return Answer(found, f"What session {session.id} does and uses.")


async def agents(given: arguments.Session) -> Answer:
    """``session_agents``."""
    session = await db.read(services.get, given.session_id)
    found = await swarm.read.wait(session)
    tasks = found["progress"]
    return Answer(
        found,
        f"Session {session.id} has {_count(len(found['agents']), 'agent')}; "
        f"{tasks['done']} of {_count(tasks['total'], 'task')} done.",
    )


async def swarms(given: arguments.Swarms) -> Answer:
    """``swarm_list``."""
    return await db.read(_swarms, given)


def _swarms(given: arguments.Swarms) -> Answer:
    found = swarm.listing(given.cursor, given.limit)
    more = ", and there are more" if found["next_cursor"] else ""
    return Answer(found, f"{_count(len(found['swarms']), 'swarm')}, newest first{more}.")


async def summary(given: arguments.Performance) -> Answer:
    """``performance_summary``."""
    return await db.read(_summary, given)


def _summary(given: arguments.Performance) -> Answer:
    return Answer(
        performance.summary(given.hours), f"How sessions did in the last {given.hours:g} hours."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
