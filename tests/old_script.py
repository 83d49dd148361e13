"""A workspace as the shell script left it: its files, byte for byte as it wrote them."""

import json
import uuid
from pathlib import Path
from typing import Any

CREATED, UPDATED = "2025-10-05T19:45:00+00:00", "2025-10-05T19:46:30+00:00"
LOGS = "/var/log/multi-agent"
#: What the script's registry is called once it was taken over.
KEPT = "index.json.before-hiveweb"


class OldScript:
    """What ``init`` and ``create`` of the script made, and what ``start`` made of it."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.sessions = workspace / ".swarm" / "sessions"
        self.index_file = self.sessions / "index.json"
        self.index: dict[str, Any] = {"sessions": {}, "created": "2025-10-05T18:00:00+00:00"}
        self.sessions.mkdir(parents=True)
        self.write_index()

    def write_index(self) -> None:
        """The registry, as jq prints it."""
        self.index_file.write_text(json.dumps(self.index, indent=2) + "\n")

    def create(
        self,
        task: str = "Build a Rust CLI tool",
        status: str = "created",
        *,
        session_id: str = "",
        priority: str = "medium",
        metadata: str = "null",
        registered: bool = True,
    ) -> str:
        """A session; the task and the metadata stand in its file as they are."""
        session_id = session_id or str(uuid.uuid4())
        directory = self.sessions / session_id
        output = self.workspace / "ext" / "hive-sessions" / session_id
        (directory / ".swarm").mkdir(parents=True)
        output.mkdir(parents=True)
        (directory / "output").symlink_to(output)
        (directory / "session.json").write_text(
            "{\n"
            f'  "session_id": "{session_id}",\n'
            f'  "task": "{task}",\n'
            f'  "priority": "{priority}",\n'
            f'  "created": "{CREATED}",\n'
            f'  "updated": "{UPDATED}",\n'
            f'  "status": "{status}",\n'
            f'  "working_dir": "{directory}",\n'
            f'  "output_dir": "{output}",\n'
            f'  "database": "{directory}/.swarm/memory.db",\n'
            f'  "log_file": "{LOGS}/hive-{session_id}.log",\n'
            f'  "metadata": {metadata}\n'
            "}\n"
        )
        if registered:
            self.register(session_id, task=task, status=status)
        return session_id

    def register(self, session_id: str, **entry: str) -> None:
        """An entry of the registry; the script gives new ones no ``updated``."""
        directory = str(self.sessions / session_id)
        self.index["sessions"][session_id] = {"created": CREATED, "dir": directory, **entry}
        self.write_index()
