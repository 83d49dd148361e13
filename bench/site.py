"""An installation in a temporary directory, for measurements."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import free_port

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
MANAGE = [PYTHON, str(ROOT / "manage.py")]
#: Fills a database through the models: sessions that were created, and some that have ended.
FILL = """
import sys, uuid
from datetime import timedelta
from django.utils import timezone
from sessions_app import workspace
from sessions_app.conf import current
from sessions_app.models import AgentSession

waiting, ended = int(sys.argv[1]), int(sys.argv[2])
conf, now, rows = current(), timezone.now(), []
workspace.initialise(conf)
for number in range(waiting + ended):
    key = uuid.uuid4()
    place = workspace.paths(conf, key)
    done = number >= waiting
    session = AgentSession(
        id=key, task=f"task {number} of the measurement", priority=number % 3,
        metadata={"number": number}, profile="claude-flow",
        status="completed" if done else "created", reason="exited" if done else "",
        created=now, updated=now, ended_at=now - timedelta(hours=48) if done else None,
        working_dir=str(place.working_dir), output_dir=str(place.output_dir),
        database=str(place.database), log_file=str(place.log_file),
    )
    rows.append(session)
    if done:
        workspace.prepare(conf, session)
        workspace.write_session_json(session)
AgentSession.objects.bulk_create(rows, batch_size=500)
"""


#: What measurements show at the door.
TOKEN = "the-token-of-the-measurements"  # noqa: S105 - of an installation that lasts a minute
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Site:
    """An installation in a temporary directory.

    Args:
        base: the directory.
        **settings: more settings, or others than the usual ones.
    """

    def __init__(self, base: Path, **settings: str) -> None:
        self.base = base
        self.port = free_port()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "HIVE_ENV_FILE": str(base / "hive.env"),
            "HIVE_WORKSPACE": str(base / "workspace"),
            "HIVE_LOG_DIR": str(base / "log"),
            "HIVE_STATE_DIR": str(base / "state"),
            "HIVE_COMMAND": "/bin/true",
            "HIVE_SLOTS": "4",
            "HIVE_PORT": str(self.port),
            "HIVE_TOKEN": TOKEN,
            **settings,
        }
        (base / "hive.env").touch()

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, *command: str) -> str:
        """Run a command and return what it printed; the measurement ends if it fails."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed ({done.returncode}): {done.stderr}")
        return done.stdout.strip()

    def timed(self, *command: str) -> tuple[float, str]:
        """How long a command took from fork to the end of both pipes, and what it printed."""
        begun = time.perf_counter()
        out = self.run(*command)
        return time.perf_counter() - begun, out

    def fill(self, waiting: int, ended: int) -> None:
        """Make the database, with sessions in it."""
        self.run(*MANAGE, "migrate", "-v0")
        code = f"import sys; sys.argv[1:] = ['{waiting}', '{ended}']\n{FILL}"
        self.run(*MANAGE, "shell", "-v0", "-c", code)

    def begin(self) -> "subprocess.Popen[bytes]":
        """Start the server; it does not answer yet."""
        (self.base / "state" / "hive.sock").unlink(missing_ok=True)  # of one that was killed
        with (self.base / "server.log").open("wb") as file:
            return subprocess.Popen(
                [*MANAGE, "hive", "up", "--no-sample"],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def wait_until_it_answers(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until a server that was begun answers; the measurement ends if it does not."""
        deadline = time.monotonic() + 60
        while not (self.base / "state" / "hive.sock").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server did not start: {(self.base / 'server.log').read_text()}")
            time.sleep(0.02)

    @contextmanager
    def server(self) -> Iterator["subprocess.Popen[bytes]"]:
        """The server for a block."""
        process = self.begin()
        try:
            self.wait_until_it_answers(process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def end_processes(directory: str) -> None:
    """End what the server left running, such as a process that launches sessions."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and directory.encode() in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue
