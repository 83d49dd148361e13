"""The recorder: a fork server, and the tiny processes it forks that wait for one command each.

Standard library only, no Django: ``python -I -S`` runs :func:`serve`. Each recorder outlives the
server and the spawner. It leads a session of its own, becomes the reaper of whatever its command
leaves behind, writes down how the command ended, and goes when its last descendant has gone.

The spawner sends one packet a launch over a SOCK_SEQPACKET socket: the bytes ``launch`` and four
descriptors: the request as JSON in a memfd, the log file, the working directory, the run
directory. The answer is one packet of JSON: ``{"key", "error"}``.
"""

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import time

from sessions_app.launchers import records

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
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
    _name_process("hive-forkserver")
    gc.disable()
    gc.freeze()
    while True:
        packet, fds, _, _ = socket.recv_fds(door, 64, FDS)
        if not packet:
            return
        if len(fds) == FDS:
            try:
                pid = os.fork()
            except OSError as error:
                _answer(door, fds[0], f"no process can be forked: {error.strerror}")
                pid = -1
            if pid == 0:
                code = 1
                try:
                    _record(libc, door, *fds)
                    code = 0
                finally:
                    os._exit(code)
        for received in fds:
            os.close(received)


def _answer(door: socket.socket, request_fd: int, error: str | None) -> None:
    key = _request(request_fd)["key"]
    door.send(json.dumps({"key": key, "error": error}).encode())


def _request(fd: int) -> dict[str, object]:
    request = json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    assert isinstance(request, dict)  # noqa: S101 - the spawner's own
    return request


def _record(
    libc: ctypes.CDLL, door: socket.socket, request_fd: int, log: int, cwd: int, run_dir: int
) -> None:
    """The life of one recorder."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _name_process("hive-recorder")
    request = _request(request_fd)
    attempt = int(str(request["attempt"]))
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _execute(request, write_end, log, cwd, run_dir)
    os.close(write_end)
    for fd in (log, cwd):
        os.close(fd)
    error = _read_all(read_end).decode("utf-8", "replace") or None
    os.close(read_end)
    if error:
        _write_exit(run_dir, attempt, {"error": error, "at": time.time(), "tree_ended": True})
    with contextlib.suppress(OSError):  # the spawner is gone; another one will read the records
        door.send(json.dumps({"key": request["key"], "error": error}).encode())
    door.close()
    os.close(request_fd)
    del request
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


def _execute(request: dict[str, object], errors: int, log: int, cwd: int, run_dir: int) -> None:
    """In the command's own process: leave the record, drop privileges, execute. Never returns."""
    try:
        os.setsid()
        made = records.write_launch(
            run_dir,
            int(str(request["attempt"])),
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
        _become(request)
        os.umask(0o022)
        argv, environment = request["argv"], request["env"]
        assert isinstance(argv, list)  # noqa: S101 - our own
        assert isinstance(environment, dict)  # noqa: S101 - our own
        os.execve(str(request["executable"]), argv, environment)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must be told, not raised
        text = getattr(error, "strerror", None) or str(error)
        os.write(errors, text.encode("utf-8", "replace")[:2000])
    finally:
        os._exit(127)


def _become(request: dict[str, object]) -> None:
    """Drop to the run user, if there is one: groups, group, user, in this order."""
    user = request["user"]
    if isinstance(user, dict):
        os.setgroups(user["groups"])
        os.setresgid(user["gid"], user["gid"], user["gid"])
        os.setresuid(user["uid"], user["uid"], user["uid"])


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 4096):
        parts.append(part)
    return b"".join(parts)


def _name_process(name: str) -> None:
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name[:15])


if __name__ == "__main__":
    serve()
