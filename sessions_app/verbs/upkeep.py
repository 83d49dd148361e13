"""Verbs that look after an installation: init, link, cleanup."""

from sessions_app import access, arguments, cleanup, importing, registry, schema, workspace
from sessions_app.conf import current
from sessions_app.models import Installation
from sessions_app.units import size_words
from sessions_app.verb_steps import Verb, VerbTable, line

DEFAULT_CLEANUP_HOURS = "24"


def _cleanup(words: list[str]) -> Verb:
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
    "cleanup": _cleanup,
    "init": _init,
    "link": _link,
}
