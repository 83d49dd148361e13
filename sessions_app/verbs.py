"""What each operator verb does, prints and returns: one definition for both doors.

A verb is a generator of steps. It reads and writes the database between them, so that the
command (``manage.py hive``) can run it straight through, and the local socket in slices on its
few database threads, sleeping on the event loop where the verb pauses.
"""

import json
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from django.db import DatabaseError

from sessions_app import (
    access,
    arguments,
    cleanup,
    manual,
    queries,
    registry,
    schema,
    services,
    validation,
    workspace,
)
from sessions_app.conf import current
from sessions_app.errors import HiveError, Invalid, NotFound, Unavailable
from sessions_app.lifecycle import NOT_FOUND
from sessions_app.models import AgentSession, Installation
from sessions_app.verb_steps import (
    Exit,
    Follow,
    Pause,
    Print,
    Step,
    error_line,
    for_terminal,
    json_object,
    line,
    size_words,
)

#: Callers over docker exec give a stop 30 seconds.
STOP_WAIT = 28.0
#: While a stop waits, a spawner is asked for again this often, in case the one there was died.
STOP_REMIND = 5.0
DEFAULT_CLEANUP_HOURS = "24"


_Verb = Generator[Step, None, int]


def run(words: Sequence[str]) -> Generator[Step, None, None]:
    """Carry out a command line (the verb and its arguments), step by step.

    Whatever goes wrong becomes one line on standard error and an exit code; only a mistake in
    our own code raises.

    Args:
        words: text decoded from UTF-8 with ``surrogateescape``.

    Returns:
        The steps; the last one is an :class:`Exit`, a :class:`Follow` may stand before it.
    """
    try:
        code = yield from _dispatch(list(words))
    except HiveError as error:
        yield error_line(error.detail)
        code = error.exit_code
    except DatabaseError as error:
        unavailable = database_error(error)
        yield error_line(unavailable.detail)
        code = unavailable.exit_code
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        yield error_line(f"{error.strerror or error}{where}")
        code = HiveError.exit_code
    yield Exit(code)


def database_error(error: DatabaseError) -> Unavailable:
    """What a database's complaint means for the operator."""
    text = str(error)
    if "no such table" in text or "no such column" in text or "does not exist" in text:
        return Unavailable("the database has not been set up; run: manage.py migrate")
    if "locked" in text:
        return Unavailable("the database is busy; try again")
    return Unavailable(f"the database cannot be used: {text}")


def _dispatch(words: list[str]) -> _Verb:
    if not words:
        yield Print(manual.overview().encode(), to_stderr=True)
        return Invalid.exit_code
    verb, rest = words[0], words[1:]
    if verb in arguments.HELP or verb == "help":
        return (yield from _help(rest))
    if verb not in manual.SUMMARIES:
        raise Invalid(
            f"there is no verb {validation.shorten(verb, 40)!r}; "
            f"choose from {', '.join(manual.SUMMARIES)}"
        )
    if rest[:1] in (["--help"], ["-h"]) and (verb != "create" or len(rest) == 1):
        return (yield from _help([verb]))
    if verb not in _VERBS:
        raise Invalid(f"{verb} runs in a process of its own: manage.py hive {verb}")
    schema.make_if_missing()
    return (yield from _VERBS[verb](rest))


def _help(words: list[str]) -> _Verb:
    known = bool(words) and words[0] in manual.SUMMARIES
    yield Print((manual.page(words[0]) if known else manual.overview()).encode())
    return 0


def _create(words: list[str]) -> _Verb:
    wanted = arguments.new_session(words)
    session = services.create(
        wanted.task,
        priority=wanted.priority,
        metadata=validation.metadata_text(wanted.metadata),
        profile=wanted.profile,
    )
    yield line(str(session.id))  # first: a start that is refused leaves a session to be found
    if wanted.start:
        session = services.start(session.id)
    yield Print(json_object(queries.full_json(session)), to_stderr=True)
    return 0


def _start(words: list[str]) -> _Verb:
    options, rest = arguments.split(words, flags=["--detach"])
    session = services.start(arguments.needs_id("start", rest), rest[1:])
    if "--detach" not in options:
        yield _follow(session, with_exit_code=True)
    return 0


def _stop(words: list[str]) -> _Verb:
    _, rest = arguments.split(words)
    session = services.stop(arguments.only_id("stop", rest))
    begun = reminded = time.monotonic()
    pause = 0.05
    while not session.finished:
        now = time.monotonic()
        if now - begun > STOP_WAIT:
            raise Unavailable(f"session {session.id} is still being stopped; ask again")
        if now - reminded > STOP_REMIND:
            services.announce(work=True)
            reminded = now
        yield Pause(pause)
        pause = min(pause * 1.5, 0.25)
        try:
            session = services.get(session.id)
        except NotFound:  # it ended and was cleaned up between two looks
            break
    return 0


def _status(words: list[str]) -> _Verb:
    _, rest = arguments.split(words)
    try:
        word = services.get(arguments.only_id("status", rest) if rest else "").status
    except NotFound as error:
        yield line(NOT_FOUND)
        return error.exit_code
    yield line(word)
    return 0


def _get(words: list[str]) -> _Verb:
    _, rest = arguments.split(words)
    session = services.get(arguments.only_id("get", rest))
    yield Print(json_object(queries.full_json(session)))
    return 0


def _list(words: list[str]) -> _Verb:
    arguments.nothing_else("list takes none", words)
    found = registry.registry()
    # One line a session: indented output would take the encoder written in Python, 7 times slower.
    entries = ",\n".join(
        f" {json.dumps(key)}: {json.dumps(entry, ensure_ascii=False)}"
        for key, entry in found["sessions"].items()
    )
    text = f'{{"sessions": {{\n{entries}\n}}, "created": {json.dumps(found["created"])}}}\n'
    yield Print(for_terminal(text))
    return 0


def _output_dir(words: list[str]) -> _Verb:
    _, rest = arguments.split(words)
    yield line(f"{services.get(arguments.only_id('output-dir', rest)).output_dir}/")
    return 0


def _log(words: list[str]) -> _Verb:
    options, rest = arguments.split(words, flags=["--follow"])
    session = services.get(arguments.only_id("log", rest))
    follow = "--follow" in options
    yield _follow(session, with_exit_code=False) if follow else line(session.log_file)
    return 0


def _cleanup(words: list[str]) -> _Verb:
    dry_run = "--dry-run" in words
    rest = [word for word in words if word != "--dry-run"]
    arguments.nothing_else("cleanup takes HOURS and --dry-run", rest[1:])
    count = freed = 0
    removals = cleanup.cleanup(rest[0] if rest else DEFAULT_CLEANUP_HOURS, dry_run=dry_run)
    try:
        for removal in removals:
            if removal.kept:
                yield line(f"kept {removal.session_id}: {removal.kept}", to_stderr=True)
                continue
            count += 1
            freed += removal.bytes
            verb = "would remove" if dry_run else "removed"
            yield line(f"{verb} {removal.session_id} ({removal.bytes:,} bytes)", to_stderr=True)
    finally:
        removals.close()  # it tells the registry what is gone, interrupted or not
    sessions = f"{count} session{'' if count == 1 else 's'}"
    if dry_run:
        yield line(f"Would clean up {sessions} ({size_words(freed)})")
    else:
        yield line(f"Cleaned up {sessions} ({size_words(freed)} freed)")
    return 0


def _update_status(words: list[str]) -> _Verb:
    _, rest = arguments.split(words)
    arguments.nothing_else("update-status takes an id and a state", rest[2:])
    if len(rest) == 1:
        raise Invalid("update-status needs the state after the id: completed or failed")
    session_id = arguments.needs_id("update-status", rest)
    services.report(session_id, rest[1])
    yield from ()
    return 0


def _init(words: list[str]) -> _Verb:
    arguments.nothing_else("init takes none", words)
    conf = current()
    workspace.initialise(conf)
    schema.migrate()
    Installation.since()
    registry.write_index(conf)
    yield from ()
    return 0


def _link(words: list[str]) -> _Verb:
    arguments.nothing_else("link takes none", words)
    base = current().base_url
    yield line(f"{base}/login?key={access.make_link()}" if access.required() else f"{base}/")
    return 0


def _follow(session: AgentSession, *, with_exit_code: bool) -> Follow:
    file = str(Path(session.working_dir) / "session.json")
    return Follow(file, session.log_file, with_exit_code)


_VERBS: dict[str, Callable[[list[str]], _Verb]] = {
    "create": _create,
    "start": _start,
    "stop": _stop,
    "status": _status,
    "get": _get,
    "list": _list,
    "output-dir": _output_dir,
    "log": _log,
    "cleanup": _cleanup,
    "update-status": _update_status,
    "init": _init,
    "link": _link,
}
