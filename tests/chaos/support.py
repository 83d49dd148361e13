"""What the tests of faults share: small disks, gated commands, looks at processes and files."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.support import Installation, Server, eventually, slack


def gated_command(begin: str = "", say: str = "echo waiting") -> str:
    """A HIVE_COMMAND that waits for the file its task names (see :func:`open_gate`).

    Args:
        begin: shell words for the start, such as ``something &``.
        say: shell words for each tenth of a second of waiting.
    """
    script = (
        f'{begin} until read -r code word < "$0"; do {say}; sleep 0.1; done 2> /dev/null; '
        '[ -z "$word" ] || printf "\\n✓ Claude Code completed successfully\\n"; exit "$code"'
    )
    return json.dumps(["/bin/sh", "-c", script, "{task}"])


def open_gate(gate: Path, code: int = 0, *, tell: bool = False) -> None:
    """End the gated command with this exit code; ``tell``: its last line says that all is well."""
    gate.write_text(f"{code} {'tell' * tell}\n")


#: "Agree with the database within 2 s", and a moment for a loaded machine to look.
AGREEMENT = 2.5


class Mounts:
    """File systems made for a test."""

    def __init__(self) -> None:
        self._made: list[Path] = []

    def tmpfs(self, path: Path, kilobytes: int) -> Path:
        """An empty file system of this size at ``path``."""
        path.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path))
        self._made.append(path)
        return path

    def bind(self, source: Path, path: Path) -> Path:
        """The directory ``source`` at a second place."""
        path.mkdir(parents=True)
        _mount("--bind", str(source), str(path))
        self._made.append(path)
        return path

    def read_only(self, path: Path, *, on: bool) -> None:
        """Remount it, as an administrator or a failing disk does."""
        _mount("-o", f"remount,{'ro' if on else 'rw'}", str(path))

    def close(self) -> None:
        """Unmount all, whoever still uses them."""
        while self._made:
            subprocess.run(["umount", "--lazy", str(self._made.pop())], check=True)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


class Filler:
    """A file that takes what is left of a file system."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "filler"

    def fill(self) -> None:
        """Leave not a byte; also what was freed since the last time."""
        with self._path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (64 * 1024, 1024, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size):
                        pass

    def free(self) -> None:
        """Give it back."""
        self._path.unlink()


def agree(site: Installation, server: Server, session_id: str) -> bool:
    """Whether session.json and index.json say what the database says."""
    row = server.request("GET", f"/api/v1/sessions/{session_id}")[1]
    index = site.workspace / ".swarm" / "sessions" / "index.json"
    try:
        stored: dict[str, Any] = json.loads(
            (site.session_dir(session_id) / "session.json").read_text()
        )
        entry = json.loads(index.read_text())["sessions"][session_id]
    except (OSError, ValueError, KeyError):
        return False
    return stored == {key: row.get(key) for key in stored} and all(
        entry[key] == row[key] for key in ("task", "status", "created", "updated")
    )


def soon_agree(site: Installation, server: Server, *session_ids: str) -> None:
    """Both projections of these sessions come up to the database within 2 s."""
    eventually(
        lambda: all(agree(site, server, session_id) for session_id in session_ids),
        "session.json and index.json to agree with the database",
        timeout=AGREEMENT * slack(),
    )


def launched(site: Installation, session_id: str, attempt: int = 1) -> dict[str, Any]:
    """The launch record of a session: its command's and its recorder's pid and start time."""
    path = site.state_dir / "runs" / session_id / f"launch-{attempt}"
    return dict(json.loads(eventually(lambda: path.exists() and path.read_text(), "its record")))


def fork_servers(server: Server) -> list[int]:
    """The children of a server that fork recorders."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "comm").read_text() == "hive-forkserver\n":
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(stat[1]) == server.process.pid:
                    found.append(int(entry.name))
    return found


def kill(*pids: int) -> None:
    """SIGKILL, and gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in pids), f"{pids} to be gone")


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
