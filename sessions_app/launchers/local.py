"""The local launcher: commands on this machine, each behind a recorder that outlives us."""

import asyncio
import contextlib
import json
import logging
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from uuid import UUID

from sessions_app.errors import LaunchError
from sessions_app.launchers import processes, records
from sessions_app.launchers.base import LaunchSpec, Run, Usage
from sessions_app.launchers.local_run import LocalRun, open_directory
from sessions_app.launchers.measuring import LocalMeter

logger = logging.getLogger(__name__)
#: A launch that was not answered in this time (seconds) is looked up in its records.
ANSWER_TIME = 30.0
#: As recorders name themselves.
RECORDER_NAME = "hive-recorder"
#: How long the fork server may take to leave once we have hung up (seconds).
LEAVE_TIME = 0.5
_ROOT = Path(__file__).resolve().parents[2]
_SERVE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from sessions_app.launchers import recorder; recorder.serve()"
)


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
        found = shutil.which(spec.argv[0], path=spec.env.get("PATH", os.defpath))
        if found is None:
            where = "does not exist" if "/" in spec.argv[0] else "is not on PATH"
            raise LaunchError(
                f"cannot start: {spec.argv[0]!r} {where}; install it, or set HIVE_COMMAND to the "
                "command that is to be run"
            )
        # Relative to the session's directory it would be another program; links stay links.
        executable = found if found.startswith("/") else f"{os.getcwd()}/{found}"  # noqa: PTH109
        key = f"{spec.attempt} {spec.session_id}"
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        try:
            run_dir = self._run_dir(spec.session_id)
            await self._send(spec, key, executable, run_dir)
            async with asyncio.timeout(ANSWER_TIME):
                error = await answer
        except (TimeoutError, ConnectionError) as problem:
            logger.warning("session %s: launch not confirmed (%r)", spec.session_id, problem)
            error = None  # the records tell
        except OSError as problem:  # no fork server, no descriptors, a directory that is gone
            raise LaunchError(f"cannot start: {problem}") from problem
        finally:
            self._answers.pop(key, None)
        if error:
            raise LaunchError(f"cannot start {executable}: {error}")
        return await self._find(spec.session_id, spec.attempt, run_dir, launched=False)

    async def find(
        self, session_id: UUID, attempt: int, *, launched: bool = False
    ) -> LocalRun | None:
        """See :class:`sessions_app.launchers.base.Launcher`."""
        return await self._find(session_id, attempt, self._run_dir(session_id), launched=launched)

    async def _find(
        self, session_id: UUID, attempt: int, run_dir: Path, *, launched: bool
    ) -> LocalRun | None:
        with open_directory(run_dir) as fd:
            launch = records.read(fd, f"launch-{attempt}")
            if launch is None and not launched:
                records.write_launch(fd, attempt, {"abandoned": True, "at": time.time()})
                launch = records.read(fd, f"launch-{attempt}")
        if launch and launch.get("abandoned"):
            return None
        if not (launch and launch.get("boot_id")):
            logger.warning("session %s: its launch record is lost; looking for it", session_id)
            launch = await self._recognise(session_id)
        return LocalRun(session_id, attempt, run_dir, launch, self._table)

    async def _recognise(self, session_id: UUID) -> dict[str, object]:
        """What a launch record would say, from the processes that carry the session's id."""
        table = await self._table.fresh()
        leaders = [p for p in table.of_session(str(session_id)) if p.group == p.pid]
        launch: dict[str, object] = {
            "boot_id": records.boot_id(),
            "pid_ns": records.pid_namespace(),
            "at": time.time(),
        }
        if leaders:  # the command is the oldest: the others descend from it
            command = min(leaders, key=lambda process: process.started)
            age = (processes.ticks() - command.started) / processes.TICKS
            launch |= {"pid": command.pid, "start_time": command.started, "at": time.time() - age}
            recorder = table.by_pid.get(command.parent)
            if recorder is not None and processes.name_of(recorder.pid) == RECORDER_NAME:
                launch |= {"recorder_pid": recorder.pid, "recorder_start": recorder.started}
        return launch

    async def usage(self, runs: Collection[Run], age: float = 0.0) -> dict[UUID, Usage]:
        """See :class:`sessions_app.launchers.base.Launcher`."""
        ours = [run for run in runs if isinstance(run, LocalRun)]
        return await asyncio.to_thread(self._usage, ours, age)

    def meter(self) -> LocalMeter:
        """See :class:`sessions_app.launchers.base.Launcher`."""
        return LocalMeter(self._table)

    def _usage(self, runs: Collection[LocalRun], age: float) -> dict[UUID, Usage]:
        table = self._table.lately(age)
        found = ((run.session_id, run.usage_in(table)) for run in runs)
        return {session_id: usage for session_id, usage in found if usage is not None}

    async def close(self) -> None:
        """See :class:`sessions_app.launchers.base.Launcher`."""
        self._hang_up()

    def _run_dir(self, session_id: UUID) -> Path:
        run_dir = self._runs_dir / str(session_id)
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return run_dir

    async def _send(self, spec: LaunchSpec, key: str, executable: str, run_dir: Path) -> None:
        request = {
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
            cwd = open_fds.enter_context(open_directory(Path(spec.cwd)))
            records_fd = open_fds.enter_context(open_directory(run_dir))
            while True:
                door = self._door or self._open_door()
                try:
                    socket.send_fds(
                        door,
                        [key.encode()],
                        [records_fd, memory, spec.log_fd, cwd],
                    )
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
            self._server = subprocess.Popen(  # noqa: S603 - our own Python and program
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
        key, _, error = packet.decode("utf-8", "replace").partition("\n")
        answer = self._answers.get(key)
        if answer is not None and not answer.done():
            answer.set_result(error or None)

    def _hang_up(self) -> None:
        if self._door is not None:
            asyncio.get_running_loop().remove_reader(self._door)
            self._door.close()
            self._door = None
        if self._server is not None:
            server, self._server = self._server, None
            if server.poll() is None:
                fd = os.pidfd_open(server.pid)
                ended = select.poll()
                ended.register(fd, select.POLLIN)
                ended.poll(LEAVE_TIME * 1000)
                os.close(fd)
                server.poll()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the fork server has gone"))


def last_run(
    runs_dir: Path, session_id: UUID, attempt: int, table: processes.SharedTable
) -> LocalRun | None:
    """A launch, to look at only; None when there is no record of it that can be read."""
    run_dir = runs_dir / str(session_id)
    try:
        with open_directory(run_dir) as fd:
            launch = records.read(fd, f"launch-{attempt}")
    except OSError:
        return None
    if not launch or not launch.get("boot_id"):
        return None
    return LocalRun(session_id, attempt, run_dir, launch, table)


def _fill(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]
