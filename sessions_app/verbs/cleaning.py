"""The verb cleanup: what goes, what stays and why, and the true count."""

from collections import Counter

from sessions_app import arguments, cleanup
from sessions_app.cleanup import Kind, Removal
from sessions_app.conf import current
from sessions_app.units import size_words
from sessions_app.verb_steps import Pause, Verb, VerbTable, line, visible

DEFAULT_HOURS = "24"
_FLAGS = ("--dry-run", "--retention", "--orphans")
#: What the lines call each kind of thing.
_THINGS = {
    Kind.SESSION: "{id}",
    Kind.LOG: "the log of {id}",
    Kind.OUTPUT: "the output {paths}",
    Kind.ORPHAN: "the orphan {paths}",
    Kind.LEFTOVER: "the rest of {id}",
}


def _cleanup(words: list[str]) -> Verb:
    given = {word for word in words if word in _FLAGS}
    rest = [word for word in words if word not in _FLAGS]
    dry_run, by_settings = "--dry-run" in given, "--retention" in given
    with_orphans = "--orphans" in given
    arguments.nothing_else(f"cleanup takes HOURS, {', '.join(_FLAGS)}", rest[1:])
    hours = rest[0] if rest else None if by_settings or with_orphans else DEFAULT_HOURS
    if by_settings and not current().retention:
        yield line("no retention is set: see HIVE_KEEP_SESSIONS, _LOGS, _OUTPUTS", to_stderr=True)
    removals = cleanup.cleanup(
        hours, by_settings=by_settings, with_orphans=with_orphans, dry_run=dry_run
    )
    count = Counter[Kind]()
    freed = listed = 0
    try:
        for told in removals:
            if told is None:
                yield Pause(0)
                continue
            yield line(visible(_said(told, dry_run=dry_run)), to_stderr=True)
            listed += told.listed
            count[told.kind] += not told.kept
            freed += 0 if told.listed else told.bytes
    finally:
        removals.close()  # it tells the registry what is gone, interrupted or not
    if listed:
        what = f"{_number(listed, 'orphan')} without a session; to remove: hive cleanup --orphans"
        yield line(what, to_stderr=True)
    kinds = [Kind.SESSION]
    kinds += [Kind.LOG, Kind.OUTPUT] if by_settings else []
    kinds += [Kind.ORPHAN] if with_orphans else []
    things = ", ".join(_number(count[kind], kind) for kind in kinds)
    if dry_run:
        yield line(f"Would clean up {things} ({size_words(freed)})")
    else:
        yield line(f"Cleaned up {things} ({size_words(freed)} freed)")
    return 0


def _said(told: Removal, *, dry_run: bool) -> str:
    thing = _THINGS[told.kind].format(id=told.session_id, paths=" ".join(told.paths))
    size = f"{told.bytes:,} bytes"
    if told.listed:
        return f"kept {thing} ({size}): {told.kept}"
    if told.kept:
        return f"kept {thing}: {told.kept}"
    said = f"{'would remove' if dry_run else 'removed'} {thing} ({size})"
    return f"{said}; {told.note}" if told.note else said


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


VERBS: VerbTable = {"cleanup": _cleanup}
