"""Verbs that put right what others left or broke: import, doctor."""

from collections import Counter
from pathlib import Path

from sessions_app import arguments, bell, callers, doctor, importing, schema
from sessions_app.callers import Role
from sessions_app.conf import current
from sessions_app.errors import Invalid
from sessions_app.lifecycle import Status
from sessions_app.models import AuditEvent
from sessions_app.verb_steps import Print, Verb, VerbTable, json_object, line, printable
from sessions_app.verbs import locks

#: For these the database is not made ready and the old script's sessions are not taken over first.
UNPREPARED = ("doctor", "import")


def _import(words: list[str]) -> Verb:
    callers.require(Role.ADMINISTRATOR, "import sessions")
    options, rest = arguments.split(words, flags=["--dry-run"])
    arguments.nothing_else("import takes --dry-run and one workspace", rest[1:])
    if rest and not rest[0].startswith("/"):
        raise Invalid(f"the workspace must be an absolute path, not {rest[0]!r}")
    schema.make_if_missing(take_over=False)
    dry_run = "--dry-run" in options
    counts: Counter[str] = Counter()
    taking = importing.take_over(current(), Path(rest[0]) if rest else None, dry_run=dry_run)
    try:
        for taken in taking:
            counts[taken.status or ("known" if taken.known else "skipped")] += 1
            if not taken.known:
                yield _told(taken, dry_run=dry_run)
    finally:
        taking.close()
        if not dry_run:
            bell.announce()
    made = counts[Status.COMPLETED] + counts[Status.FAILED]
    yield line(
        f"{'Would import' if dry_run else 'Imported'} {made:,} session{'' if made == 1 else 's'} "
        f"({counts[Status.COMPLETED]:,} completed, {counts[Status.FAILED]:,} failed); "
        f"{counts['known']:,} known already, {counts['skipped']:,} skipped"
    )
    return 0


def _told(taken: importing.Taken, *, dry_run: bool) -> Print:
    notes = "; ".join(taken.notes)
    if taken.status is None:
        text = f"skipped {taken.name}: {notes}" if taken.name else f"skipped: {notes}"
    else:
        verb = "would import" if dry_run else "imported"
        text = f"{verb} {taken.status} {taken.name}" + (f": {notes}" if notes else "")
    return line(printable(text), to_stderr=True)


def _doctor(words: list[str]) -> Verb:
    options, rest = arguments.split(words, flags=["--repair", "--json", "--locks"])
    if "--locks" in options:
        return (yield from locks.run(options, rest))
    arguments.nothing_else("doctor takes --repair and --json, or --locks", rest)
    if "--repair" in options:
        callers.require(Role.ADMINISTRATOR, "repair an installation")
    told: list[dict[str, str]] = []
    for examination, finding in doctor.examine(current()):
        state, left = "found", finding.todo
        if "--repair" in options:
            left = doctor.mend(examination, finding)
            if not left:
                AuditEvent.objects.record_if_possible(
                    "repaired", code=finding.code, where=finding.where
                )
            state = "left" if left else "mended"
        told.append(
            {
                "code": finding.code,
                "where": printable(finding.where),
                "what": printable(finding.what),
                "todo": printable(left or finding.todo),
                "state": state,
            }
        )
        if "--json" not in options:
            yield line(_problem(told[-1], mendable=finding.mend is not None))
    left_over = sum(1 for problem in told if problem["state"] != "mended")
    if "--json" in options:
        yield Print(json_object({"problems": told, "left": left_over}))
    else:
        yield line(_conclusion(len(told), left_over, repaired="--repair" in options))
    return 1 if left_over else 0


def _problem(problem: dict[str, str], *, mendable: bool) -> str:
    text, todo = f"{problem['where']}: {problem['what']}", problem["todo"]
    if problem["state"] == "mended":
        return f"mended   {text} ({todo})"
    if problem["state"] == "left":
        return f"left     {text}: {todo}"
    return f"problem  {text}" + (f" (--repair: {todo})" if mendable else f": {todo}")


def _conclusion(found: int, left: int, *, repaired: bool) -> str:
    if not found:
        return "Nothing is wrong"
    problems = f"{found} problem{'' if found == 1 else 's'}"
    if not repaired:
        return f"{problems} found"
    return f"{problems} found, {found - left} mended" + (f", {left} left" if left else "")


VERBS: VerbTable = {
    "import": _import,
    "doctor": _doctor,
}
