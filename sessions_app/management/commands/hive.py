"""``manage.py hive``: arguments in, a verb's steps out. What the verbs do stands in verbs.py."""

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from sessions_app import arguments, backup, callers, doors, follower, manual, streams, verbs
from sessions_app.conf import current
from sessions_app.errors import HiveError, Invalid
from sessions_app.models import AuditEvent
from sessions_app.verb_steps import Become, Exit, Follow, Pause, Print, error_line, line

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """The operator's command line."""

    help = "Create, run, watch and clean up hive sessions; `hive --help` lists the verbs."
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Take the words as they stand: no option of Django's is looked for among them."""
        del argv  # manage.py keeps the words from Django, which would take --settings from them
        streams.repair_streams()
        words = [os.fsencode(word).decode("utf-8", "surrogateescape") for word in sys.argv[2:]]
        process = _PROCESSES.get(words[0]) if words else None
        if process is None or words[1:2] in (["--help"], ["-h"]):
            streams.leave(lambda: _said(_carry_out, words))
        # With its threads' work done, unlike leave(), and with a traceback for its log.
        sys.exit(_said(process, words[1:], level=logging.ERROR))

    def print_help(self, prog_name: str, subcommand: str) -> None:
        """What ``manage.py help hive`` prints."""
        self.stdout.write(manual.overview())

    def handle(self, *args: Any, **options: Any) -> None:
        """Not for ``call_command``: a verb may go on as another program."""
        raise CommandError(
            "hive reads its own command line; from Python, use sessions_app.services"
        )


def _said(
    action: Callable[[list[str]], int], words: list[str], *, level: int = logging.DEBUG
) -> int:
    """The exit code of an action; what goes wrong is said in a line."""
    try:
        return action(words)
    except HiveError as error:
        _write(error_line(error.detail))
        return error.exit_code
    except KeyboardInterrupt:
        return streams.INTERRUPTED
    except BrokenPipeError:
        return streams.BROKEN_PIPE
    except Exception as error:  # an operator gets a line, not a traceback
        logger.log(level, "hive %s failed", words[:1], exc_info=True)
        detail = current().secrets.mask().text(f"{type(error).__name__}: {error}")
        _write(error_line(f"internal error: {detail}"))
        return 1
    finally:
        connections.close_all()


def _carry_out(words: list[str]) -> int:
    follow: Follow | Become | None = None
    code = 1
    for step in verbs.run(words):
        match step:
            case Print():
                _write(step)
            case Pause(seconds):
                time.sleep(seconds)
            case Follow() | Become():
                follow = step
            case Exit():
                code = step.code
    if isinstance(follow, Become) and code == 0:
        return _PROCESSES[follow.words[0]](list(follow.words[1:]))
    if isinstance(follow, Follow) and code == 0:
        connections.close_all()
        _become_follower(follow)
    return code


def _write(step: Print) -> None:
    streams.show(2 if step.to_stderr else 1, step.data)


def _become_follower(follow: Follow) -> NoReturn:
    """Go on as a small process without Django."""
    argv = follower.command(
        str(current().root), follow.with_exit_code, follow.session_json, follow.log_file
    )
    os.execv(argv[0], argv)  # noqa: S606 - our own Python and program


def _up(words: list[str]) -> int:
    options, rest = arguments.split(
        words,
        flags=["--no-sample", "--stop-sessions"],
        valued=["--host", "--port", "--socket", "--server"],
    )
    arguments.nothing_else("up takes options only", rest)
    callers.become(callers.SYSTEM)
    from sessions_app import server  # noqa: PLC0415 - it loads what the verbs do not need

    port = options.get("--port")
    if port is not None and not (port.isdecimal() and 1 <= int(port) <= 65535):
        raise Invalid(f"--port must be a number from 1 to 65535, not {port!r}")
    return server.up(
        options.get("--host"),
        int(port) if port else None,
        options.get("--socket"),
        kind=options.get("--server"),
        sample="--no-sample" not in options,
        stop_sessions="--stop-sessions" in options,
    )


def _spawner(words: list[str]) -> int:
    options, rest = arguments.split(words, flags=["--until-idle"])
    arguments.nothing_else("spawner takes --until-idle only", rest)
    callers.become(callers.SYSTEM)
    from sessions_app.spawner import main  # noqa: PLC0415 - as above

    until_idle = "--until-idle" in options
    door = None if until_idle else doors.internal(current())
    return main.run(until_idle=until_idle, doors=[door] if door else [])


def _follow(words: list[str]) -> int:
    """Follow a session whose files may be on another host; no verb of the manual's."""
    options, rest = arguments.split(words, flags=["--exit-code"])
    from sessions_app import row_follower  # noqa: PLC0415 - few need it

    session_id = arguments.only_id("follow", rest)
    return row_follower.follow(session_id, with_exit_code="--exit-code" in options)


def _backup(words: list[str]) -> int:
    name, force = arguments.backup(words)
    target = Path(os.fsdecode(name.encode("utf-8", "surrogateescape")))
    made = backup.write(target, overwrite=force)
    AuditEvent.objects.record_if_possible("backed_up", file=str(target))
    sessions = f"{made.sessions} session{'' if made.sessions == 1 else 's'}"
    _write(line(f"Backed up {sessions} to {name} ({made.bytes:,} bytes)"))
    return 0


def _migrate_database(words: list[str]) -> int:
    from sessions_app.moving import command  # noqa: PLC0415 - no other verb needs it

    return command.run(arguments.migration(words), words, _write)


#: These are not carried out by a server that runs: it has another current directory, and may be
#: another user.
_PROCESSES = {
    "up": _up,
    "spawner": _spawner,
    "backup": _backup,
    "follow": _follow,
    "migrate-database": _migrate_database,
}
