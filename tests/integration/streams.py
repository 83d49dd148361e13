"""A client of the telemetry stream, and sessions whose files change as if they ran."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import BEARER, PATIENCE, Installation, Server

#: Arguments of a run that goes on saying something, and of one that is silent.
BUSY = ["--lines", "3000", "--seconds", "600"]
QUIET = ["--lines", "1", "--hang", "--seconds", "600"]
SCHEMA = """
CREATE TABLE swarms(id PRIMARY KEY, name, objective, status, queen_type, created_at);
CREATE TABLE agents(id PRIMARY KEY, swarm_id, name, type, role, status);
CREATE TABLE tasks(id PRIMARY KEY, swarm_id, agent_id, description, status, priority, created_at,
  completed_at);
CREATE TABLE collective_memory(id PRIMARY KEY, swarm_id, key, value);
CREATE TABLE consensus_decisions(id PRIMARY KEY, swarm_id, topic, decision);
"""


class Reader:
    """A client of the stream."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.acknowledges = True

    async def say(self, message: object) -> None:
        """A message as JSON."""
        await self.socket.send(json.dumps(message))

    async def subscribe(self, **wanted: Any) -> dict[str, Any]:
        """Subscribe; the answer to it."""
        await self.say({"subscribe": wanted})
        return await self.frame("subscribed")

    async def next(self) -> dict[str, Any]:
        """The next frame, acknowledged."""
        async with asyncio.timeout(30):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        if self.acknowledges and "seq" in frame:
            await self.say({"ack": frame["seq"]})
        return frame

    async def frame(self, kind: str = "telemetry", session_id: str = "") -> dict[str, Any]:
        """The next frame of a kind, of a session if one is named; others are passed over."""
        while True:
            frame = await self.next()
            if frame["type"] == kind and session_id in ("", frame.get("session_id")):
                return frame

    async def closed(self) -> int | None:
        """The code that the server closes with."""
        async with asyncio.timeout(PATIENCE):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed:
                return self.socket.close_code


@asynccontextmanager
async def reading(
    server: Server, headers: dict[str, str] = BEARER, path: str = "/ws/telemetry", **options: Any
) -> AsyncIterator[Reader]:
    """A connection for a block."""
    url = f"ws://127.0.0.1:{server.port}{path}"
    async with connect(url, additional_headers=headers, max_size=None, **options) as socket:
        yield Reader(socket)


class Hive:
    """The hive.db of a session, as claude-flow would keep it: tasks, one after the other."""

    def __init__(self, site: Installation, session_id: str) -> None:
        path = site.session_dir(session_id) / ".hive-mind"
        path.mkdir(exist_ok=True)
        self._db = sqlite3.connect(path / "hive.db", isolation_level=None)
        self._db.executescript(SCHEMA)
        self._id = f"swarm-{session_id[:8]}"
        self._db.execute(
            "INSERT INTO swarms VALUES(?, 'hive', 'all of it', 'active', 'strategic', ?)",
            (self._id, "2026-11-26 00:00:00"),
        )
        self.tasks = 0

    def work(self) -> None:
        """One task more, which is done."""
        self.tasks += 1
        self._db.execute(
            "INSERT INTO tasks VALUES(?, ?, NULL, 'a task', 'completed', 5, ?, ?)",
            (f"task-{self.tasks}", self._id, "2026-11-26 00:00:00", "2026-11-26 00:00:01"),
        )

    def close(self) -> None:
        """Close it."""
        self._db.close()


class Activity:
    """The figures of a session's output, as the spawner writes them; here at every moment."""

    def __init__(self, site: Installation, session_id: str, said: str = "") -> None:
        self._said = said
        self._file = site.state_dir / "runs" / session_id / "activity.json"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self.lines = 0

    def write(self) -> None:
        """A line more."""
        self.lines += 1
        fresh = self._file.with_suffix(".new")
        activity = {"lines": self.lines, "last_line": self._said}
        fresh.write_text(json.dumps({"version": 1, "activity": activity}))
        fresh.rename(self._file)
