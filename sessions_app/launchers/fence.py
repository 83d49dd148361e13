"""The fence: a small process that stops what others will run again once this host's lease is over.

Standard library only; it outlives the spawner, and starts as recorders do. In the state directory
it reads ``lease.json`` and, in ``fence/``, a file for each session that is to be tried again when
this host is lost (sessions_app.cluster.lease writes both). When the lease has not been renewed for
80 % of its length, by CLOCK_BOOTTIME, it stops those sessions and no others: SIGTERM, and SIGKILL
before the lease is over. An attempt that was not executed by then never will be. It leaves when it
has nothing to guard.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import sys
import time

from sessions_app.launchers import records

LOCK, LEASE, DIRECTORY, STOPPED = "fence.lock", "lease.json", "fence", ".stopped"
#: Shares of the lease: when it stops sessions, how long those have to end by themselves, and how
#: often it looks.
SHARE, GRACE, LOOK = 0.8, 0.1, 0.02
#: While something is left to be stopped it looks again after so long (s); never sooner than that.
AGAIN, SHORTEST = 0.1, 0.02
#: As it names itself, beside the recorders (processes.Process.ours).
NAME = b"hive-fence"
_PR_SET_NAME = 15


def main(state_dir: str, runs_dir: str, grace: float) -> None:
    """Guard until there is nothing to guard. ``grace``: seconds from SIGTERM to SIGKILL at most."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, NAME, 0, 0, 0)
    _spare_us()
    os.chdir(state_dir)
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    told: dict[str, float] = {}
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # there is one
        while guarded := _guarded():
            renewed, lease = _lease()
            left, pause = SHARE * lease - (_now() - renewed), LOOK * lease
            if left > 0:
                told.clear()
                pause = min(pause, left)
            elif _stop(guarded, runs_dir, min(grace, GRACE * lease), told):
                pause = min(pause, AGAIN)
            time.sleep(max(pause, SHORTEST))
        # Who guards a session looks for the lock afterwards: one of us sees the other.
        fcntl.flock(lock, fcntl.LOCK_UN)
        if not _guarded():
            return


def _spare_us() -> None:
    """Where memory runs out, others go first, as far as that is ours to say."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("-900")


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _guarded() -> list[str]:
    try:
        return [name for name in os.listdir(DIRECTORY) if "." not in name]
    except OSError:
        return []


def _lease() -> tuple[float, float]:
    """When it was renewed, and its length. One that cannot be read is over."""
    try:
        with open(LEASE, "rb") as file:
            content = json.loads(file.read())
        renewed, lease = float(content["renewed"]), float(content["lease"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0, 1.0
    return (renewed if renewed <= _now() else 0.0), lease  # else it is of another boot


def _stop(sessions: list[str], runs_dir: str, grace: float, told: dict[str, float]) -> bool:
    """Stop what lives of these sessions: ask first, and kill what is left after the grace.

    Returns whether there was any.
    """
    from sessions_app.launchers import processes  # noqa: PLC0415 - it is large, and rarely needed

    table, alive = processes.Known().snapshot(afresh=True), False
    for session in sessions:
        launch = _launch(session, runs_dir)
        first = session not in told
        since = told.setdefault(session, _now())
        number = signal.SIGKILL if _now() - since >= grace else signal.SIGTERM
        if launch is None:
            _forget(session, first=first)
            continue
        leader, started = _number(launch, "pid") or -1, _number(launch, "start_time")
        recorder = table.by_pid.get(_number(launch, "recorder_pid"))
        ours = recorder is not None and recorder.started == launch.get("recorder_start")
        roots = {recorder.pid} if recorder is not None and ours else set()
        there = table.by_pid.get(leader)
        seen = processes.ticks() if there is not None and there.started == started else started
        members = table.members(session, leader, started, seen, roots)
        if members:
            alive = True
            _note(session)
        elif launch:
            _forget(session, first=first)
        for pid in members:
            if first or number == signal.SIGKILL:  # it is asked once
                processes.send(pid, table.by_pid[pid].started, number)
    return alive


def _launch(session: str, runs_dir: str) -> dict[str, object] | None:
    """The launch record of the attempt that is guarded; None where nothing runs, nor ever will.
    Empty where it cannot be told: what carries the session's id is of it then.
    """
    try:
        with open(f"{DIRECTORY}/{session}", encoding="ascii") as file:
            attempt = int(file.read())
        os.makedirs(f"{runs_dir}/{session}", mode=0o700, exist_ok=True)
        run_dir = os.open(f"{runs_dir}/{session}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if records.write_launch(run_dir, attempt, {"abandoned": True, "at": time.time()}):
                return None
            launch = records.read(run_dir, f"launch-{attempt}") or {}
        finally:
            os.close(run_dir)
    except (OSError, ValueError):
        return {}
    here = (records.boot_id(), records.pid_namespace())
    elsewhere = launch and (launch.get("boot_id"), launch.get("pid_ns")) != here
    return None if elsewhere else launch


def _forget(session: str, *, first: bool) -> None:
    """Nothing of it lives, and this attempt can never be launched any more: seen twice, no guard is
    needed."""
    if not first:
        with contextlib.suppress(OSError):
            os.unlink(f"{DIRECTORY}/{session}")


def _number(launch: dict[str, object], name: str) -> int:
    value = launch.get(name)
    return value if isinstance(value, int) else 0


def _note(session: str) -> None:
    """Say that it was we who stopped it; where that cannot be written, its end tells less."""
    with contextlib.suppress(OSError):
        os.close(os.open(f"{DIRECTORY}/{session}{STOPPED}", os.O_WRONLY | os.O_CREAT, 0o600))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
