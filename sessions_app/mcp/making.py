"""The tools that change something: create, start, stop, and a task that is set up in one call."""

import logging

from sessions_app import db, hints, idempotency, queries, services
from sessions_app.api import repeats
from sessions_app.errors import Unavailable
from sessions_app.mcp import arguments
from sessions_app.mcp.answers import Answer, brief, sentence
from sessions_app.models import AgentSession

logger = logging.getLogger(__name__)
#: What the hive mind calls the leader that suits a strategy (docs/telemetry.md).
_QUEENS = {
    "parallel": "strategic",
    "strategic": "strategic",
    "sequential": "tactical",
    "tactical": "tactical",
    "adaptive": "adaptive",
    "auto": "adaptive",
    "balanced": "adaptive",
}


async def create(given: arguments.Create) -> Answer:
    """``session_create``."""
    return await db.call(_create_once, given)


def _create_once(given: arguments.Create) -> Answer:
    wish = given.model_dump(exclude={"idempotency_key"})
    session, repeated = idempotency.once(
        idempotency.intent(given.idempotency_key, "mcp session_create", wish=wish),
        lambda record: services.create(**wish, record=record),
        lambda session_id: repeats.made_before(session_id, start=False),
    )
    return _made(session, repeated=repeated)


async def orchestrate(given: arguments.Orchestrate) -> Answer:
    """``task_orchestrate``."""
    return await db.call(_orchestrate_once, given)


def _orchestrate_once(given: arguments.Orchestrate) -> Answer:
    wish = given.model_dump(exclude={"idempotency_key", "dependencies"})
    session, repeated = idempotency.once(
        idempotency.intent(given.idempotency_key, "mcp task_orchestrate", wish=wish),
        lambda record: _create_and_start(given, record),
        lambda session_id: repeats.made_before(session_id, start=True),
    )
    return _made(session, repeated=repeated)


def _create_and_start(given: arguments.Orchestrate, record: idempotency.Record) -> AgentSession:
    session = services.create(
        given.task,
        priority="high" if given.priority == "critical" else given.priority,
        metadata=given.metadata,
        args=command_arguments(given),
        profile=given.profile,
        limits=given.limits,
        pool=given.pool,
        on_lost=given.on_lost,
        record=record,
    )
    try:
        return services.start(session.id)
    except Unavailable as error:
        # The start is recorded and will be seen; an error would make the caller create twice.
        logger.warning("session %s waits for a spawner: %s", session.id, error.detail)
        return services.get(session.id)


def command_arguments(given: arguments.Orchestrate) -> list[str]:
    """What the command is started with: for a strategy and a number of agents claude-flow's own."""
    found = []
    if given.strategy is not None:
        found += ["--queen-type", _QUEENS[given.strategy]]
    if given.max_agents is not None:
        found += ["--max-workers", str(given.max_agents)]
    return found + given.args


def _made(session: AgentSession, *, repeated: bool) -> Answer:
    told = queries.full_json(session)
    data = {
        **brief(told),
        "taskId": told["session_id"],  # what older clients look for
        "args": told["args"],
        "output_dir": told["output_dir"],
        "log_file": told["log_file"],
        "repeated": repeated,
    }
    before = " An earlier call with this key made it." if repeated else ""
    return Answer(data, sentence(told) + before)


async def start(given: arguments.Start) -> Answer:
    """``session_start``."""
    session = await db.call(services.start, given.session_id, given.args)
    return await db.read(about, session)


async def stop(given: arguments.Stop) -> Answer:
    """``session_stop``."""
    session = await db.call(services.stop, given.session_id)
    if given.wait and not session.finished:
        session = await hints.until(session.id, _finished, given.wait)
    return await db.read(about, session)


def _finished(session: AgentSession) -> bool:
    return session.finished


async def wait(given: arguments.Wait) -> Answer:
    """``session_wait``, which changes nothing."""
    known = ""

    def changed(session: AgentSession) -> bool:
        nonlocal known
        known = known or session.status
        return session.status != known or session.finished

    reached = _finished if given.until == "end" else changed
    return await db.read(about, await hints.until(given.session_id, reached, given.timeout))


def about(session: AgentSession) -> Answer:
    """A session in brief."""
    told = queries.full_json(session)
    return Answer(brief(told), sentence(told))
