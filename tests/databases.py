"""Real PostgreSQL and Redis servers on private ports, for as long as a block."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import psycopg

from tests.support import (
    ON_POSTGRESQL,
    PATIENCE,
    Installation,
    eventually,
    free_port,
    remove_tree,
)

#: PostgreSQL refuses to run as root.
NOBODY = "nobody"
#: Where servers listen, unless a test says otherwise.
HERE = "127.0.0.1"
#: The database that others are copies of: its tables are made.
MIGRATED = "migrated"
_NUMBERS = count(1)
#: Nothing here has to survive a power failure.
_POSTGRESQL = {
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "autovacuum": "off",
    "log_min_messages": "error",
}


class DatabaseServer:
    """A server as a process of ours; it ends when we do, however that comes about.

    Args:
        directory: what it has lies there.
        port: where it listens.
        address: on which address.
        wrap: words before its command: what puts it into a namespace, say.
    """

    def __init__(
        self, directory: Path, port: int, address: str = HERE, wrap: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.port = port
        self.address = address
        self.wrap = wrap
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The program and its arguments; :meth:`answers` says when it is there."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it can be used now."""
        raise NotImplementedError

    #: What ends it at once and in good order, and makes it lose nothing.
    stop_signal = signal.SIGTERM

    def start(self) -> None:
        """Start it, also again after :meth:`stop`, and wait until it answers."""
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.wrap, *_tied_to_us(self.command())],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._up, f"{type(self).__name__} to answer")

    def _up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError((self.directory / "server.log").read_text(errors="replace"))
        return self.answers()

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP is a server that is there and does not answer."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """Stop it; what it holds is there again after the next start."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class PostgreSQL(DatabaseServer):
    """A PostgreSQL server whose superuser is ``hive``, and who comes from this machine is it."""

    stop_signal = signal.SIGINT  # "fast": it waits for nobody

    @property
    def url(self) -> str:
        """Of the database that only makes others."""
        return self.url_of("postgres")

    def url_of(self, name: str) -> str:
        """A DATABASE_URL."""
        return f"postgres://hive@{self.address}:{self.port}/{name}"

    def command(self) -> list[str]:
        """See :class:`DatabaseServer`."""
        settings = {**_POSTGRESQL, "listen_addresses": self.address, "port": str(self.port)}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(self.directory / "data"), *words]

    def answers(self) -> bool:
        """See :class:`DatabaseServer`."""
        with contextlib.suppress(psycopg.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def initialise(self) -> None:
        """Make its files; once."""
        subprocess.run(
            _tied_to_us(
                [
                    *(program("initdb"), "--auth=trust", "--username=hive", "--encoding=UTF8"),
                    *("--locale=C.UTF-8", "--no-sync", "--no-instructions"),
                    *("-D", str(self.directory / "data")),
                ]
            ),
            cwd=self.directory,
            check=True,
            capture_output=True,
        )
        if self.address != HERE:
            with (self.directory / "data" / "pg_hba.conf").open("a") as file:
                file.write("host all all samenet trust\n")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Carry out a statement of the test's own; returns its rows."""
        with psycopg.connect(self.url_of(database), autocommit=True, connect_timeout=20) as made:
            found = made.execute(statement.encode())
            return found.fetchall() if found.description else []

    def create(self, name: str, template: str = "template0") -> str:
        """Make a database, a copy of another; returns its DATABASE_URL."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url_of(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def migrated(self) -> str:
        """Make a database with our tables in it; returns its DATABASE_URL.

        The first is made as ``manage.py migrate`` makes it, the others are copies of that one.
        """
        names = [name for (name,) in self.execute("SELECT datname FROM pg_database")]
        if MIGRATED not in names:
            with TemporaryDirectory() as base:
                url = self.create("draft")
                done = Installation(Path(base), DATABASE_URL=url).manage("migrate", "-v0")
                assert done.returncode == 0, done.stderr
            self.execute(f'ALTER DATABASE draft RENAME TO "{MIGRATED}"')
        return self.create(f"hive_{os.getpid()}_{next(_NUMBERS)}", MIGRATED)

    def cut(self, database: str) -> int:
        """Cut every connection to a database; returns how many there were."""
        rows = self.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "  # noqa: S608 - a test's own
            f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        )
        return len(rows)


class Redis(DatabaseServer):
    """A Redis server that keeps nothing."""

    @property
    def url(self) -> str:
        """A REDIS_URL."""
        return f"redis://{self.address}:{self.port}/0"

    def command(self) -> list[str]:
        """See :class:`DatabaseServer`."""
        return [
            *(program("redis-server"), "--port", str(self.port), "--bind", self.address),
            *("--save", "", "--appendonly", "no", "--daemonize", "no", "--protected-mode", "no"),
        ]

    def answers(self) -> bool:
        """See :class:`DatabaseServer`."""
        command = [program("redis-cli"), "-h", self.address, "-p", str(self.port), "ping"]
        asked = subprocess.run(command, capture_output=True, check=False)
        return asked.stdout.strip() == b"PONG"


def shared() -> PostgreSQL:
    """The server that tests.on_postgresql has started."""
    return PostgreSQL(Path("/"), int(os.environ[ON_POSTGRESQL]))


def one_more() -> tuple[str, Callable[[], None]]:
    """A database on that server, and how to get rid of it again."""
    server = shared()
    url = server.migrated()
    return url, lambda: server.drop(url.rpartition("/")[2])


@contextlib.contextmanager
def postgresql(
    port: int | None = None, address: str = HERE, wrap: Sequence[str] = ()
) -> Iterator[PostgreSQL]:
    """A new PostgreSQL server for a block; see :class:`DatabaseServer`."""
    with _directory() as directory:
        server = PostgreSQL(directory, port or free_port(), address, wrap)
        server.initialise()
        with _running(server):
            yield server


@contextlib.contextmanager
def redis(
    port: int | None = None, address: str = HERE, wrap: Sequence[str] = ()
) -> Iterator[Redis]:
    """A new Redis server for a block; see :class:`DatabaseServer`."""
    with _directory() as directory:
        server = Redis(directory, port or free_port(), address, wrap)
        with _running(server):
            yield server


@contextlib.contextmanager
def _running(server: DatabaseServer) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    """A directory that :data:`NOBODY` can reach, which pytest's own is not."""
    path = Path(mkdtemp(prefix="hive-db-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(path, NOBODY)
        yield path
    finally:
        remove_tree(path)


def program(name: str) -> str:
    """The path of a server's program, which Debian does not put on PATH.

    Raises:
        AssertionError: it is not installed.
    """
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    found = str(places[-1]) if places else shutil.which(name)
    assert found, f"{name} is not installed; run scripts/install-test-tools.sh"
    return found


def _version(path: Path) -> int:
    number = path.parts[4]
    return int(number) if number.isdecimal() else 0


def _tied_to_us(command: list[str]) -> list[str]:
    """A command that gets SIGQUIT when we are gone, and does not run as root."""
    prefix = [shutil.which("setpriv") or "setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        user = pwd.getpwnam(NOBODY)
        prefix += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    return [*prefix, "--", *command]
