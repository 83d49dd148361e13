"""Pids that mean nothing any more: after a reboot, in another container, used again."""

import contextlib
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from sessions_app.launchers import records
from tests.chaos.support import alive, fork_servers, kill, launched, open_gate, soon_agree
from tests.integration.looking import ended, running
from tests.integration.test_spawner import create
from tests.support import Installation, Server, eventually

#: Runs what follows in a mount namespace that has another boot id.
REBOOTED = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"']
#: Runs what follows as the first process of a pid namespace of its own, as a container does.
CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


@contextlib.contextmanager
def stranger(kind: str) -> Iterator[int]:
    """The pid of somebody who has nothing to do with us, and who must be there afterwards.

    ``kind``: ``leader`` of a group, or only the number of a ``group`` whose leader has ended.
    """
    script = "exec sleep 600" if kind == "leader" else "sleep 600 & echo $!"
    with subprocess.Popen(
        ["sh", "-c", script], env={}, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        child = process.pid
        if kind == "group":
            assert process.stdout
            child = int(process.stdout.readline())
            process.wait()
        try:
            yield process.pid
            assert alive(child), "the stranger was signalled"
        finally:
            kill(child)


def reboot(site: Installation) -> None:
    """Servers from now on see another boot id, as they would after a reboot."""
    boot_id = site.base / "boot_id"
    boot_id.write_text(f"{uuid.uuid4()}\n")
    site.wrap = [*REBOOTED, str(boot_id), records.BOOT_ID_FILE]


def kill_all(site: Installation, server: Server) -> None:
    """What a reboot or a container's end does to every process of an installation."""
    forks = fork_servers(server)
    server.kill()
    pids = [
        int(json.loads(path.read_text())["recorder_pid"])
        for path in site.state_dir.glob("runs/*/launch-*")
    ]
    kill(*forks, *pids, *site.processes())
    # what a session leaves has its id in its environment, not our directories
    for directory in (site.state_dir / "runs").iterdir():
        kill(*site.processes(directory.name))


def edit_record(site: Installation, session_id: str, **fields: object) -> None:
    """Change a session's launch record."""
    path = site.state_dir / "runs" / session_id / "launch-1"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_reboot(gated: Installation, tmp_path: Path) -> None:
    # given sessions that run, one that has ended unseen, one whose log tells, and one that waits
    site = gated
    site.env["HIVE_SLOTS"] = "3"
    server = site.up()
    lost = create(server, str(tmp_path / "lost"))
    unseen = create(server, str(tmp_path / "unseen"))
    tells = create(server, str(tmp_path / "tells"))
    for session_id in (lost, unseen, tells):
        running(server, session_id)
    waits = create(server, str(tmp_path / "waits"))
    os.kill(server.process.pid, signal.SIGSTOP)  # it sees nothing of what follows
    open_gate(tmp_path / "unseen", 6)
    open_gate(tmp_path / "tells", 0, tell=True)
    for session_id in (unseen, tells):
        exit_record = site.state_dir / "runs" / session_id / "exit-1"
        eventually(exit_record.exists, "its exit record")
    (site.state_dir / "runs" / tells / "exit-1").unlink()  # lost with the disk's cache
    kill_all(site, server)

    # when the machine has come up again
    reboot(site)
    server = site.up()

    # then each is what it is known to be, and the one that waited runs
    assert running(server, waits)["status"] == "running"
    expected = {
        lost: ("failed", "lost", None),
        unseen: ("failed", "exited", 6),
        tells: ("completed", "outcome_rule", None),
    }
    for session_id, outcome in expected.items():
        session = ended(server, session_id)
        assert (session["status"], session["reason"], session["exit_code"]) == outcome
    open_gate(tmp_path / "waits")
    assert ended(server, waits)["status"] == "completed"
    soon_agree(site, server, *expected, waits)
    assert "Traceback" not in server.output


def test_after_a_reboot_the_same_pid_and_start_time_are_somebody_else(
    gated: Installation, gate: Path
) -> None:
    # given a run whose pid and start time a process of the next boot has by chance: itself
    site = gated
    server = site.up()
    session_id = create(server, str(gate))
    pid = launched(site, running(server, session_id)["session_id"])["pid"]
    server.kill()

    reboot(site)
    server = site.up()

    server.request("POST", f"/api/v1/sessions/{session_id}/stop")
    assert ended(server, session_id)["status"] == "failed"
    assert alive(pid)


def test_a_container_restart(gated: Installation, gate: Path) -> None:
    # given a session that runs in a container
    site = gated
    site.wrap = CONTAINER
    server = site.up()
    session_id = create(server, str(gate))
    record = launched(site, running(server, session_id)["session_id"])
    assert record["pid"] < 1000, "it should be a pid of the container"

    # when the container is killed and started again, and other processes have its pids
    server.kill()
    eventually(lambda: not site.processes(session_id), "the kernel to end the container")
    server = site.up()

    # then the session is lost, and new ones run
    session = ended(server, session_id)
    assert (session["status"], session["reason"]) == ("failed", "lost")
    second = create(server, str(gate))
    running(server, second)
    server.request("POST", f"/api/v1/sessions/{second}/stop")
    assert ended(server, second)["reason"] == "stopped"
    soon_agree(site, server, session_id, second)
    assert "Traceback" not in server.output


def test_a_pid_that_is_used_again_is_never_signalled(gated: Installation, gate: Path) -> None:
    # given the records of runs that have gone, two of which were to be stopped
    site = gated
    site.env["HIVE_AUTOSPAWN"] = "0"
    server = site.up()
    kinds = [(how, kind) for how in ("stopped", "lost") for kind in ("leader", "group")]
    sessions = {key: create(server, str(gate)) for key in kinds}
    for session_id in sessions.values():
        running(server, session_id)
    kill_all(site, server)
    to_stop = [sessions[key] for key in kinds if key[0] == "stopped"]
    ask = f"from sessions_app import services; [services.stop(s) for s in {to_stop}]"
    assert site.manage("shell", "-c", ask).returncode == 0

    # when their pids and their recorders' are strangers', and the next server settles them
    with contextlib.ExitStack() as strangers:
        for key in kinds:
            pid = strangers.enter_context(stranger(key[1]))
            edit_record(site, sessions[key], pid=pid, recorder_pid=pid)
        server = site.up()
        ends = {key: ended(server, sessions[key]) for key in kinds}

    # then they are lost, or stopped if that was asked for, and every stranger lives
    for (how, _), session in ends.items():
        assert (session["status"], session["reason"]) == ("failed", how)
