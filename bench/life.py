"""Sessions made, started and ended over 16 kept connections, and what the launcher does alone."""

import asyncio
import json
import os
import sqlite3
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from bench.site import TOKEN
from sessions_app.launchers.base import LaunchSpec
from sessions_app.launchers.local import LocalLauncher

CONNECTIONS = 16
BODY = json.dumps({"task": "measure", "start": True}).encode()
REQUEST = (
    b"POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
    b"Content-Length: " + str(len(BODY)).encode() + b"\r\n\r\n" + BODY
)
ENDS = (
    "SELECT id, session_id FROM sessions_app_sessionevent"
    " WHERE id > ? AND kind IN ('completed', 'failed') ORDER BY id"
)
#: The event rows are asked for ends this often (s).
POLL = 0.004
#: A session that has not ended after so long (s) ends the measurement.
PATIENCE = 60.0


@dataclass
class Lives:
    """What came of a load.

    Attributes:
        seconds: how long it lasted, from the first request to the last end.
        answered: from a request to its answer (s).
        running: from a request to the running command (s), by the session's own time.
        ended: from a request to its end in the rows (s).
        completed: how many of the sessions are ``completed`` in the rows.
    """

    seconds: float = 0.0
    answered: list[float] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    completed: int = 0

    @property
    def rate(self) -> float:
        """Sessions a second that ended in the rows."""
        return len(self.ended) / self.seconds


class Load:
    """Makes, starts and awaits sessions on a server.

    Args:
        port: where it answers.
        database: its SQLite file, in which the ends are looked for.
    """

    def __init__(self, port: int, database: Path) -> None:
        self._port = port
        self._rows = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        self._seen = self._rows.execute("SELECT max(id) FROM sessions_app_sessionevent")
        self._newest = self._seen.fetchone()[0] or 0
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self._early: dict[str, float] = {}
        self._sent: dict[str, float] = {}

    async def run(self, seconds: float, *, pause: float = 0.0, connections: int = 0) -> Lives:
        """Have each connection make one session after the other and await its end.

        Args:
            seconds: for how long new ones are made.
            pause: a connection rests so long (s) after each one.
            connections: how many; ``CONNECTIONS`` if 0.
        """
        lives = Lives()
        watcher = asyncio.create_task(self._watch())
        begun = time.monotonic()
        callers = [
            asyncio.create_task(self._caller(lives, begun + seconds, pause))
            for _ in range(connections or CONNECTIONS)
        ]
        try:
            await asyncio.gather(*callers)
        finally:
            watcher.cancel()
        lives.seconds = time.monotonic() - begun
        self._look_up(lives)
        return lives

    async def _caller(self, lives: Lives, until: float, pause: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while time.monotonic() < until:
            sent, begun = time.time(), time.monotonic()
            writer.write(REQUEST)
            key = str(json.loads(await _answer(reader))["session_id"]).replace("-", "")
            lives.answered.append(time.monotonic() - begun)
            self._sent[key] = sent
            lives.ended.append(await self._end_of(key) - begun)
            await asyncio.sleep(pause)
        writer.close()

    async def _end_of(self, key: str) -> float:
        if key in self._early:
            return self._early.pop(key)
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        async with asyncio.timeout(PATIENCE):
            return await future

    async def _watch(self) -> None:
        while True:
            for newest, key in self._rows.execute(ENDS, (self._newest,)).fetchall():
                self._newest = newest
                waiting = self._waiting.pop(key, None)
                if waiting is None:
                    self._early[key] = time.monotonic()
                else:
                    waiting.set_result(time.monotonic())
            await asyncio.sleep(POLL)

    def _look_up(self, lives: Lives) -> None:
        """When the commands ran: ``started_at`` is the time of the launch record."""
        for key, sent in self._sent.items():
            status, seconds = self._rows.execute(
                "SELECT status, (julianday(started_at) - 2440587.5) * 86400.0"
                " FROM sessions_app_agentsession WHERE id = ?",
                (key,),
            ).fetchone()
            lives.completed += status == "completed"
            lives.running.append(seconds - sent)
        self._sent.clear()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """The body of an answer with a length.

    Raises:
        RuntimeError: it is a refusal.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    if not lines[0].split()[1].startswith(b"2"):
        raise RuntimeError(f"refused: {head!r} {body!r}")
    return body


async def launcher_alone(
    base: Path, seconds: float, *, pause: float = 0.0, connections: int = 0
) -> Lives:
    """Runs of ``/bin/true`` through the launcher alone, as :meth:`Load.run` has them, with logs.

    Nothing is kept but the launcher's own records: what a session's life costs at the very least.
    """
    launcher, lives = LocalLauncher(base / "runs"), Lives()
    (base / "runs").mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + seconds

    async def one_after_the_other() -> None:
        while time.monotonic() < until:
            key, sent, started = uuid.uuid4(), time.time(), time.monotonic()
            log = os.open(base / f"{key}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            spec = LaunchSpec(key, 1, ["/bin/true"], {"PATH": "/bin"}, str(base), log, None)
            try:
                run = await launcher.start(spec)
            finally:
                os.close(log)
            if run is None or (ended := await run.command_ended()) is None or ended.code != 0:
                raise RuntimeError(f"{key} did not run")
            await run.tree_ended(10)
            lives.running.append(run.launched_at - sent)
            lives.ended.append(time.monotonic() - started)
            await asyncio.sleep(pause)

    begun = time.monotonic()
    try:
        await asyncio.gather(*(one_after_the_other() for _ in range(connections or CONNECTIONS)))
    finally:
        await launcher.close()
    lives.seconds = time.monotonic() - begun
    return lives
