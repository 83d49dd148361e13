"""Processes that outlived their session, and sessions that nobody looks after."""

import os
import signal
import uuid
from collections.abc import Iterator
from functools import partial

from sessions_app import bell, doorbell
from sessions_app.cluster import whereabouts
from sessions_app.conf import Conf
from sessions_app.doctor.findings import Examination, Finding, agree_in_time
from sessions_app.doctor.runs import ancestors, described, marked_processes
from sessions_app.launchers import processes, records
from sessions_app.lifecycle import ACTIVE, FINISHED
from sessions_app.models import AgentSession

#: How long (s) SIGKILL may take, and a spawner to be there.
KILL_TIME, HIRE_TIME = 5.0, 15.0


def strays(examination: Examination) -> Iterator[Finding]:
    """Processes that carry the id of a session which has ended, or has no row."""
    conf = examination.conf
    found: dict[uuid.UUID, list[processes.Process]] = {}
    for session_id, process in _candidates(conf):  # first these, then the rows: see _may_live
        found.setdefault(session_id, []).append(process)
    for session_id, members in found.items():
        if session_id in examination.restored or _may_live(session_id):
            continue
        living = [member for member in members if _lives(member)]
        if living:
            ended = AgentSession.objects.filter(id=session_id).exists()
            names = ", ".join(described(member) for member in living[:3])
            more = f" and {len(living) - 3} more" if len(living) > 3 else ""
            yield Finding(
                "stray",
                f"session {session_id}",
                f"{'it has ended' if ended else 'it has no row'}, but processes of it go on: "
                f"{names}{more}",
                f"end them: SIGTERM, SIGKILL after {conf.stop_grace:g} s",
                partial(_end, conf, session_id),
            )


def _candidates(conf: Conf) -> Iterator[tuple[uuid.UUID, processes.Process]]:
    """Marked processes, but for those that this command was called by, and the spawner."""
    passed_over = {os.getpid(), *ancestors(os.getpid())}
    if (spawner := doorbell.spawner(str(conf.state_dir))) is not None:
        passed_over.add(spawner[0])
    for session_id, process in marked_processes(conf):
        if process.pid not in passed_over:
            yield session_id, process


def _may_live(session_id: uuid.UUID) -> bool:
    """Whether there may be processes of it. A row is there before the first of them."""
    return AgentSession.objects.filter(id=session_id).exclude(status__in=FINISHED).exists()


def _lives(process: processes.Process) -> bool:
    return records.start_time(process.pid) == process.started


def _all_gone(members: list[processes.Process]) -> bool:
    return not any(map(_lives, members))


def _end(conf: Conf, session_id: uuid.UUID) -> str:
    """End the strays of a session; each signal goes to exactly the process that was seen."""
    for number, patience in ((signal.SIGTERM, conf.stop_grace), (signal.SIGKILL, KILL_TIME)):
        if _may_live(session_id):
            return "its row is back"
        members = [process for found, process in _candidates(conf) if found == session_id]
        for member in members:
            processes.send(member.pid, member.started, number)
            processes.send(member.pid, member.started, signal.SIGCONT)
        agree_in_time(partial(_all_gone, members), patience)
    left = [process for found, process in _candidates(conf) if found == session_id]
    return f"these survive SIGKILL: {', '.join(map(described, left))}" if left else ""


def unattended(examination: Examination) -> Iterator[Finding]:
    """Sessions that are to run, or run, while no spawner is there."""
    waiting = AgentSession.objects.filter(whereabouts.ours(), status__in=ACTIVE)
    if examination.served or not (count := waiting.count()):
        return

    def hire() -> str:
        if not examination.conf.autospawn:
            return "start the server: hive up (HIVE_AUTOSPAWN is off)"
        bell.announce(work=True)
        here = agree_in_time(lambda: examination.served or not waiting.exists(), HIRE_TIME)
        return "" if here else "none has come; spawner.log in HIVE_STATE_DIR says why"

    yield Finding(
        "unattended",
        "spawner",
        f"{count:,} session(s) run or are to run, and no spawner looks after them",
        "start one, as `hive start` does",
        hire,
    )
