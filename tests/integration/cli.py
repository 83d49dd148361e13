"""The doors of the command line: the drop-in and manage.py, with a server and without."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from tests.support import PYTHON, ROOT, SCRIPT, Installation, Server, eventually

DROP_IN = [str(SCRIPT)]
MANAGE = [PYTHON, str(ROOT / "manage.py"), "hive"]

Completed = subprocess.CompletedProcess[bytes]


@dataclass
class Door:
    """One way to reach an installation."""

    site: Installation
    command: list[str]

    def __call__(self, *words: str | bytes, **options: Any) -> Completed:
        """Run a verb to its end; as the consumer does, wait for the end of both pipes."""
        defaults: dict[str, Any] = {"env": self.site.env, "capture_output": True, "timeout": 60}
        command = [*self.command, *words]
        return subprocess.run(command, **{**defaults, **options}, check=False)

    def begin(self, *words: str, **options: Any) -> "subprocess.Popen[bytes]":
        """Start a verb and leave it running."""
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [*self.command, *words], env=self.site.env, bufsize=0, **{**streams, **options}
        )

    def create(self, *words: str) -> str:
        """A new session's id."""
        done = self("create", *(words or ("a task",)))
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().removesuffix("\n")

    def started(self, *args: str) -> str:
        """The id of a session that runs the sample hive with these arguments."""
        session_id = self.create()
        done = self("start", "--detach", session_id, *args)
        assert done.returncode == 0, done.stderr
        return session_id

    def get(self, session_id: str) -> dict[str, Any]:
        """All about a session."""
        return dict(json.loads(self("get", session_id).stdout))

    def status(self, session_id: str) -> str:
        """The state of a session."""
        return self("status", session_id).stdout.decode().removesuffix("\n")

    def becomes(self, session_id: str, *words: str) -> str:
        """Wait until a session is in one of these states; returns which, as this door says it."""
        file = (
            self.site.session_dir(session_id) / "session.json"
        )  # each look by the door costs more
        eventually(lambda: json.loads(file.read_bytes())["status"] in words, f"one of {words}")
        word = self.status(session_id)
        assert word in words
        return word


def serve(site: Installation) -> Server:
    """A running server of ``site``, as soon as its local socket answers."""
    server = site.up(ready=False)
    door = site.state_dir / "hive.sock"
    eventually(lambda: server.process.poll() is not None or door.exists(), "the local socket")
    assert server.process.poll() is None, server.output
    return server
