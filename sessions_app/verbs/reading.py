"""Verbs that tell of sessions: status, get, list, output-dir, log, queue."""

import json

from sessions_app import arguments, queries, registry, services
from sessions_app.errors import Invalid, NotFound
from sessions_app.filters import Filters
from sessions_app.lifecycle import NOT_FOUND
from sessions_app.verb_steps import Print, Verb, VerbTable, follow, for_terminal, json_object, line


def _status(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    try:
        word = services.get(arguments.only_id("status", rest) if rest else "").status
    except NotFound as error:
        yield line(NOT_FOUND)
        return error.exit_code
    yield line(word)
    return 0


def _get(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    session = services.get(arguments.only_id("get", rest))
    yield Print(json_object(queries.full_json(session)))
    return 0


def _list(words: list[str]) -> Verb:
    options, rest = arguments.split(words, valued=["--swarm", "--pool", "--node"])
    arguments.nothing_else("list takes --swarm ID, --pool NAME and --node NAME only", rest)
    if options.get("--swarm") == "":
        raise Invalid("--swarm needs the id of a swarm, not ''")
    for option in ("--pool", "--node"):
        if options.get(option) == "":
            raise Invalid(f"{option} needs a name, not ''")
    swarm, pool, node = (options.get(name, "") for name in ("--swarm", "--pool", "--node"))
    wish = Filters(swarm=swarm, pool=pool, node=node)
    found = registry.registry(queries.that_fit(wish) if wish else None)
    # One line a session: indented output would take the encoder written in Python, 7 times slower.
    entries = ",\n".join(
        f" {json.dumps(key)}: {json.dumps(entry, ensure_ascii=False)}"
        for key, entry in found["sessions"].items()
    )
    text = f'{{"sessions": {{\n{entries}\n}}, "created": {json.dumps(found["created"])}}}\n'
    yield Print(for_terminal(text))
    return 0


def _output_dir(words: list[str]) -> Verb:
    _, rest = arguments.split(words)
    yield line(f"{services.get(arguments.only_id('output-dir', rest)).output_dir}/")
    return 0


def _log(words: list[str]) -> Verb:
    options, rest = arguments.split(words, flags=["--follow"])
    session = services.get(arguments.only_id("log", rest))
    wanted = "--follow" in options
    yield follow(session, with_exit_code=False) if wanted else line(session.log_file)
    return 0


def _queue(words: list[str]) -> Verb:
    arguments.nothing_else("queue takes none", words)
    yield Print(json_object(queries.queue_json()))
    return 0


VERBS: VerbTable = {
    "status": _status,
    "get": _get,
    "list": _list,
    "output-dir": _output_dir,
    "log": _log,
    "queue": _queue,
}
