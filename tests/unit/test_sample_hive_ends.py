"""The bundled sample hive, each time run as a real process: how it ends, and on which signals."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.unit.sample_hives import AT_ONCE, SCRIPT, SUCCESS, Start, alive, until


def test_hangs_in_the_middle_of_its_work(start: Start) -> None:
    # when it is to hang
    hive = start("task", "--hang")
    hive.shows("in_progress")
    # then its work stays half done
    states = "SELECT DISTINCT status FROM tasks ORDER BY 1"
    expected = [("completed",), ("in_progress",), ("pending",)]
    until(lambda: hive.query(states) == expected, "work half done")
    assert hive.query("SELECT status FROM swarms") == [("active",)]
    assert hive.process.poll() is None


@pytest.mark.parametrize(
    ("words", "code", "outcome"),
    [
        (["--linger", "0"], 0, SUCCESS),
        (["--linger=0"], 0, SUCCESS),
        (["--claude-fail", "3", "--linger", "0"], 0, "✗ Claude Code exited with code 3"),
        (["--exit"], 0, ""),
        (["--fail"], 1, ""),
        (["--fail", "7"], 7, ""),
        (["--fail", "--no-db"], 1, ""),
    ],
)
def test_ends_as_asked(start: Start, words: list[str], code: int, outcome: str) -> None:
    # when it comes to its end
    hive = start("task", "--seconds", "0", *words)
    # then the exit code and the outcome line are those asked for
    assert hive.ends() == code
    found = [line for line in hive.plain_lines if "Claude Code" in line]
    assert found == ([outcome] if outcome else [])
    if "--no-db" not in words:
        status = "failed" if any("fail" in word for word in words) else "completed"
        assert hive.query("SELECT status FROM swarms") == [(status,)]


@pytest.mark.parametrize("words", [[], ["--claude-fail", "2"]], ids=["success", "failure"])
def test_lingers_until_sigterm(start: Start, words: list[str]) -> None:
    # given a run that has printed its outcome
    hive = start("task", "--seconds", "0", *words)
    hive.shows("Claude Code")
    assert hive.process.poll() is None
    # when it gets SIGTERM
    began = time.monotonic()
    hive.process.terminate()
    # then it says so and ends in good order
    assert hive.ends() == 0
    assert time.monotonic() - began < 1
    assert "Received SIGTERM, cleaning up..." in hive.plain_lines
    assert hive.query("SELECT status FROM swarms") == [("stopped",)]


def test_sigterm_ends_it_at_work(start: Start) -> None:
    # given a run at work
    hive = start("task", "--seconds", "60")
    hive.shows("Working")
    # when it gets SIGTERM, then it ends without an outcome
    hive.process.terminate()
    assert hive.ends() == 0
    assert "Received SIGTERM, cleaning up..." in hive.plain_lines
    assert "Claude Code" not in hive.output


def test_sigterm_ends_it_when_nobody_reads(tmp_path: Path) -> None:
    # given a run that is stuck because its pipe is full
    words = ("task", "--fast", "--lines", "100000", "--no-db")
    process = subprocess.Popen(
        [sys.executable, SCRIPT, *words], cwd=tmp_path, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout
        pipe = process.stdout.fileno()
        size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)

        def waiting() -> int:
            return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)

        until(lambda: waiting() > size // 2, "a pipe that fills")
        # when it gets SIGTERM, then it ends all the same
        process.terminate()
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.communicate()


def test_ignores_sigterm(start: Start) -> None:
    # given a run that ignores SIGTERM
    hive = start("task", "--ignore-term", "--seconds", "0.3", "--linger", "0")
    hive.shows("Working")
    # when it gets one, then it works on to its end
    hive.process.terminate()
    assert hive.ends() == 0
    assert hive.plain_lines[-2] == SUCCESS
    assert "Received" not in hive.output


@pytest.mark.parametrize("option", ["--grandchild", "--setsid-grandchild"])
def test_leaves_a_grandchild(start: Start, option: str) -> None:
    # when a run that leaves a grandchild has ended
    hive = start("task", option, *AT_ONCE, HIVE_MIND_SESSION_ID="abc")
    assert hive.ends() == 0
    # then the grandchild lives, in the group asked for, and can be told by its environment
    assert alive(hive.grandchild)
    group = hive.process.pid if option == "--grandchild" else hive.grandchild
    assert os.getpgid(hive.grandchild) == os.getsid(hive.grandchild) == group
    environment = Path(f"/proc/{hive.grandchild}/environ").read_bytes()
    assert b"HIVE_MIND_SESSION_ID=abc" in environment.split(b"\0")
    # and it ends on SIGTERM
    os.kill(hive.grandchild, signal.SIGTERM)
    until(lambda: not alive(hive.grandchild), "the end of the grandchild")
