"""Verbs that change sessions: create, start, pause, resume, stop, retry, update, pin, report."""

import time
from collections.abc import Callable
from typing import Any

from sessions_app import arguments, bell, control, queries, services, validation
from sessions_app.errors import Invalid, NotFound, Unavailable
from sessions_app.models import AgentSession
from sessions_app.verb_steps import Pause, Print, Verb, VerbTable, follow, json_object, line

#: Callers over docker exec give a stop 30 seconds.
STOP_WAIT = 28.0
#: A pause stops processes one by one; it takes this long at most.
PAUSE_WAIT = 15.0
#: While somebody waits, a spawner is asked for again this often, in case the one there was died.
REMIND = 5.0


def _create(words: list[str]) -> Verb:
    wanted = arguments.new_session(words)
    not_before = validation.not_before(wanted.not_before)
    if not_before and not wanted.start:
        raise Invalid("--not-before goes with --start")
    session = services.create(
        wanted.task,
        priority=wanted.priority,
        metadata=validation.metadata_text(wanted.metadata),
        profile=wanted.profile,
        limits=wanted.limits,
        on_usage_limit=wanted.on_usage_limit,
        pool=wanted.pool,
        on_lost=wanted.on_lost,
    )
    yield line(str(session.id))  # first: a start that is refused leaves a session to be found
    if wanted.start:
        session = services.start(session.id, not_before=not_before)
    yield Print(json_object(queries.full_json(session)), to_stderr=True)
    return 0


def _start(words: list[str]) -> Verb:
    options, rest = arguments.split(words, flags=["--detach"], valued=["--not-before"])
    not_before = validation.not_before(options.get("--not-before"))
    session = services.start(arguments.needs_id("start", rest), rest[1:], not_before=not_before)
    if "--detach" not in options:
        yield follow(session, with_exit_code=True)
    return 0


def _stop(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    session = services.stop(arguments.only_id("stop", rest))
    yield from _until(session, lambda s: s.finished, STOP_WAIT, "is still being stopped")
    return 0


def _pause(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    session = control.pause(arguments.only_id("pause", rest))
    yield from _until(session, lambda s: s.paused or s.finished, PAUSE_WAIT, "is not paused yet")
    return 0


def _resume(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    session = control.resume(arguments.only_id("resume", rest))
    yield from _until(session, lambda s: not s.paused, PAUSE_WAIT, "is not resumed yet")
    return 0


def _until(
    session: AgentSession, reached: Callable[[AgentSession], bool], seconds: float, otherwise: str
) -> Verb:
    """Look again and again until it is as asked for.

    Raises:
        Unavailable: it took too long.
    """
    begun = reminded = time.monotonic()
    pause = 0.05
    while not reached(session):
        now = time.monotonic()
        if now - begun > seconds:
            raise Unavailable(f"session {session.id} {otherwise}; ask again")
        if now - reminded > REMIND:
            bell.announce(work=True)
            reminded = now
        yield Pause(pause)
        pause = min(pause * 1.5, 0.25)
        try:
            session = services.get(session.id)
        except NotFound:  # it ended and was cleaned up between two looks
            break
    return 0


def _retry(words: list[str]) -> Verb:
    options, rest = arguments.split(words, flags=["--no-start"])
    start = "--no-start" not in options
    session = control.retry(arguments.only_id("retry", rest), start_now=start)
    yield line(str(session.id))
    yield Print(json_object(queries.full_json(session)), to_stderr=True)
    return 0


def _update(words: list[str]) -> Verb:
    options, rest = arguments.split(words, valued=["--priority", "--metadata"])
    changes: dict[str, Any] = {}
    if "--priority" in options:
        changes["priority"] = options["--priority"]
    if "--metadata" in options:
        changes["metadata"] = validation.metadata_text(options["--metadata"])
    session = control.update(arguments.only_id("update", rest), **changes)
    yield Print(json_object(queries.full_json(session)))
    return 0


def _pin(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    control.pin(arguments.only_id("pin", rest))
    yield from ()
    return 0


def _unpin(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    control.pin(arguments.only_id("unpin", rest), pinned=False)
    yield from ()
    return 0


def _unhold(words: list[str]) -> Verb:
    arguments.nothing_else("unhold takes the name of a profile", words[1:])
    if not words:
        raise Invalid("unhold needs the name of a profile; `hive queue` lists the holds")
    if not control.unhold(words[0]):
        raise NotFound(f"sessions of the profile {validation.shorten(words[0], 60)!r} are not held")
    yield line(f"sessions of {words[0]} may start again")
    return 0


def _update_status(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    arguments.nothing_else("update-status takes an id and a state", rest[2:])
    if len(rest) == 1:
        raise Invalid("update-status needs the state after the id: completed or failed")
    session_id = arguments.needs_id("update-status", rest)
    services.report(session_id, rest[1])
    yield from ()
    return 0


VERBS: VerbTable = {
    "create": _create,
    "start": _start,
    "pause": _pause,
    "resume": _resume,
    "stop": _stop,
    "retry": _retry,
    "update": _update,
    "pin": _pin,
    "unpin": _unpin,
    "unhold": _unhold,
    "update-status": _update_status,
}
