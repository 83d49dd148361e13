"""What ``hive --help`` and ``hive VERB --help`` print."""

from sessions_app.manual import hosts, moving, people, sessions, upkeep, webhooks

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
    "swarm": "print what a session's swarm says of itself",
    "output-dir": "print where a session's output lies",
    "log": "print where a session's log lies, or follow it",
    "metrics": "print what a session uses and does, now and altogether",
    "pause": "make a running session stand still",
    "resume": "let a paused session go on",
    "stop": "end a session and all its processes",
    "retry": "run an ended session's task once more",
    "update": "change priority or metadata while it waits",
    "queue": "print slots, holds, and why the next one waits",
    "performance": "print outcomes, times and costs of all sessions",
    "unhold": "let a held profile's sessions start",
    "pin": "keep a session from cleanups",
    "unpin": "let cleanups remove it again",
    "cleanup": "remove sessions that ended long enough ago, or what is older than the settings say",
    "backup": "write a copy of the database, whatever runs",
    "migrate-database": "copy everything from SQLite to PostgreSQL, and verify it",
    "update-status": "report the outcome of a run from inside it",
    "init": "make the directories and the registry",
    "import": "take over the sessions of the old shell script",
    "doctor": "find what is broken, and mend it if asked",
    "nodes": "print the hosts that run sessions",
    "drain": "start nothing more on a host",
    "uncordon": "let a drained host take sessions again",
    "forget": "remove a lost host that will not come back",
    "link": "print a one-time link that signs a browser in",
    "user": "people who may sign in: create, list, role, disable, enable",
    "token": "tokens of programs: create, list, revoke",
    "audit": "print who did what, from where",
    "webhook": "services that are told of events: create, list, test, deliveries, replay, ...",
    "up": "run the server: dashboard, API, local socket and spawner",
    "spawner": "run sessions without a web server",
}
_PAGES = {
    **sessions.PAGES,
    **upkeep.PAGES,
    **moving.PAGES,
    **people.PAGES,
    **webhooks.PAGES,
    **hosts.PAGES,
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
