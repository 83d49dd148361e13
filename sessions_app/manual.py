"""What ``hive --help`` and ``hive VERB --help`` print."""

_CODES = """\
Exit codes: 0 done; 1 failed; 2 arguments that cannot be understood; 3 the session's state does
not allow it; 4 no such session; 5 not allowed; 75 not possible now, try again.
"""

#: One line a verb, in the order of a session's life.
SUMMARIES = {
    "create": "make a session and print its id",
    "start": "run a session and follow its log until it ends",
    "status": "print a session's state in one word",
    "get": "print all about a session as JSON",
    "list": "print every session as JSON",
    "output-dir": "print where a session's output lies",
    "log": "print where a session's log lies, or follow it",
    "stop": "end a session and all its processes",
    "cleanup": "remove sessions that ended long enough ago",
    "update-status": "report the outcome of a run from inside it",
    "init": "make the directories and the registry",
    "link": "print a new one-time link to the dashboard",
    "up": "run the server: dashboard, API, local socket and spawner",
    "spawner": "run sessions without a web server",
}

_PAGES = {
    "create": """\
usage: hive create [--profile NAME] [--start] TASK [PRIORITY [METADATA]]

Makes a session: its directories, log file and entry in the registry. It does not run yet.

  TASK            what is to be worked on: 1 to 128,000 bytes, as one argument
  PRIORITY        high, medium (default) or low
  METADATA        a JSON object, or null
  --profile NAME  run the command of this profile (sample: the bundled sample hive)
  --start         start it at once, without following
  --              ends the options, for a task that looks like one

Prints the id on standard output, and the session as JSON on standard error.

  hive create "Build a Rust CLI tool" high '{"requester": "voice"}'
  id=$(hive create --profile sample --start "Try the sample")
""",
    "start": """\
usage: hive start [--detach] ID [ARGUMENT...]

Runs a session. Everything after the id, --help and -- included, goes unchanged to the command,
after the task. Starting a session that is starting or running already is success and runs
nothing twice; one that has ended is refused (exit code 3).

  --detach        return as soon as the start is accepted, and print nothing

Prints the log as it grows, and ends with the session: exit code 0 when it completed, else the
command's own (128 and the signal's number when a signal ended it, 1 when there is neither).
Interrupting this does not touch the session; `hive stop ID` does.

  hive start "$id" --queen-type tactical --max-workers 8
  hive start --detach "$id"
""",
    "status": """\
usage: hive status ID

Prints one word: created, starting, running, completed or failed; not_found, with exit code 4,
when there is no such session.

  [ "$(hive status "$id")" = completed ] && echo done
""",
    "get": """\
usage: hive get ID

Prints one JSON object: session_id, task, priority, created, updated, status, working_dir,
output_dir, database, log_file, metadata, and how it ended: reason, detail, exit_code,
exit_signal. While it waits for a slot, `waiting` has its place and the reason.

  hive get "$id" | jq .status
""",
    "list": """\
usage: hive list

Prints {"sessions": {ID: {"task", "status", "created", "updated", "dir"}}, "created": TIME}.

  hive list | jq '.sessions | map(select(.status == "running")) | length'
""",
    "output-dir": """\
usage: hive output-dir ID

Prints the session's output directory, with a slash at its end.

  ls -la "$(hive output-dir "$id")"
""",
    "log": """\
usage: hive log [--follow] ID

Prints the path of the session's log file.

  --follow        print the log itself as it grows, and end with the session (exit code 0)

  tail -50 "$(hive log "$id")"
  hive log --follow "$id"
""",
    "stop": """\
usage: hive stop ID

Ends a session and its whole process tree: SIGTERM, then SIGKILL after the grace period
(HIVE_STOP_GRACE). Returns when it has ended, within 28 seconds; it is then `failed`, reason
`stopped`. A session that has ended already is left as it is.

  hive stop "$id"
""",
    "cleanup": """\
usage: hive cleanup [HOURS] [--dry-run]

Removes sessions that completed or failed at least HOURS ago (default 24; fractions allowed; 0:
all of them): directory, log and entry. Output directories stay. So does a session whose files
could not be collected.

  --dry-run       only tell what would be removed

Prints each session and its bytes on standard error, and how many on standard output.

  hive cleanup 48
  hive cleanup --dry-run 0
""",
    "update-status": """\
usage: hive update-status ID completed|failed

A report from inside a run: it decides the outcome, and what still runs is then stopped. Only a
running session takes one (exit code 3); reporting the same again is success.

  hive update-status "$HIVE_MIND_SESSION_ID" completed
""",
    "init": """\
usage: hive init

Makes the workspace, log and state directories and index.json. Can be repeated.
""",
    "link": """\
usage: hive link

Prints a link that signs one browser in to the dashboard, once, within 24 hours.
""",
    "up": """\
usage: hive up [--host HOST] [--port PORT] [--socket PATH] [--no-sample] [--stop-sessions]

Runs everything in one process until it is interrupted; sessions go on without it.

  --host, --port  where to listen (HIVE_HOST, HIVE_PORT; default 127.0.0.1:8765). Beyond this
                  machine only with HIVE_TOKEN set
  --socket PATH   the local socket of the command line (HIVE_SOCKET)
  --no-sample     do not run the sample session on an empty database
  --stop-sessions
                  when told to stop, stop running sessions first (SIGTERM, then SIGKILL after
                  HIVE_STOP_GRACE) and wait until they have ended; waiting ones go on waiting

  manage.py hive up --port 9000
""",
    "spawner": """\
usage: hive spawner [--until-idle]

Runs the sessions that were started, without a web server.

  --until-idle    leave when nothing runs and nothing waits
""",
}


def overview() -> str:
    """What ``hive --help`` prints."""
    width = max(map(len, SUMMARIES))
    lines = [f"  {verb:<{width}}  {summary}" for verb, summary in SUMMARIES.items()]
    return "\n".join(
        [
            "usage: hive VERB [ARGUMENT...]",
            "       hive VERB --help",
            "",
            "hive stands for `manage.py hive` or scripts/hive-session-manager.sh.",
            "",
            *lines,
            "",
            "  id=$(hive create 'Build a web scraper in Python' high)",
            '  hive start "$id"',
            "",
            _CODES,
        ]
    )


def page(verb: str) -> str:
    """What ``hive VERB --help`` prints.

    Raises:
        KeyError: there is no such verb.
    """
    return f"{_PAGES[verb]}\n{_CODES}"
