"""The container of docs/session-api.md without Docker: its paths, in a mount namespace."""

import functools
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import PYTHON, ROOT, Installation, Server, eventually

HERE = Path(__file__).resolve().parent
SHIMS = HERE / "shims"
DROP_IN = "/app/scripts/hive-session-manager.sh"
#: After the block, what it left in its variables; the block itself runs as it was written.
WRAPPER = """
. "$1"
code=$?
for name in UUID STATUS OUTPUT_DIR LOG_FILE; do printf '%s=%s\\n' "$name" "${!name-}"; done >"$2"
exit $code
"""


@functools.cache
def unshare() -> tuple[str, ...]:
    """The command that gives a process mounts of its own; the test fails where there is none."""
    options = ["-m"] if os.geteuid() == 0 else ["-rm"]
    try:
        tried = subprocess.run(
            ["unshare", *options, "true"], capture_output=True, timeout=20, check=False
        )
        reason = tried.stderr.decode() if tried.returncode else ""
    except OSError as error:
        reason = str(error)
    if reason:
        pytest.fail(
            "the documented commands run in a mount namespace with /app and /workspace in place, "
            f"and unshare {options[0]} does not give one here ({reason.strip()}); "
            "run the tests as root, or allow user namespaces"
        )
    return ("unshare", *options)


@dataclass
class Ran:
    """How a block went: exit code, output, and the variables it left."""

    code: int
    out: str
    err: str
    variables: dict[str, str] = field(default_factory=dict)


class Container:
    """An installation at the container's paths, and a directory on its host."""

    def __init__(self, site: Installation) -> None:
        self.site = site
        self.workspace = site.base / "workspace"
        self.logs = site.base / "logs"
        self.host = site.base / "host"
        for directory in (self.workspace, self.logs, self.host):
            directory.mkdir()
        (self.host / "workspace").symlink_to("/workspace")
        del site.env["HIVE_COMMAND"]  # the default is what the user has
        site.env.update(
            PATH=f"{SHIMS}:/usr/local/bin:/usr/bin:/bin",
            HIVE_WORKSPACE="/workspace",
            HIVE_LOG_DIR="/var/log/multi-agent",
        )

    def command(self, *words: str, cwd: str = "/") -> list[str]:
        """A command line that runs ``words`` inside."""
        layout = [str(ROOT), str(self.workspace), str(self.logs), cwd]
        return [*unshare(), str(HERE / "enter.sh"), *layout, *words]

    def run(self, *words: str, **options: Any) -> "subprocess.CompletedProcess[bytes]":
        """Run a command inside to its end."""
        defaults: dict[str, Any] = {"env": self.site.env, "capture_output": True, "timeout": 60}
        return subprocess.run(self.command(*words), **{**defaults, **options}, check=False)

    def hive(self, *words: str) -> str:
        """What the drop-in prints inside, for preparing and checking."""
        done = self.run(DROP_IN, *words)
        return done.stdout.decode().removesuffix("\n")

    def migrate(self) -> None:
        """Make the database."""
        done = self.run(PYTHON, "/app/manage.py", "migrate", "-v0")
        assert done.returncode == 0, done.stderr

    def up(self) -> Server:
        """Start the server inside and wait for its local socket."""
        output = self.site.base / "server.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                self.command(PYTHON, "/app/manage.py", "hive", "up", "--no-sample"),
                env=self.site.env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        server = Server(process, self.site.port, output)
        self.site._servers.append(server)
        door = self.site.state_dir / "hive.sock"
        eventually(lambda: door.exists() or process.poll() is not None, "the local socket")
        assert process.poll() is None, server.output
        return server

    def begin(self, block: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a block of the document as it is written, on the host's side."""
        (self.host / "block.sh").write_text(block)
        wrapped = self.command(
            "bash", "-c", WRAPPER, "bash", "./block.sh", "./variables", cwd=str(self.host)
        )
        return subprocess.Popen(
            wrapped,
            env={**self.site.env, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    def end(self, process: "subprocess.Popen[bytes]", out: bytes = b"") -> Ran:
        """Wait for a block's end; both its pipes must end with it."""
        rest, err = process.communicate(timeout=60)
        left = (self.host / "variables").read_text()
        return Ran(
            process.returncode,
            (out + rest).decode(),
            err.decode(),
            dict(line.split("=", 1) for line in left.splitlines()),
        )

    def block(self, block: str, **variables: str) -> Ran:
        """Run a block to its end."""
        return self.end(self.begin(block, **variables))


def blocks(document: Path) -> dict[str, str]:
    """The bash blocks of a Markdown file, by their heading and number under it."""
    found: dict[str, str] = {}
    heading, count = "", 0
    current: list[str] | None = None
    for line in document.read_text(encoding="utf-8").splitlines():
        if current is not None:
            if line.startswith("```"):
                count += 1
                found[f"{heading} {count}"] = "\n".join(current) + "\n"
                current = None
            else:
                current.append(line)
        elif line.startswith("```bash"):
            current = []
        elif match := re.match(r"#+ (?:\d+\. )?(.*)", line):
            heading, count = match[1], 0
    return found
