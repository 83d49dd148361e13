"""One installation of hiveweb for a test: its own directories, its own processes."""

import contextlib
import functools
import itertools
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
SAMPLE = [str(Path(PYTHON).resolve()), "-I", "-S", str(ROOT / "scripts/sample_hive.py"), "{task}"]
SCRIPT = ROOT / "scripts" / "hive-session-manager.sh"
#: Long enough for a loaded machine; a passing test never waits for it.
PATIENCE = 60.0
#: What tests show unless they are about identity.
TOKEN = "the-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
#: Set by tests.on_postgresql: the port of the server on which each installation gets a database.
ON_POSTGRESQL = "HIVE_TEST_POSTGRESQL"
T = TypeVar("T")


def slack() -> float:
    """How many times longer than on an idle machine things may take now.

    "At once" is a promise of a machine with a processor to spare; here others may want it too.
    """
    return 1 + os.getloadavg()[0] / (os.cpu_count() or 1)


def eventually(
    look: Callable[[], T | Literal[False] | None], what: str, timeout: float = PATIENCE
) -> T:
    """The first true answer of ``look``; fails with ``what`` when there is none in time."""
    deadline = time.monotonic() + timeout
    pause = 0.01
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}; last seen: {answer!r}"
        time.sleep(pause)
        pause = min(1.2 * pause, 0.1)  # each look may cost the server as much as the wait is long


def remove_tree(path: Path) -> None:
    """Remove a directory into which a server may be writing at this very moment."""

    def removed() -> bool:
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()

    eventually(removed, f"{path} to be removed")


def _ports() -> Iterator[int]:
    """Ports of this worker's own, round and round.

    All below those the system takes for connections (ip_local_port_range): one of these may be
    taken by somebody's connection before the server that is to get it has begun.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    first, count = 14_000 + worker * 2_000, 2_000
    for number in itertools.count(random.randrange(count)):
        yield first + number % count


_PORTS = _ports()


def free_port() -> int:
    """A port nobody listens on now, and nobody else is given."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports never end")


class Server:
    """A running ``hive up``."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        port: int,
        output: Path,
        address: str = "127.0.0.1",
    ) -> None:
        self.process = process
        self.port = port
        self.address = address
        self.url = f"http://{address}:{port}"
        self._output = output

    @property
    def output(self) -> str:
        """What the server has printed so far."""
        return self._output.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL it, as the kernel does when memory is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM it and wait; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request with JSON in and out; returns status and body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the test's own server
            self.url + path,
            data=data,
            method=method,
            headers={"Content-Type": "application/json", **BEARER, **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
                return answer.status, _parsed(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _parsed(error.read())


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


class Installation:
    """Directories, settings and processes of one installation, gone when the test ends."""

    def __init__(self, base: Path, **settings: str) -> None:
        self.base = base
        self.workspace = base / "workspace"
        self.log_dir = base / "log"
        self.state_dir = base / "state"
        self.database = self.state_dir / "hiveweb.sqlite3"
        self.port = free_port()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "default",
            "HIVE_ENV_FILE": str(base / "hive.env"),
            "HIVE_WORKSPACE": str(self.workspace),
            "HIVE_LOG_DIR": str(self.log_dir),
            "HIVE_STATE_DIR": str(self.state_dir),
            "HIVE_PORT": str(self.port),
            "HIVE_TOKEN": TOKEN,
            "HIVE_COMMAND": json.dumps(SAMPLE),
            "HIVE_STOP_GRACE": "2",
            "HIVE_MIN_FREE_DISK": "off",
            **settings,
        }
        self._forget: Callable[[], None] = lambda: None
        if ON_POSTGRESQL in os.environ and "DATABASE_URL" not in settings:
            from tests import databases  # noqa: PLC0415 - it takes us for its work

            self.env["DATABASE_URL"], self._forget = databases.one_more()
            self.env["REDIS_URL"] = os.environ["REDIS_URL"]
            self.env.setdefault("HIVE_AUTOSPAWN", "on")  # as it is for the same tests elsewhere
        base.mkdir(parents=True, exist_ok=True)
        (base / "hive.env").touch()
        #: Words before each server's own: what puts it into a namespace, say.
        self.wrap: list[str] = []
        self._servers: list[Server] = []

    def manage(self, *args: str, **kwargs: Any) -> "subprocess.CompletedProcess[bytes]":
        """Run manage.py to its end."""
        return self._run([PYTHON, str(ROOT / "manage.py"), *args], kwargs)

    def hive(self, *args: str, **kwargs: Any) -> "subprocess.CompletedProcess[bytes]":
        """Run ``manage.py hive`` to its end."""
        return self.manage("hive", *args, **kwargs)

    def script(self, *args: str, **kwargs: Any) -> "subprocess.CompletedProcess[bytes]":
        """Run the drop-in to its end."""
        return self._run([str(SCRIPT), *args], kwargs)

    def _run(
        self, command: list[str], kwargs: dict[str, Any]
    ) -> "subprocess.CompletedProcess[bytes]":
        options: dict[str, Any] = {"env": self.env, "capture_output": True, "timeout": 100}
        return subprocess.run(command, **{**options, **kwargs}, check=False)

    def migrate(self) -> None:
        """Make the database if there is none, as ``manage.py migrate`` does: a copy of its work."""
        if self.database.exists():
            return
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.database.write_bytes(_migrated())

    def up(self, *args: str, ready: bool = True, new: bool = False, **env: str) -> Server:
        """Start ``hive up --no-sample`` and wait until it answers.

        The first one finds an empty database (it saves half a second of processor time each);
        with ``new`` it finds nothing and makes one.
        """
        ours = "DATABASE_URL" not in {**self.env, **env}
        if ours and not (new or self._servers or self.database.exists()):
            self.migrate()
        output = self.base / f"server-{len(self._servers)}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*self.wrap, PYTHON, str(ROOT / "manage.py"), "hive", "up", "--no-sample", *args],
                env={**self.env, **env},
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
            )
        server = Server(process, self.port, output)
        self._servers.append(server)
        if ready:
            eventually(lambda: self._answers(server), "the server to answer")
        return server

    def _answers(self, server: Server) -> bool:
        assert server.process.poll() is None, server.output
        try:
            return (
                server.request("GET", "/healthz")[0] == 200
                and (self.state_dir / "hive.sock").exists()
            )
        except OSError:
            return False

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Carry out a statement of the test's own, its parameters marked ``?``; its rows."""
        if (url := self.env.get("DATABASE_URL", "")).startswith("postgres"):
            import psycopg  # noqa: PLC0415 - most tests do without

            with psycopg.connect(url, autocommit=True) as made:
                found = made.execute(statement.replace("?", "%s").encode(), values or None)
                return found.fetchall() if found.description else []
        with contextlib.closing(sqlite3.connect(self.database, timeout=20)) as rows, rows:
            return rows.execute(statement, values).fetchall()

    def session_dir(self, session_id: str) -> Path:
        """Where a session's directory must lie."""
        return self.workspace / ".swarm" / "sessions" / session_id

    def output_dir(self, session_id: str) -> Path:
        """Where a session's output directory must lie."""
        return self.workspace / "ext" / "hive-sessions" / session_id

    def log(self, session_id: str) -> Path:
        """Where a session's log must lie."""
        return self.log_dir / f"hive-{session_id}.log"

    def processes(self, session_id: str | None = None) -> dict[int, str]:
        """Processes (pid and command line) that carry a session's id, or work for us at all."""
        mark = f"HIVE_MIND_SESSION_ID={session_id}".encode() if session_id else b""
        here = str(self.base).encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                environ = (entry / "environ").read_bytes()
                if (mark and mark in environ) or (not mark and here in environ):
                    found[int(entry.name)] = (
                        (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    )
        return found

    def close(self) -> None:
        """End everything that was started here."""
        deadline = time.monotonic() + PATIENCE
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for server in self._servers:
                server.process.poll()
            assert time.monotonic() < deadline, left
            time.sleep(0.02)
        for server in self._servers:
            server.process.wait()
        self._forget()


@functools.cache
def _migrated() -> bytes:
    """The file of a database that ``manage.py migrate`` has made, once in a run of the tests."""
    with TemporaryDirectory() as base, installation(Path(base)) as made:
        done = made.manage("migrate", "-v0")
        assert done.returncode == 0, done.stderr
        return made.database.read_bytes()


@contextlib.contextmanager
def installation(base: Path, **settings: str) -> Iterator[Installation]:
    """An installation for a block."""
    made = Installation(base, **settings)
    try:
        yield made
    finally:
        made.close()
