"""Verbs that look after an installation: init, link."""

from sessions_app import access, arguments, importing, registry, schema, workspace
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


def _link(words: list[str]) -> Verb:
    arguments.nothing_else("link takes none", words)
    base = current().base_url
    yield line(f"{base}/login?key={access.make_link()}" if access.required() else f"{base}/")
    return 0


VERBS: VerbTable = {
    "init": _init,
    "link": _link,
}
