"""Verbs that look after an installation: init."""

from sessions_app import arguments, importing, registry, schema, workspace
from sessions_app.conf import current
from sessions_app.models import Installation
from sessions_app.verb_steps import Verb, VerbTable, line


def _init(words: list[str]) -> Verb:
    arguments.nothing_else("init takes none", words)
    conf = current()
    workspace.initialise(conf)
    schema.migrate()
    if said := importing.first_start(conf):
        yield line(said, to_stderr=True)
    Installation.since()
    registry.write_index(conf)
    return 0


VERBS: VerbTable = {
    "init": _init,
}
