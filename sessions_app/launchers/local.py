"""The local launcher: commands on this machine, each behind a recorder that outlives us."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from sessions_app.errors import LaunchError
from sessions_app.launchers import processes, records
from sessions_app.launchers.base import Exit, LaunchSpec

logger = logging.getLogger(__name__)
#: A launch that was not answered in this time (seconds) is looked up in its records.
ANSWER_TIME = 30.0
#: How long SIGKILL may take to empty a tree, in seconds.
KILL_TIME = 5.0
_ROOT = Path(__file__).resolve().parents[2]
_SERVE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from sessions_app.launchers import recorder; recorder.serve()"
)


class LocalRun:
    """One command and its tree on this machine."""

    def __init__(
        self,
        session: UUID,
        attempt: int,
        run_dir: Path,
        launch: dict[str, object],
        table: processes.SharedTable,
    ) -> None:
        self._session = str(session)
        self._attempt = attempt
        self._run_dir = run_dir
        self._table = table
        self.pid = _number(launch, "pid")
        self.launched_at = float(str(launch.get("at") or 0))
        self._here = (
            launch.get("boot_id") == records.boot_id()
            and launch.get("pid_ns") == records.pid_namespace()
        )
        self._start = _number(launch, "start_time")
        self._recorder = (_number(launch, "recorder_pid"), _number(launch, "recorder_start"))

    @property
    def alive(self) -> bool:
        """Whether the command itself still runs."""
        return self._here and records.start_time(self.pid) == self._start

    def _recorder_alive(self) -> bool:
        pid, started = self._recorder
        return self._here and records.start_time(pid) == started

    def _exit(self) -> Exit | None:
        with _directory(self._run_dir) as fd:
            record = records.read(fd, f"exit-{self._attempt}")
        if record is None:
            return None
        code, number, error = record.get("code"), record.get("signal"), record.get("error")
        return Exit(
            code if isinstance(code, int) else None,
            number if isinstance(number, int) else None,
            str(error) if error else None,
            float(str(record.get("at") or time.time())),
            record.get("tree_ended") is True,
        )

    async def command_ended(self) -> Exit | None:
        """See :class:`sessions_app.launchers.base.Run`."""
        if self._here:
            await _process_ended(self.pid, self._start)
        pause = 0.001
        while (ended := self._exit()) is None and self._recorder_alive():
            await asyncio.sleep(pause)  # the recorder writes within a moment, or the disk is full
            pause = min(pause * 2, 1.0)
        return ended or self._exit()

    async def tree_ended(self, timeout: float) -> bool:  # noqa: ASYNC109 - see base.Run
        """See :class:`sessions_app.launchers.base.Run`."""
        if not self._here:
            return True
        deadline = time.monotonic() + timeout
        # A recorder is there until its last descendant has gone and then says so; one that was
        # killed did not, and the table has to be asked.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await _process_ended(*self._recorder)
        if (ended := self._exit()) is not None and ended.tree_ended:
            return True
        pause = 0.02
        while await self._members():
            if time.monotonic() + pause > deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.25)
        return True

    async def _members(self) -> dict[int, int]:
        """pid and start time of every process of the run."""
        table = await self._table.fresh()
        recorder, started = self._recorder
        known = table.by_pid.get(recorder)
        roots = {recorder} if known is not None and known.started == started else set()
        pids = table.members(self._session, self.pid, self._start, roots)
        return {pid: table.by_pid[pid].started for pid in pids}

    async def end_tree(self, grace: float) -> list[int]:
        """See :class:`sessions_app.launchers.base.Run`."""
        if not self._here:
            return []
        await self._signal_all(signal.SIGTERM)
        if await self.tree_ended(grace):
            return []
        deadline = time.monotonic() + KILL_TIME
        while True:  # a tree that forks while it is killed needs more than one round
            left = await self._signal_all(signal.SIGKILL)
            if not left or time.monotonic() > deadline:
                return sorted(left)
            await self.tree_ended(0.1)

    async def _signal_all(self, number: int) -> dict[int, int]:
        members = await self._members()
        for pid, started in members.items():
            processes.send(pid, started, number)
            if number == signal.SIGTERM:  # a paused process could not act on it
                processes.send(pid, started, signal.SIGCONT)
        return members


class LocalLauncher:
    """Launches through a fork server of recorders, started when first needed."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._table = processes.SharedTable()
        self._door: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._answers: dict[str, asyncio.Future[str | None]] = {}

    async def start(self, spec: LaunchSpec) -> LocalRun | None:
        """See :class:`sessions_app.launchers.base.Launcher`."""
        executable = shutil.which(spec.argv[0], path=spec.env.get("PATH", os.defpath))
        if executable is None:
            where = "does not exist" if "/" in spec.argv[0] else "is not on PATH"
            raise LaunchError(
                f"cannot start: {spec.argv[0]!r} {where}; install it, or set HIVE_COMMAND to the "
                "command that is to be run"
            )
        key = f"{spec.session_id}/{spec.attempt}"
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        try:
            await self._send(spec, key, os.path.join(os.getcwd(), executable))  # noqa: PTH109, PTH118 - links stay
            async with asyncio.timeout(ANSWER_TIME):
                error = await answer
        except (TimeoutError, ConnectionError) as problem:
            logger.warning("session %s: launch not confirmed (%r)", spec.session_id, problem)
            error = None  # the records tell
        finally:
            self._answers.pop(key, None)
        if error:
            raise LaunchError(f"cannot start {executable}: {error}")
        return await self.find(spec.session_id, spec.attempt)

    async def find(self, session_id: UUID, attempt: int) -> LocalRun | None:
        """See :class:`sessions_app.launchers.base.Launcher`."""
        run_dir = self._run_dir(session_id)
        with _directory(run_dir) as fd:
            launch = records.read(fd, f"launch-{attempt}")
            if launch is None:
                records.write_launch(fd, attempt, {"abandoned": True, "at": time.time()})
                launch = records.read(fd, f"launch-{attempt}")
        if not launch or launch.get("abandoned"):
            return None
        return LocalRun(session_id, attempt, run_dir, launch, self._table)

    async def close(self) -> None:
        """See :class:`sessions_app.launchers.base.Launcher`."""
        self._hang_up()

    def _run_dir(self, session_id: UUID) -> Path:
        run_dir = self._runs_dir / str(session_id)
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return run_dir

    async def _send(self, spec: LaunchSpec, key: str, executable: str) -> None:
        request = {
            "key": key,
            "attempt": spec.attempt,
            "executable": executable,
            "argv": list(spec.argv),
            "env": dict(spec.env),
            "user": spec.user
            and {"uid": spec.user[0], "gid": spec.user[1], "groups": list(spec.user[2])},
        }
        with contextlib.ExitStack() as open_fds:
            memory = os.memfd_create("launch", os.MFD_CLOEXEC)
            open_fds.callback(os.close, memory)
            _fill(memory, json.dumps(request).encode())
            cwd = open_fds.enter_context(_directory(Path(spec.cwd)))
            run_dir = open_fds.enter_context(_directory(self._run_dir(spec.session_id)))
            while True:
                door = self._door or self._open_door()
                try:
                    socket.send_fds(door, [b"launch"], [memory, spec.log_fd, cwd, run_dir])
                except BlockingIOError:
                    await asyncio.sleep(0.005)
                except OSError as error:
                    self._hang_up()
                    raise ConnectionError(f"the fork server is gone: {error}") from error
                else:
                    return

    def _open_door(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _SERVE, str(_ROOT)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.defpath},
                start_new_session=True,
            )
        ours.setblocking(False)
        self._door = ours
        asyncio.get_running_loop().add_reader(ours, self._on_answer)
        return ours

    def _on_answer(self) -> None:
        if self._door is None:
            return
        try:
            packet = self._door.recv(64 * 1024)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._hang_up()
            return
        message = json.loads(packet)
        answer = self._answers.get(message["key"])
        if answer is not None and not answer.done():
            answer.set_result(message["error"])

    def _hang_up(self) -> None:
        if self._door is not None:
            asyncio.get_running_loop().remove_reader(self._door)
            self._door.close()
            self._door = None
        if self._server is not None:
            server, self._server = self._server, None
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=0.5)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the fork server has gone"))


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _fill(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]


def _number(record: dict[str, object], key: str) -> int:
    value = record.get(key)
    return value if isinstance(value, int) else -1


async def _process_ended(pid: int, started: int) -> None:
    """Wait until a process has ended, without polling (pidfd)."""
    if pid <= 0:
        return
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if records.start_time(pid) != started:
            return
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def resolve() -> None:
            if not ended.done():
                ended.set_result(None)

        loop.add_reader(fd, resolve)
        try:
            await ended
        finally:
            loop.remove_reader(fd)
    finally:
        os.close(fd)
