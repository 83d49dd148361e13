"""What ``hive up`` shows in the terminal: where things are, what to try, the sample's life."""

import asyncio
import os
import sys
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from sessions_app import access, accounts, db, log_tail, services
from sessions_app.conf import Conf
from sessions_app.lifecycle import FINISHED, Status
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.profiles import SAMPLE_PROFILE
from sessions_app.terminal import harmless

SAMPLE_TASK = "Show what a hive-mind session looks like, from start to end"
#: How often (s) the sample's state and log are looked at while it is shown.
LOOK = 0.1


def say(text: str = "") -> None:
    """Print a line at once; a terminal that has gone is no reason to stop serving."""
    if sys.stdout.isatty():
        text = harmless(text.encode("utf-8", "replace")).decode()
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for good


async def show(conf: Conf, *, sample: bool) -> None:
    """Say where the server is; on an empty database show the sample first, unless told not to."""
    link = await _dashboard_link(conf)
    say(f"hiveweb is up: {link}")
    if sample and not await db.read(AgentSession.objects.exists):
        await _show_sample(conf)
    hive = f"{_shown(Path(sys.executable))} {_shown(conf.manage_py)} hive"
    say()
    say(f"  Dashboard  {link}")
    say(f"  API        {conf.link_url}/api/v1/docs")
    say(f"  Sessions   {_shown(conf.sessions_dir)}")
    say()
    say("Try next:")
    say(f'  {hive} create --profile sample --start "Write a haiku about bees"')
    say(f"  {hive} list")
    say(f"  {hive} --help")
    say()
    if unseen := _only_in_environment():
        say(f"Set in this environment only: {', '.join(unseen)}.")
        say(f"Put them into {_shown(conf.root / 'hive.env')}, so that cron and other shells find")
        say("this installation too.")
        say()
    say("Ctrl-C stops the server; sessions go on running, and the next start finds them.")


async def _dashboard_link(conf: Conf) -> str:
    """The way in. A log that keeps what we print is no place for further links: they are printed
    at the first start, and where somebody looks on."""
    try:
        if sys.stdout.isatty() or not await db.read(accounts.anybody_has_signed_in):
            key = await db.call(access.make_link)
            return f"{conf.link_url}/login?key={key} (good for one sign-in)"
    except (DatabaseError, ValueError):  # full, locked, or no terminal: no reason not to serve
        pass
    return f"{conf.link_url}/ (to sign in: hive link)"


def _shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _only_in_environment() -> list[str]:
    places = ("HIVE_WORKSPACE", "HIVE_LOG_DIR", "HIVE_STATE_DIR", "DATABASE_URL", "HIVE_SOCKET")
    missing: list[str] = settings.ENV.only_in_environment(places)
    return missing


async def _show_sample(conf: Conf) -> None:
    """Run one session of the sample hive and show its states and log as they come."""
    say()
    say("The database is empty: here is a session of the bundled sample hive (not claude-flow).")
    session = await db.call(
        services.create, SAMPLE_TASK, profile=SAMPLE_PROFILE, args=["--seconds", "3"]
    )
    say(f"  created    {session.id}")
    await db.call(services.start, session.id)
    seen, offset, rest = 0, 0, b""
    while True:
        session = await db.read(services.get, session.id)  # before the log: its end is then read
        chunk = log_tail.read_on(session.log_file, offset)
        chunk = log_tail.as_shown(
            session.log_file, chunk, conf.secrets.mask(), growing=not session.finished
        )
        offset = chunk.end
        *lines, rest = (rest + chunk.data).split(b"\n")
        events = await db.read(_states, session.id, seen)
        for event in [e for e in events if e.kind not in FINISHED]:
            say(f"  {event.kind}")
        for line in lines:
            if text := log_tail.plain(line).rstrip():
                say(f"    | {text[:100]}")
        seen = events[-1].id if events else seen
        if session.finished and chunk.end >= chunk.size:
            break
        await asyncio.sleep(LOOK)
    say(f"  {session.status:<10} {session.detail}")
    collected = f"{session.collected_files} files collected"
    say(f"  output     {_shown(Path(session.output_dir))} ({collected})")
    say(f"  log        {_shown(Path(session.log_file))}")


def _states(session_id: UUID, after: int) -> list[SessionEvent]:
    """The events after one that changed the session's state, ``created`` left out."""
    kinds = [Status.STARTING, Status.RUNNING, Status.COMPLETED, Status.FAILED]
    events = SessionEvent.objects.filter(session_id=session_id, id__gt=after, kind__in=kinds)
    return list(events)
