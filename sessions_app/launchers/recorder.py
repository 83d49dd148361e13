"""The recorder: a fork server, and the tiny processes it forks that wait for one command each.

Standard library only, no Django: ``python -I -S`` runs :func:`serve`. Each recorder outlives the
server and the spawner. It leads a session of its own, becomes the reaper of whatever its command
leaves behind, writes down how the command ended, and goes when its last descendant has gone.

The spawner sends one packet a launch over a SOCK_SEQPACKET socket, ``ATTEMPT KEY``, with four
descriptors: the request as JSON in a memfd, the log file, the working directory, the run
directory. The answer is one packet: the key, a newline, and what went wrong, if anything did.

A recorder shares the server's memory until it writes to a page, so it does little: all that needs
parsing or importing is done by the command's own process, whose memory goes when it executes.
"""

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import time
from typing import Any

from sessions_app.launchers import records

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36  # prctl(2)
FDS = 4
#: Python ignores these two, and an ignored signal stays ignored across exec.
RESET = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGCHLD,
)
RETRY = 1.0


def serve(fd: int = 0) -> None:
    """Fork a recorder for each request until the spawner closes its end."""
    libc = ctypes.CDLL(None, use_errno=True)
    door = socket.socket(fileno=fd)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # recorders are reaped by the kernel
    libc.prctl(PR_SET_NAME, b"hive-forkserver", 0, 0, 0)
    gc.disable()
    gc.freeze()
    while True:
        packet, fds, _, _ = socket.recv_fds(door, 64, FDS)
        if not packet:
            return
        for received in fds:
            os.set_inheritable(received, False)  # none of them is the command's business
        if len(fds) == FDS:
            attempt, key = packet.split(b" ", 1)
            try:
                pid = os.fork()
            except OSError as error:
                _answer(door, key, f"no process can be forked: {error.strerror}".encode())
                pid = -1
            if pid == 0:
                code = 1
                try:
                    _record(libc, door, int(attempt), key, *fds)
                    code = 0
                finally:
                    os._exit(code)
        for received in fds:
            os.close(received)


def _answer(door: socket.socket, key: bytes, error: bytes) -> None:
    with contextlib.suppress(OSError):  # the spawner is gone; another one will read the records
        door.send(key + b"\n" + error)


def _record(
    libc: ctypes.CDLL,
    door: socket.socket,
    attempt: int,
    key: bytes,
    request: int,
    log: int,
    cwd: int,
    run_dir: int,
) -> None:
    """The life of one recorder."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_NAME, b"hive-recorder", 0, 0, 0)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _execute(request, attempt, write_end, log, cwd, run_dir)
    os.close(write_end)
    os.close(log)
    os.close(cwd)
    os.close(request)
    error = _read_all(read_end)
    os.close(read_end)
    _answer(door, key, error)
    door.close()
    if error:
        text = error.decode("utf-8", "replace")
        _write_exit(run_dir, attempt, {"error": text, "at": time.time(), "tree_ended": True})
    _wait(pid, run_dir, attempt, write=not error)


def _wait(command: int, run_dir: int, attempt: int, *, write: bool) -> None:
    """Reap descendants until there are none; write down how the command itself ended.

    The record says whether the whole tree has ended: a recorder that was killed cannot say so,
    and then the process table has to be asked.
    """
    record: dict[str, object] | None = None
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG if record else 0)
        except ChildProcessError:
            if record and write:
                _write_exit(run_dir, attempt, {**record, "tree_ended": True})
            return
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            record = {
                "code": code if code >= 0 else None,
                "signal": -code if code < 0 else None,
                "at": time.time(),
                "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
                "max_rss_kb": usage.ru_maxrss,
            }
        elif pid == 0 and record:  # descendants are left: tell of the command's end now
            if write:
                _write_exit(run_dir, attempt, record)
            while True:
                try:
                    os.wait4(-1, 0)
                except ChildProcessError:
                    break


def _write_exit(run_dir: int, attempt: int, content: dict[str, object]) -> None:
    """Write the exit record, however long the disk stays full."""
    while True:
        try:
            records.write_exit(run_dir, attempt, content)
        except FileNotFoundError:
            return  # the run directory was removed: nobody will ask
        except OSError:
            time.sleep(RETRY)
        else:
            return


def _execute(request_fd: int, attempt: int, errors: int, log: int, cwd: int, run_dir: int) -> None:
    """In the command's own process: leave the record, drop privileges, execute. Never returns."""
    try:
        os.setsid()
        request = json.loads(os.pread(request_fd, os.fstat(request_fd).st_size, 0))
        made = records.write_launch(
            run_dir,
            attempt,
            {
                "boot_id": records.boot_id(),
                "pid_ns": records.pid_namespace(),
                "pid": os.getpid(),
                "start_time": records.start_time(os.getpid()),
                "recorder_pid": os.getppid(),
                "recorder_start": records.start_time(os.getppid()),
                "at": time.time(),
            },
        )
        if not made:
            os.write(errors, b"this attempt was given up before it was executed")
            os._exit(127)
        for number in RESET:
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.fchdir(cwd)
        _become(request["user"])
        os.umask(0o022)
        os.execve(request["executable"], request["argv"], request["env"])
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must be told, not raised
        text = getattr(error, "strerror", None) or str(error)
        os.write(errors, text.encode("utf-8", "replace")[:2000])
    finally:
        os._exit(127)


def _become(user: dict[str, Any] | None) -> None:
    """Drop to the run user, if there is one: groups, group, user, in this order."""
    if user:
        os.setgroups(user["groups"])
        os.setresgid(user["gid"], user["gid"], user["gid"])
        os.setresuid(user["uid"], user["uid"], user["uid"])


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 4096):
        parts.append(part)
    return b"".join(parts)


if __name__ == "__main__":
    serve()
