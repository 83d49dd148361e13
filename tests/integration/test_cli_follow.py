"""Following a session: every byte once, the right exit code, and nobody is held up."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli import DROP_IN, MANAGE, Door, serve
from tests.support import Installation, eventually, installation


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a server."""
    with installation(tmp_path_factory.mktemp("follow") / "site") as made:
        serve(made)
        yield made


@pytest.fixture
def hive(site: Installation) -> Door:
    """The drop-in of ``site``."""
    return Door(site, DROP_IN)


def first_line(follower: "subprocess.Popen[bytes]") -> bytes:
    """The first line of a follower's output: it follows."""
    assert follower.stdout is not None
    return follower.stdout.readline()


def test_it_prints_what_comes_as_it_comes(hive: Door, site: Installation) -> None:
    # given a session that prints its first lines and then goes on
    session_id = hive.create()
    follower = hive.begin("start", session_id, "--hang")

    # then these lines arrive while it runs
    first = first_line(follower)
    assert first.startswith(b"\x1b[")
    assert hive.status(session_id) == "running"

    # and with its end the rest, so that all is there once
    assert hive("stop", session_id).returncode == 0
    rest, err = follower.communicate(timeout=20)
    assert first + rest == site.log(session_id).read_bytes()
    assert err == b""


def test_bytes_are_passed_on_as_they_are(hive: Door, site: Installation) -> None:
    session_id = hive.create()

    done = hive(
        "start", session_id, "--exit", "--binary", "--long-line", "300000", "--seconds", "0"
    )

    assert b"\xff\xfe" in done.stdout
    assert done.stdout == site.log(session_id).read_bytes()


def test_a_large_log_is_complete_for_two_who_follow_it(hive: Door, site: Installation) -> None:
    # when two follow a session that prints 3 MB at once, one of them after its end
    session_id = hive.create()
    done = hive("start", session_id, "--exit", "--fast", "--lines", "100000")
    again = hive("log", "--follow", session_id)

    # then both have every byte of it
    log = site.log(session_id).read_bytes()
    assert len(log) > 3_000_000
    assert done.stdout == log
    assert again.stdout == log


def test_a_signal_that_ends_the_command_is_told_as_a_shell_does(
    hive: Door, site: Installation
) -> None:
    session_id = hive.create()
    follower = hive.begin("start", session_id, "--hang")
    first_line(follower)

    pids = [pid for pid, line in site.processes(session_id).items() if "sample_hive" in line]
    os.kill(min(pids), signal.SIGKILL)

    follower.communicate(timeout=20)
    assert follower.returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_interrupting_a_follower_leaves_the_session_alone(
    hive: Door, number: signal.Signals, code: int
) -> None:
    # given a session that was started by a follower, as from a terminal
    session_id = hive.create()
    follower = hive.begin("start", session_id, "--hang", start_new_session=True)
    first_line(follower)
    hive.becomes(session_id, "running")

    # when the follower's whole process group is interrupted
    os.killpg(follower.pid, number)
    _, err = follower.communicate(timeout=20)

    # then it is gone without a word, and the session goes on
    assert (follower.returncode, err) == (code, b"")
    assert hive.status(session_id) == "running"
    assert hive("stop", session_id).returncode == 0


def test_a_reader_that_leaves_ends_the_follower_and_not_the_session(hive: Door) -> None:
    session_id = hive.create()
    follower = hive.begin("start", session_id, "--hang")
    first_line(follower)
    hive.becomes(session_id, "running")
    assert follower.stdout is not None
    assert follower.stderr is not None

    follower.stdout.close()

    with follower.stderr:
        assert follower.stderr.read() == b""
    assert follower.wait(timeout=20) == 141
    assert hive.status(session_id) == "running"
    assert hive("stop", session_id).returncode == 0


def test_output_that_nobody_reads_holds_up_neither_session_nor_follower(
    hive: Door, site: Installation, tmp_path: Path
) -> None:
    # given a stdout that is open and never read, as docker exec -d leaves it
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    unread = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
    session_id = hive.create()

    # when a session prints more than fits into it
    follower = hive.begin(
        "start", session_id, "--fail", "9", "--fast", "--lines", "20000", stdout=unread
    )
    hive.becomes(session_id, "failed")

    # then all of it is in the log, and the follower ends by itself with the exit code
    follower.communicate(timeout=20)
    assert follower.returncode == 9
    assert site.log(session_id).stat().st_size > 500_000
    os.close(unread)


def test_a_slow_reader_gets_every_byte(hive: Door, site: Installation) -> None:
    session_id = hive.started("--exit", "--fast", "--lines", "30000")
    hive.becomes(session_id, "completed")

    # when a reader takes little at a time from a pipe that is always full
    follower = hive.begin("log", "--follow", session_id)
    assert follower.stdout is not None
    read = b""
    while chunk := follower.stdout.read(10_007):
        read += chunk
    follower.communicate(timeout=20)

    assert read == site.log(session_id).read_bytes()
    assert follower.returncode == 0


def test_log_follow_of_a_failed_session_ends_well(hive: Door, site: Installation) -> None:
    session_id = hive.started("--fail", "3", "--seconds", "0")
    hive.becomes(session_id, "failed")

    done = hive("log", "--follow", session_id)

    assert (done.returncode, done.stdout) == (0, site.log(session_id).read_bytes())


def test_two_starts_at_once_run_once_and_both_follow(hive: Door) -> None:
    session_id = hive.create()

    followers = [hive.begin("start", session_id, "--fail", "5", "--seconds", "0.2") for _ in "ab"]
    outputs = [follower.communicate(timeout=30)[0] for follower in followers]

    assert [follower.returncode for follower in followers] == [5, 5]
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"Swarm ID:") == 1


def test_a_session_that_is_removed_ends_its_followers(hive: Door, site: Installation) -> None:
    # given someone who follows a session that has not been started
    session_id = hive.create()
    site.log(session_id).write_bytes(b"a line\n")
    follower = hive.begin("log", "--follow", session_id)
    assert first_line(follower) == b"a line\n"

    # when it is stopped and removed before the follower looks again
    stat = Path(f"/proc/{follower.pid}/stat")
    eventually(lambda: ") S " in stat.read_text(), "the follower to have looked and to wait")
    follower.send_signal(signal.SIGSTOP)
    assert hive("stop", session_id).returncode == 0
    assert hive("cleanup", "0").returncode == 0
    follower.send_signal(signal.SIGCONT)

    # then the follower has the log to its end, and says what it cannot know
    out, err = follower.communicate(timeout=20)
    assert out == b"hiveweb: stopped before it ran\n"
    assert err == b"hive: the session was removed while it was followed\n"
    assert follower.returncode == 1


def test_a_follower_of_manage_py_is_a_small_process_without_django(site: Installation) -> None:
    # given a session started through manage.py
    door = Door(site, MANAGE)
    session_id = door.create()
    follower = door.begin("start", session_id, "--hang")
    first_line(follower)

    # then what waits for it takes a fraction of what Django takes (45 MB)
    status = Path(f"/proc/{follower.pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    assert int(resident.split()[1]) < 20_000, resident
    assert door("stop", session_id).returncode == 0
    follower.communicate(timeout=20)


def test_a_session_ends_though_its_server_was_killed(tmp_path: Path) -> None:
    # given a session that runs under a server, with a follower
    with installation(tmp_path / "site") as site:
        server = serve(site)
        door = Door(site, DROP_IN)
        session_id = door.create()
        follower = door.begin("start", session_id, "--seconds", "1", "--fail", "6")
        first = first_line(follower)

        # when the server is killed and does not come back
        server.kill()

        # then the follower finds somebody else to see to it, and reports the true end
        rest, err = follower.communicate(timeout=40)
        assert (follower.returncode, err) == (6, b"")
        assert first + rest == site.log(session_id).read_bytes()
        assert door.get(session_id)["exit_code"] == 6
        eventually(lambda: not site.processes(), "everything to leave")
