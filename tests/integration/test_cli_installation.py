"""Which installation a command line works on: from any directory, link and environment."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.cli import Completed, Door, serve
from tests.support import PYTHON, ROOT, Installation, installation

PARTS = ("manage.py", "hiveweb", "sessions_app", "scripts", "templates", "static")


class Checkout:
    """A copy of the program with an env file of its own, as one finds it on a host."""

    def __init__(self, root: Path, site: Installation) -> None:
        self.root = root
        self.site = site
        root.mkdir()
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, root / part)
            else:
                shutil.copy(ROOT / part, root / part)
        (root / ".venv").symlink_to(Path(PYTHON).parent.parent)
        settings = (f"{name}={value}" for name, value in site.env.items() if name[:5] == "HIVE_")
        lines = [line for line in settings if not line.startswith("HIVE_ENV_FILE")]
        (root / "hive.env").write_text("\n".join(lines))

    def bare(self, *command: str, cwd: str = "/") -> Completed:
        """Run a command with an empty environment, as cron does."""
        return subprocess.run(
            ["env", "-i", *command], cwd=cwd, capture_output=True, timeout=60, check=False
        )

    @property
    def script(self) -> str:
        """The drop-in's path."""
        return str(self.root / "scripts" / "hive-session-manager.sh")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A copy of the program; its server, when one runs, is that of the working tree."""
    with installation(tmp_path / "site") as site:
        yield Checkout(tmp_path / "a checkout", site)


def test_cron_cleans_what_the_server_serves(checkout: Checkout) -> None:
    # given a server, and sessions that have ended and have not
    serve(checkout.site)
    door = Door(checkout.site, [checkout.script])
    ended, waiting = door.create("old"), door.create("young")
    assert door("start", ended, "--seconds", "0", "--exit").returncode == 0

    # when cron runs its line
    line = f'cd / && env -i "{PYTHON}" "{checkout.root}/manage.py" hive cleanup 0'
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=60, check=False)

    # then what ended is gone from the server's rows and from the disk, and nothing else
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"Cleaned up 1 session (")
    assert door.status(ended) == "not_found"
    assert door.status(waiting) == "created"
    assert not checkout.site.session_dir(ended).exists()

    # and a day's age removes nothing
    day = subprocess.run(
        ["sh", "-c", line.replace("cleanup 0", "cleanup 24")],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert day.stdout == b"Cleaned up 0 sessions (0 bytes freed)\n"


@pytest.mark.parametrize("up", [True, False], ids=["server up", "server down"])
def test_the_drop_in_needs_no_environment(checkout: Checkout, tmp_path: Path, up: bool) -> None:
    # given links to the drop-in and to its directory
    if up:
        serve(checkout.site)
    else:
        checkout.site.migrate()
    link, far = tmp_path / "bin" / "hive", tmp_path / "elsewhere" / "hive"
    for path in (link, far):
        path.parent.mkdir()
    link.symlink_to(checkout.script)
    far.symlink_to("../bin/hive")
    (tmp_path / "app").symlink_to(checkout.root)

    # when it is called by each of them, from anywhere, with nothing in the environment
    created = checkout.bare(checkout.script, "create", "a task", "high", "null")
    session_id = created.stdout.decode().strip()
    assert created.returncode == 0, created.stderr
    for command, cwd in [
        (["../elsewhere/hive"], str(far.parent)),
        ([str(link)], "/"),
        (["./hive-session-manager.sh"], str(checkout.root / "scripts")),
        (["sh", "hive-session-manager.sh"], str(checkout.root / "scripts")),
        (["scripts/hive-session-manager.sh"], str(checkout.root)),
        ([str(tmp_path / "app" / "scripts" / "hive-session-manager.sh")], "/proc"),
    ]:
        done = checkout.bare(*command, "status", session_id, cwd=cwd)
        assert (done.stdout, done.stderr) == (b"created\n", b""), command

    # then it is the session of this installation
    assert checkout.site.session_dir(session_id).is_dir()
    found = json.loads(checkout.bare(checkout.script, "get", session_id).stdout)
    assert found["working_dir"] == str(checkout.site.session_dir(session_id))


def test_a_directory_that_was_removed_is_no_obstacle(checkout: Checkout, tmp_path: Path) -> None:
    checkout.site.migrate()
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = 'cd "$1" && rmdir "$1" && exec "$2" create "a task"'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", str(gone), checkout.script],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 37


@pytest.mark.parametrize("up", [True, False], ids=["server up", "server down"])
def test_settings_that_cannot_be_used_are_said_in_a_line(checkout: Checkout, up: bool) -> None:
    if up:
        serve(checkout.site)
    env = {"PATH": os.environ["PATH"], "HIVE_ENV_FILE": "/nonexistent/hive.env"}
    for command in ([checkout.script], [PYTHON, f"{checkout.root}/manage.py", "hive"]):
        done = subprocess.run(
            [*command, "list"], env=env, capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"/nonexistent/hive.env" in done.stderr
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("words", [["list"], ["create", "a task"], ["cleanup"], ["init"]])
def test_the_first_command_of_a_new_installation_simply_works(
    checkout: Checkout, words: list[str]
) -> None:
    done = checkout.bare(checkout.script, *words)
    assert done.returncode == 0, done.stderr


def test_first_commands_at_once_all_work(checkout: Checkout) -> None:
    with ThreadPoolExecutor(4) as callers:
        done = list(
            callers.map(lambda n: checkout.bare(checkout.script, "create", f"task {n}"), range(4))
        )
    assert [d.returncode for d in done] == [0] * 4, [d.stderr for d in done]
    listed = json.loads(checkout.bare(checkout.script, "list").stdout)
    assert set(listed["sessions"]) == {d.stdout.decode().strip() for d in done}


def test_manage_py_help_knows_the_command(checkout: Checkout) -> None:
    listed = checkout.bare(PYTHON, f"{checkout.root}/manage.py", "help")
    assert b"    hive\n" in listed.stdout
    helped = checkout.bare(PYTHON, f"{checkout.root}/manage.py", "help", "hive")
    assert helped.stdout == checkout.bare(checkout.script, "--help").stdout
