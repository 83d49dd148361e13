"""The command line of a migration: which file, which target, what is said, the exit code."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from django.db import connection

from sessions_app import callers
from sessions_app.arguments import Migration
from sessions_app.callers import Role
from sessions_app.conf import Conf, current
from sessions_app.errors import Conflict, HiveError, Unavailable
from sessions_app.moving import work
from sessions_app.moving.report import Report
from sessions_app.verb_steps import Print, error_line, json_object, line, printable, visible

Write = Callable[[Print], None]
#: The database's file in the state directory, where DATABASE_URL says nothing else.
_DEFAULT = "hiveweb.sqlite3"


def run(asked: Migration, words: Sequence[str], write: Write) -> int:
    """Carry it out; returns the exit code.

    Args:
        asked: what was asked for.
        words: the same as it stood on the command line.
        write: takes what is to be shown.

    Raises:
        HiveError: it cannot be done.
    """
    callers.require(Role.ADMINISTRATOR, "migrate the database")
    conf = current()
    file = Path(os.fsdecode(asked.source.encode("utf-8", "surrogateescape")) or _ours(conf))
    if asked.target:
        _with_target(asked, words, file.absolute(), conf)

    def say(text: str) -> None:
        write(line(printable(text), to_stderr=True))

    report = work.migrate(file, conf, say, dry_run=asked.dry_run, replace=asked.replace)
    if asked.as_json:
        write(Print(json_object(report.as_json())))
    else:
        for text in report.lines():
            write(line(visible(text)))
    try:
        said = _verdict(report)
    except HiveError as error:
        write(error_line(error.detail))
        return error.exit_code
    write(line(said, to_stderr=asked.as_json))
    return 0


def _ours(conf: Conf) -> str:
    """The SQLite database of these settings."""
    if connection.vendor == "sqlite":
        return str(connection.settings_dict["NAME"])
    return str(conf.state_dir / _DEFAULT)


def _with_target(asked: Migration, words: Sequence[str], file: Path, conf: Conf) -> NoReturn:
    """Start again with the target as our own database: its settings are checked as ever."""
    if not asked.target.startswith(("postgres://", "postgresql://")):
        raise Unavailable("--to takes a URL such as postgres://USER:PASSWORD@HOST/NAME")
    flags = [word for word in words if word in ("--dry-run", "--replace", "--json")]
    argv = [sys.executable, str(conf.manage_py), "hive", "migrate-database", *flags]
    argv += ["--from", str(file)]
    os.execve(  # noqa: S606 - our own Python and program
        sys.executable, argv, {**os.environ, "DATABASE_URL": asked.target}
    )


def _verdict(report: Report) -> str:
    """What it comes to, and what to do next.

    Raises:
        HiveError: it was not done.
    """
    if report.refused:
        first, count = report.refused[0], len(report.refused)
        raise HiveError(
            f"nothing was copied: PostgreSQL does not take {count:,} value{'s' * (count > 1)} (the "
            f"first: {first['table']} {first['key']}, {first['column']} {first['what']}); "
            "--replace puts U+FFFD into texts, what else there is has to be mended in SQLite"
        )
    if report.gone_on:
        alone = sum(told.only_there for told in report.tables)
        raise Conflict(
            f"nothing was copied: the target has gone on by itself ({len(report.different):,} rows "
            f"are different there, {alone:,} are only there). To begin anew, make an empty database"
        )
    rows = f"{report.copied:,} row{'' if report.copied == 1 else 's'}"
    if report.dry_run:
        return f"{rows} would be copied; nothing was changed"
    if not report.copied:
        return "All rows are there already, and the same"
    seconds = f"{report.seconds:.1f} s"
    state = json.dumps(report.active, sort_keys=True) if report.active else "none"
    return (
        f"Copied {rows} in {seconds}, and read them again: all the same. Sessions that wait or "
        f"run: {state}. Next: set DATABASE_URL for every process and start hive up or hive spawner "
        "here with the same HIVE_STATE_DIR: it takes its sessions up again"
    )
