"""SIGKILL of the recorder, the command, both, the fork server, and all of ours at once."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.support import (
    alive,
    fork_servers,
    gated_command,
    kill,
    launched,
    open_gate,
    soon_agree,
)
from tests.integration.looking import ended, get, running
from tests.integration.test_spawner import create
from tests.support import Installation, Server, eventually, installation

#: Leaves a grandchild in a session of its own.
FAMILY = gated_command(begin="setsid sh -c 'while sleep 0.1; do :; done' &")


@pytest.fixture(scope="module")
def family_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose sessions are families of processes."""
    with installation(tmp_path_factory.mktemp("family") / "site", HIVE_COMMAND=FAMILY) as made:
        yield made


@pytest.fixture(scope="module")
def family(family_site: Installation) -> Server:
    """Its server; none of the tests here may disturb it."""
    return family_site.up()


@pytest.fixture
def session(family_site: Installation, family: Server, gate: Path) -> str:
    """A session with its whole family."""
    session_id = create(family, str(gate))
    running(family, session_id)
    eventually(lambda: len(family_site.processes(session_id)) >= 4, "the whole family")
    return session_id


def recorder(site: Installation, session_id: str) -> int:
    """The session's recorder."""
    return int(launched(site, session_id)["recorder_pid"])


def command(site: Installation, session_id: str) -> int:
    """The session's command itself."""
    return int(launched(site, session_id)["pid"])


def ends_as(site: Installation, server: Server, session_id: str, status: str, reason: str) -> None:
    """The session ends so, leaves no process, and everybody knows."""
    session = ended(server, session_id)
    assert (session["status"], session["reason"]) == (status, reason)
    assert site.processes(session_id) == {}
    eventually(lambda: not alive(recorder(site, session_id)), "the recorder to leave")
    soon_agree(site, server, session_id)
    assert "Traceback" not in server.output


@pytest.mark.parametrize("tells", [True, False])
def test_without_its_recorder_a_run_goes_on_until_its_end(
    family_site: Installation, family: Server, session: str, gate: Path, tells: bool
) -> None:
    kill(recorder(family_site, session))

    log = family_site.log(session)
    size = log.stat().st_size
    eventually(lambda: log.stat().st_size > size, "output to go on")
    assert get(family, session)["status"] == "running"
    assert alive(command(family_site, session))
    open_gate(gate, tell=tells)
    outcome = ("completed", "outcome_rule") if tells else ("failed", "lost")
    ends_as(family_site, family, session, *outcome)


def test_without_its_recorder_a_run_can_be_stopped(
    family_site: Installation, family: Server, session: str
) -> None:
    kill(recorder(family_site, session))

    family.request("POST", f"/api/v1/sessions/{session}/stop")

    ends_as(family_site, family, session, "failed", "stopped")


def test_a_killed_command_takes_its_tree_with_it(
    family_site: Installation, family: Server, session: str
) -> None:
    kill(command(family_site, session))

    ends_as(family_site, family, session, "failed", "exited")
    assert get(family, session)["exit_signal"] == 9


@pytest.mark.parametrize("first", ["recorder", "command"])
def test_both_killed_is_a_run_that_has_ended(
    family_site: Installation, family: Server, session: str, first: str
) -> None:
    pids = [recorder(family_site, session), command(family_site, session)]

    kill(*(pids if first == "recorder" else reversed(pids)))

    # killed after the command, the recorder may have written down how that ended
    how = ended(family, session)["reason"]
    assert how == "lost" or (first == "command" and how == "exited")
    ends_as(family_site, family, session, "failed", how)


def test_a_killed_fork_server_is_replaced(
    family_site: Installation, family: Server, session: str, gate: Path
) -> None:
    [forks] = fork_servers(family)
    kill(forks)

    second = create(family, str(gate))

    running(family, second)
    assert fork_servers(family) != [forks]
    open_gate(gate, 4)
    for session_id in (session, second):
        ends_as(family_site, family, session_id, "failed", "exited")
        assert get(family, session_id)["exit_code"] == 4


def test_a_launch_that_waits_in_a_killed_fork_server_is_made_once(
    family_site: Installation, family: Server, session: str, gate: Path
) -> None:
    [forks] = fork_servers(family)
    os.kill(forks, signal.SIGSTOP)
    second = create(family, str(gate))
    eventually((family_site.state_dir / "runs" / second).exists, "its launch")

    kill(forks)

    running(family, second)
    assert launched(family_site, second)["abandoned"]
    assert launched(family_site, second, attempt=2)["pid"]
    open_gate(gate)
    for session_id in (session, second):
        assert ended(family, session_id)["status"] == "completed"


def test_all_of_ours_killed(site: Installation, tmp_path: Path) -> None:
    # given sessions with families, and everything of ours killed: only the families live on
    site.env["HIVE_COMMAND"] = FAMILY
    expected = {
        "goes on": ("failed", "stopped"),
        "ends": ("failed", "lost"),
        "ends and tells": ("completed", "outcome_rule"),
    }
    server = site.up()
    sessions = {kind: create(server, str(tmp_path / kind)) for kind in expected}
    for session_id in sessions.values():
        running(server, session_id)
    pids = {kind: command(site, session_id) for kind, session_id in sessions.items()}
    forks = fork_servers(server)
    server.kill()
    kill(*forks, *(recorder(site, session_id) for session_id in sessions.values()))
    assert all(alive(pid) for pid in pids.values())
    open_gate(tmp_path / "ends")
    open_gate(tmp_path / "ends and tells", tell=True)
    eventually(lambda: not (alive(pids["ends"]) or alive(pids["ends and tells"])), "them to end")

    # when the next server comes, then each run is in hand as far as anybody can know
    server = site.up()

    assert get(server, sessions["goes on"])["status"] == "running"
    assert alive(pids["goes on"])
    server.request("POST", f"/api/v1/sessions/{sessions['goes on']}/stop")
    for kind, session_id in sessions.items():
        ends_as(site, server, session_id, *expected[kind])
