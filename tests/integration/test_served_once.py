"""A state directory, a database and a workspace each have one spawner; a second one says so."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_app.launchers import records
from sessions_app.spawner import locks
from tests.integration.looking import ended
from tests.integration.test_spawner import create
from tests.support import Installation, Server, eventually, installation


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Installation]:
    """A second installation, all its own until a test makes it share something."""
    with installation(tmp_path / "other") as made:
        yield made


def refused(site: Installation, *words: str) -> str:
    """The one line of a server or spawner that does not come up because of another."""
    done = site.hive(*words)
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, len(lines)) == (3, 1), done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("setting", "name", "verb"),
    [
        ("HIVE_STATE_DIR", "state directory ({site.state_dir})", "spawner"),
        ("DATABASE_URL", "database ({site.database})", "up"),
        ("DATABASE_URL", "database ({site.database})", "spawner"),
        ("HIVE_WORKSPACE", "workspace ({site.workspace})", "up"),
    ],
)
def test_the_second_says_what_is_shared_and_who_has_it(
    shared_site: Installation,
    shared_server: Server,
    other: Installation,
    setting: str,
    name: str,
    verb: str,
) -> None:
    values = {**shared_site.env, "DATABASE_URL": f"sqlite:///{shared_site.database}"}
    other.env[setting] = values[setting]

    line = refused(other, verb)

    assert f"uses this {name.format(site=shared_site)}" in line
    assert f"another server (process {shared_server.process.pid}, HIVE_STATE_DIR" in line
    assert str(shared_site.state_dir) in line
    assert f"give this one a {setting} of its own" in line
    session_id = create(shared_server, "x", "--exit", "--seconds", "0")
    assert ended(shared_server, session_id)["status"] == "completed"


def test_a_second_server_with_the_same_port_is_told_of_the_first(
    shared_site: Installation, shared_server: Server
) -> None:
    assert f"process {shared_server.process.pid}" in refused(shared_site, "up")


def test_a_name_of_its_own_does_not_make_it_another_database(
    shared_site: Installation, shared_server: Server, other: Installation, tmp_path: Path
) -> None:
    link = tmp_path / "link.sqlite3"
    link.symlink_to(shared_site.database)
    other.env["DATABASE_URL"] = f"sqlite:///{link}"

    assert str(shared_server.process.pid) in refused(other, "up")


def test_a_killed_server_leaves_nothing_locked(site: Installation) -> None:
    site.up().kill()

    site.up()


def test_a_hired_spawner_with_other_records_is_not_sent_away(
    site: Installation, other: Installation
) -> None:
    site.migrate()
    session_id = site.hive("create", "a task").stdout.decode().strip()
    assert site.hive("start", "--detach", session_id, "--hang").returncode == 0
    eventually(lambda: site.processes(session_id), "the command")
    other.env["DATABASE_URL"] = f"sqlite:///{site.database}"

    line = refused(other, "up")

    assert "another hired" in line
    assert site.processes(session_id)


def test_who_shares_only_the_workspace_is_told_why_nothing_starts(
    shared_site: Installation, shared_server: Server, other: Installation
) -> None:
    other.env["HIVE_WORKSPACE"] = str(shared_site.workspace)
    other.migrate()
    session_id = other.hive("create", "a task").stdout.decode().strip()

    other.hive("start", "--detach", session_id)

    log = other.state_dir / "spawner.log"
    eventually(lambda: "uses this workspace" in log.read_text(), "its spawner to say so")
    assert other.hive("status", session_id).stdout == b"starting\n"


def test_a_note_that_names_a_stranger_sends_it_no_signal() -> None:
    stranger = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    try:
        started, namespace = records.start_time(stranger), records.pid_namespace()
        itself = f"{stranger} hired {started} {namespace} host /state"
        # what a dead spawner or one of another container wrote, the pid now being a stranger's
        for note in (
            itself.replace(f" {started} ", " 1 "),
            itself.replace(namespace, "pid:[1]"),
            f"{stranger} hired",
        ):
            locks.Holder.read(note).ask_to_leave()
            assert os.waitpid(stranger, os.WNOHANG) == (0, 0), note
        locks.Holder.read(itself).ask_to_leave()
        assert os.waitpid(stranger, 0)[1] == signal.SIGTERM
    except BaseException:
        os.kill(stranger, signal.SIGKILL)
        raise
