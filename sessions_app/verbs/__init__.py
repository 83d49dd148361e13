"""What each operator verb does, prints and returns: one definition for both doors.

A verb is a generator of steps. It reads and writes the database between them, so that the
command (``manage.py hive``) can run it straight through, and the local socket in slices on its
few database threads, sleeping on the event loop where the verb pauses.
"""

import re
from collections.abc import Generator, Sequence

from django.db import DatabaseError

from sessions_app import arguments, manual, schema, validation
from sessions_app.errors import HiveError, Invalid, Unavailable
from sessions_app.verb_steps import Exit, Print, Step, Verb, VerbTable, error_line, line
from sessions_app.verbs import (
    cleaning,
    control,
    metrics,
    nodes,
    people,
    performance,
    reading,
    repair,
    swarms,
    upkeep,
    webhooks,
)

#: These only read rows.
READING = frozenset({**reading.VERBS, **metrics.VERBS, **performance.VERBS, **swarms.VERBS})
_VERBS: VerbTable = {
    **control.VERBS,
    **reading.VERBS,
    **metrics.VERBS,
    **performance.VERBS,
    **cleaning.VERBS,
    **upkeep.VERBS,
    **people.VERBS,
    **webhooks.VERBS,
    **repair.VERBS,
    **swarms.VERBS,
    **nodes.VERBS,
}


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


#: A table or a column that is not there, as SQLite and PostgreSQL say it.
_UNKNOWN = re.compile(r"no such (table|column)|(relation|column) \S+ does not exist")


def database_error(error: DatabaseError) -> Unavailable:
    """What a database's complaint means for the operator."""
    text = " ".join(str(error).split())  # PostgreSQL's have several lines
    if _UNKNOWN.search(text):
        return Unavailable("the database has not been set up; run: manage.py migrate")
    if "locked" in text or "lock timeout" in text:
        return Unavailable("the database is busy; try again")
    return Unavailable(f"the database cannot be used: {text}")


def _dispatch(words: list[str]) -> Verb:
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
    if verb not in repair.UNPREPARED and (said := schema.make_if_missing()):
        yield line(said, to_stderr=True)
    if verb not in READING and verb not in repair.UNPREPARED:
        schema.refuse_moved()
    return (yield from _VERBS[verb](rest))


def _help(words: list[str]) -> Verb:
    known = bool(words) and words[0] in manual.SUMMARIES
    yield Print((manual.page(words[0]) if known else manual.overview()).encode())
    return 0
