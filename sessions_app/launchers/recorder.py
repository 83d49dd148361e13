"""The recorder: a fork server, and the tiny processes it forks that wait for one command each.

Standard library only, no Django: ``python -I -S`` runs :func:`serve`. Each recorder outlives the
server and the spawner. It leads a session of its own, becomes the reaper of whatever its command
leaves behind, writes down how the command ended, and goes when its last descendant has gone.

The spawner sends one packet a launch over a SOCK_SEQPACKET socket, which begins with the number of
the attempt, with four descriptors: the run directory, the request as JSON in a memfd, the log file,
the working directory. The answer is one packet: the same again, a newline, and what went wrong, if
anything did.

A recorder shares the server's memory until one of them writes to a page, and Python writes a lot:
each object that is touched counts its references. So between two forks the server does little, and
so does a recorder until its command has ended; what needs parsing or importing is done by the
command's own process, whose memory goes when it executes. docs/decisions/recorder.md has figures.
"""

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import time
from os import close, closerange, pipe, read, setsid, write
from typing import Any

from sessions_app.launchers import records

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36  # prctl(2)
#: Descriptors: the spawner's socket, then those of a launch. They get these numbers because
#: nothing else is open when they come.
DOOR = 0
RUN_DIR, REQUEST, LOG, CWD, READ_END, WRITE_END = range(3, 9)
FDS = 4
#: What a recorder ignores, and the fork server for it.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Python ignores SIGPIPE and SIGXFSZ, and an ignored signal stays ignored across exec.
RESET = tuple(map(int, (*IGNORED, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGQUIT, signal.SIGCHLD)))
RETRY = 1.0
#: So often Python runs a function until it has made of its code what it will be.
WARM = 20
#: What is told of an error at most, in bytes.
MAX_ERROR = 2000

# Names that a recorder uses while its command runs stand here, and not as attributes: a look-up in
# a module writes to a table of the interpreter, in a page of its own for each name.
# The calls of C keep the interpreter's lock (PyDLL): there is but one thread.
_libc = ctypes.PyDLL(None, use_errno=True)
_prctl, _signal, _wait4 = _libc.prctl, _libc.signal, _libc.wait4
#: os.fork() without what it does afterwards for threads and such, of which there are none.
_fork = _libc.fork
_SIGCHLD, _DEFAULT = int(signal.SIGCHLD), int(signal.SIG_DFL)
_status = ctypes.c_int()
_usage = (ctypes.c_long * 18)()  # struct rusage: seconds and microseconds of user, of system, ...
_SELF, _CHILDREN = 0, -1  # getrusage(2)
_STATUS, _USAGE = ctypes.byref(_status), ctypes.byref(_usage)
#: What each launch record says of where it is: asked once, by the server.
_here: dict[str, object] = {}


def serve() -> None:
    """Fork a recorder for each request until the spawner closes its end."""
    door = socket.socket(fileno=DOOR)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # recorders are reaped by the kernel
    _prctl(PR_SET_NAME, b"hive-forkserver", 0, 0, 0)
    space, flags = socket.CMSG_SPACE(4 * FDS), int(socket.MSG_CMSG_CLOEXEC)
    _here.update(boot_id=records.boot_id(), pid_ns=records.pid_namespace())
    _warm_up()
    gc.disable()
    gc.freeze()
    while True:
        packet, ancillary, _, _ = door.recvmsg(128, space, flags)
        if not packet:
            return
        if ancillary and len(ancillary[0][2]) == 4 * FDS:
            _launch(packet)
        closerange(RUN_DIR, WRITE_END + 1)


def _warm_up() -> None:
    """Do once here what else each recorder would do for the first time, in memory of its own."""
    for _ in range(WARM):
        json.loads(json.dumps({"a": [1, None, "x"], **_here}))
        records.start_time(os.getpid())
        _used()
        os.waitstatus_to_exitcode(0)


def _launch(packet: bytes) -> None:
    """Fork one recorder."""
    try:
        pipe()  # READ_END, WRITE_END
    except OSError as error:
        _answer(packet, f"no pipe can be made: {error.strerror}".encode())
        return
    pid = _fork()
    if pid < 0:
        _answer(packet, _no_fork())
    elif pid == 0:
        code = 1
        try:
            _record(packet)
            code = 0
        finally:
            os._exit(code)


def _no_fork() -> bytes:
    return f"no process can be forked: {os.strerror(ctypes.get_errno())}".encode()


def _answer(packet: bytes, error: bytes) -> None:
    try:  # noqa: SIM105 - contextlib.suppress would cost a recorder 90 kB
        write(DOOR, packet + b"\n" + error)
    except OSError:
        pass  # the spawner is gone; another one will read the records


def _attempt(packet: bytes) -> int:
    return int(packet.split()[0])


def _record(packet: bytes) -> None:
    """The life of one recorder."""
    setsid()
    _signal(_SIGCHLD, _DEFAULT)
    _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _prctl(PR_SET_NAME, b"hive-recorder", 0, 0, 0)
    command = _fork()
    if command == 0:
        _execute(packet)
    if command < 0:
        write(WRITE_END, _no_fork())
    close(WRITE_END)
    error = read(READ_END, MAX_ERROR)  # written in one piece; nothing once the command runs
    _answer(packet, error)  # first: the record may have to wait for room on the disk
    closerange(REQUEST, READ_END + 1)
    close(DOOR)
    if error:
        text = error.decode("utf-8", "replace")
        record = {"error": text, "at": time.time(), "tree_ended": True}
        _write_exit(_attempt(packet), record)
    _wait(command, packet, write=not error)


def _wait(command: int, packet: bytes, *, write: bool) -> None:
    """Reap descendants until there are none; write down how the command itself ended.

    The record says whether the whole tree has ended: a recorder that was killed cannot say so,
    and then the process table has to be asked.
    """
    # os.wait4() would do the same and cost 90 kB once it has reaped an orphan of the command.
    while (pid := _wait4(-1, _STATUS, 0, _USAGE)) != command:
        if pid < 0:
            return  # there is no child: the command could not be forked
    code = os.waitstatus_to_exitcode(_status.value)
    record: dict[str, object] = {
        "code": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
        "at": time.time(),
    }
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        if write:  # descendants are left: tell of the command's end now
            _write_exit(_attempt(packet), record | _used())
        while True:
            os.waitpid(-1, 0)
    if write:
        _write_exit(_attempt(packet), {**record, **_used(), "tree_ended": True})


def _used() -> dict[str, object]:
    """What all that was reaped has used, orphans of the command too (getrusage(2)).

    The most memory that one of them had includes what it took between fork and exec, which is our
    own: that is told as well.
    """
    _libc.getrusage(_SELF, _USAGE)
    own = _usage[4]
    _libc.getrusage(_CHILDREN, _USAGE)
    user, micro_user, system, micro_system, max_rss = _usage[:5]
    seconds = round(user + system + (micro_user + micro_system) / 1e6, 3)
    return {"cpu_seconds": seconds, "max_rss_kb": max_rss, "own_rss_kb": own}


def _write_exit(attempt: int, content: dict[str, object]) -> None:
    """Write the exit record, however long the disk stays full."""
    while True:
        try:
            records.write_exit(RUN_DIR, attempt, content)
        except FileNotFoundError:
            return  # the run directory was removed: nobody will ask
        except OSError:
            time.sleep(RETRY)
        else:
            return


def _execute(packet: bytes) -> None:
    """In the command's own process: leave the record, drop privileges, execute. Never returns."""
    try:
        os.setsid()
        request = json.loads(os.pread(REQUEST, os.fstat(REQUEST).st_size, 0))
        made = records.write_launch(
            RUN_DIR,
            _attempt(packet),
            {
                **_here,
                "pid": os.getpid(),
                "start_time": records.start_time(os.getpid()),
                "recorder_pid": os.getppid(),
                "recorder_start": records.start_time(os.getppid()),
                "at": time.time(),
            },
        )
        if not made:
            os.write(WRITE_END, b"this attempt was given up before it was executed")
            os._exit(127)
        for number in RESET:
            _signal(number, _DEFAULT)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(LOG, 1)
        os.dup2(LOG, 2)
        os.fchdir(CWD)
        _become(request["user"])
        os.umask(0o022)
        # A profile of the installation's settings names it; a task is one of its arguments.
        os.execve(request["executable"], request["argv"], request["env"])  # noqa: S606
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must be told, not raised
        text = getattr(error, "strerror", None) or str(error)
        os.write(WRITE_END, text.encode("utf-8", "replace")[:MAX_ERROR])
    finally:
        os._exit(127)


def _become(user: dict[str, Any] | None) -> None:
    """Drop to the run user, if there is one: groups, group, user, in this order."""
    if user:
        os.setgroups(user["groups"])
        os.setresgid(user["gid"], user["gid"], user["gid"])
        os.setresuid(user["uid"], user["uid"], user["uid"])


if __name__ == "__main__":
    serve()
