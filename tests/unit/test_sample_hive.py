"""The bundled sample hive, each time run as a real process in a directory of its own."""

import fcntl
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "sample_hive.py"
LABEL = "hiveweb sample hive (not the real claude-flow)"
SUCCESS = "✓ Claude Code completed successfully"
AT_ONCE = ("--seconds", "0", "--linger", "0")


def until(condition: Callable[[], object], what: str, seconds: float = 10) -> None:
    """Wait until the condition holds, or fail."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class Hive:
    """A running sample hive, its output in a file as the recorder would have it."""

    def __init__(self, directory: Path, *words: str | bytes, **environment: str) -> None:
        self.directory = directory / "work"
        self.directory.mkdir(exist_ok=True)
        self.log = directory / "hive.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SCRIPT), *words],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_bytes().decode(errors="replace")

    @property
    def plain_lines(self) -> list[str]:
        return re.sub(r"\x1b\[[0-9;]*[mK]", "", self.output).split("\n")

    @property
    def grandchild(self) -> int:
        found = re.search(r"grandchild (\d+)", self.output)
        return int(found[1]) if found else 0

    def shows(self, text: str) -> None:
        until(lambda: text in self.output, text)

    def ends(self) -> int:
        return self.process.wait(10)

    def query(self, sql: str, name: str = ".hive-mind/hive.db") -> list[tuple[Any, ...]]:
        db = sqlite3.connect(f"file:{self.directory / name}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def kill(self) -> None:
        for pid in filter(None, (-self.process.pid, self.grandchild)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)


Start = Callable[..., Hive]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start sample hives in tmp_path, and kill what is left of them afterwards."""
    started: list[Hive] = []

    def start_one(*words: str | bytes, **environment: str) -> Hive:
        started.append(Hive(tmp_path, *words, **environment))
        return started[-1]

    yield start_one
    for hive in started:
        hive.kill()


def alive(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def argv_of(hive: Hive) -> dict[str, Any]:
    """Return what --echo-args printed."""
    line = next(line for line in hive.output.split("\n") if line.startswith('{"argv"'))
    found: dict[str, Any] = json.loads(line)
    return found


def test_says_that_it_is_a_sample(start: Start) -> None:
    # when a run and a call for help end
    run = start("task", *AT_ONCE)
    assert run.ends() == 0
    first_line = run.plain_lines[0]
    text = start("--help")
    assert text.ends() == 0
    # then each says so in its first line, and the help has an example for each option
    assert first_line == LABEL
    assert "SAMPLE, not the real claude-flow" in text.plain_lines[0]
    for option in re.findall(r"^  (--[a-z-]+)", text.output, re.MULTILINE):
        assert text.output.count(option) > 1, option


def test_looks_like_the_real_one(start: Start) -> None:
    # when it works for a moment
    hive = start("Build 🏗️ it", "--seconds", "0.4", "--linger", "0")
    assert hive.ends() == 0
    # then there are colours, a spinner, the swarm's id and objective, and the outcome last
    assert "\x1b[36m" in hive.output
    assert re.search(r"\r\x1b\[K\x1b\[36m[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", hive.output)
    assert re.search(r"^Swarm ID: swarm-\d{13}-[0-9a-z]{9}$", "\n".join(hive.plain_lines), re.M)
    assert "Objective: Build 🏗️ it" in hive.plain_lines
    assert hive.plain_lines[-2:] == [SUCCESS, ""]


def test_writes_the_databases_of_the_real_one(start: Start) -> None:
    # given a run that lingers after its work, with what callers append
    words = ("--seconds", "0", "--queen-type", "tactical", "--max-workers", "8", "--unknown", "x")
    hive = start("Build it", *words)
    # when it has printed its outcome
    hive.shows(SUCCESS)
    # then the databases can be read while it is alive, and tell how it went
    assert hive.query("PRAGMA journal_mode") == [("wal",)]
    swarm = "SELECT objective, status, queen_type FROM swarms WHERE id LIKE 'swarm-%'"
    assert hive.query(swarm) == [("Build it", "completed", "tactical")]
    assert hive.query("SELECT created_at > '2020' AND name > '' FROM swarms") == [(1,)]
    agents = "SELECT role, status, count(*) FROM agents JOIN swarms s ON s.id = swarm_id GROUP BY 1"
    assert hive.query(agents.replace("role, status", "role, agents.status")) == [
        ("queen", "completed", 1),
        ("worker", "idle", 8),
    ]
    tasks = "SELECT DISTINCT status FROM tasks JOIN agents a ON a.id = agent_id"
    assert hive.query(tasks.replace("status", "tasks.status")) == [("completed",)]
    columns = "description > '' AND priority > 0 AND completed_at >= created_at"
    assert hive.query(f"SELECT count(*) FROM tasks WHERE {columns}") == [(8,)]  # noqa: S608 - the line above
    for table in "collective_memory", "consensus_decisions", "sessions":
        assert hive.query(f"SELECT count(*) > 0 FROM {table}") == [(1,)]  # noqa: S608 - the line above
    for name in ".swarm/memory.db", ".hive-mind/memory.db":
        rows = hive.query("SELECT key, value FROM memory_entries", name)
        assert ("objective", "Build it") in rows
    for pattern in ".hive-mind/sessions/*.json", ".claude-flow/metrics/*.json":
        paths = list(hive.directory.glob(pattern))
        assert paths
        assert all(json.loads(path.read_text()) for path in paths)


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
    "task",
    [
        "--help",
        "-v",
        "--",
        "",
        "'; touch x; '",
        'say "hi"\n$(touch x) `touch x` \\ 🐝\ttab',
        "x" * 127_996 + "🐝",
        b"not \xff utf-8",
    ],
    ids=lambda task: repr(task[:12]),
)
def test_takes_any_task(start: Start, task: str | bytes) -> None:
    # when a task is given, with or without an option's look
    hive = start(task, "--echo-args", "--exit", "--seconds", "0", "--files", "0")
    # then it arrives unchanged, and executes nothing
    assert hive.ends() == 0
    assert os.fsencode(argv_of(hive)["argv"][1]) == os.fsencode(task)
    assert not (hive.directory / "x").exists()
    shown = os.fsencode(task).decode(errors="replace")
    assert f"Objective: {shown}\n" in hive.output
    assert hive.query("SELECT objective FROM swarms") == [(shown,)]


def test_echoes_its_environment(start: Start) -> None:
    # when it runs in an environment of our making
    names = {"HIVE_MIND_SESSION_ID": "abc", "HOME": "/home/dev"}
    hive = start("t", "--echo-args", *AT_ONCE, **names)
    # then it shows what it got
    assert hive.ends() == 0
    absent = {"HIVE_MIND_OUTPUT_DIR": None, "USER": None}
    assert argv_of(hive)["env"] == names | absent
    assert argv_of(hive)["cwd"] == str(hive.directory.resolve())


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


def test_refuses_a_value_that_is_no_number(start: Start) -> None:
    hive = start("task", "--lines", "many")
    assert hive.ends() == 1
    assert hive.output == "sample_hive.py: --lines needs a number, not 'many'\n"


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


def test_prints_every_line_fast(start: Start) -> None:
    # when it prints 400,000 lines as fast as it can
    count, began = 400_000, time.monotonic()
    hive = start("t", "--fast", "--lines", f"{count}", "--files", "0", "--no-db", "--exit")
    assert hive.ends() == 0
    seconds = time.monotonic() - began
    # then every one is there, in order, at more than 200,000 a second
    numbers = re.findall(r"^line (\d{6}) .*$", hive.output, re.MULTILINE)
    assert numbers == [f"{number:06d}" for number in range(1, count + 1)]
    assert count / seconds > 200_000
    assert list(hive.directory.iterdir()) == []


def test_spreads_lines_over_its_time(start: Start) -> None:
    # given a run that prints 40 lines in a second
    hive = start("task", "--lines", "40", "--seconds", "1", "--linger", "0")
    # when the tenth is there, then the last is not
    hive.shows("line 000010 ")
    assert "line 000040 " not in hive.output
    # and in the end all are, whole
    assert hive.ends() == 0
    found = [line for line in hive.output.split("\n") if line.startswith("line ")]
    assert [line[:11] for line in found] == [f"line {number:06d}" for number in range(1, 41)]


@pytest.mark.parametrize("words", [[], ["--claude-fail", "2"], ["--exit"]], ids=" ".join)
def test_prints_stream_json(start: Start, words: list[str]) -> None:
    # when it prints stream-json
    hive = start("task", "--stream-json", *words, *AT_ONCE)
    assert hive.ends() == 0
    objects = [json.loads(line) for line in hive.output.split("\n") if line.startswith("{")]
    # then there are an init, tool uses, and a tool's answer that only looks like a result
    assert (objects[0]["type"], objects[0]["subtype"]) == ("system", "init")
    blocks = [b for o in objects if "message" in o for b in o["message"]["content"]]
    assert {"text", "tool_use", "tool_result"} == {block["type"] for block in blocks}
    answers = [block["content"] for block in blocks if block["type"] == "tool_result"]
    assert json.loads(answers[0])["type"] == "result"
    # and one result at top level, unless it exits without an outcome
    results = [each for each in objects if each["type"] == "result"]
    if "--exit" in words:
        assert results == []
    else:
        assert results == objects[-1:]
        assert results[0]["is_error"] == bool(words)
        assert words or results[0]["subtype"] == "success"
        kinds = {"num_turns": int, "duration_ms": int, "total_cost_usd": float, "result": str}
        assert {key: type(results[0][key]) for key in kinds} == kinds


def test_prints_awkward_bytes(start: Start) -> None:
    hive = start("task", "--binary", "--long-line", "300000", *AT_ONCE)
    assert hive.ends() == 0
    lines = hive.log.read_bytes().split(b"\n")
    assert b"x" * 300_000 in lines
    binary = next(line for line in lines if line.startswith(b"binary"))
    with pytest.raises(UnicodeDecodeError):
        binary.decode()


def test_leaves_files(start: Start, tmp_path: Path) -> None:
    # when it may leave files in its directory and in the output directory
    output = tmp_path / "output"
    hive = start("task", "--files", "3", "--no-db", *AT_ONCE, HIVE_MIND_OUTPUT_DIR=str(output))
    assert hive.ends() == 0
    # then it leaves as many as asked for, and nothing else
    files = {str(p.relative_to(tmp_path)): p for p in tmp_path.rglob("*") if p.is_file()}
    assert set(files) == {
        "hive.log",
        "work/result-1.md",
        "work/reports/result-2.md",
        "work/result-3.md",
        "output/hive-summary.md",
    }
    assert all(LABEL in path.read_text() for path in files.values())


def test_goes_on_where_it_cannot_write(start: Start, tmp_path: Path) -> None:
    # given a directory in which the paths it needs are taken, which stops root as well
    (tmp_path / "work").mkdir()
    for name in ".hive-mind", ".swarm", "reports":
        (tmp_path / "work" / name).write_text("in the way")
    (tmp_path / "work").chmod(0o555)
    # when it runs, then it says so and comes to its end
    hive = start("task", *AT_ONCE)
    assert hive.ends() == 0
    (tmp_path / "work").chmod(0o755)
    assert "Cannot write" in hive.output
    assert hive.plain_lines[-2] == SUCCESS


def test_seed_repeats_its_figures(start: Start) -> None:
    def figures() -> set[str]:
        hive = start("task", "--seed", "42", "--stream-json", *AT_ONCE)
        assert hive.ends() == 0
        return set(re.findall(r"Swarm ID: swarm-\d+-\w+|total_cost_usd\": [\d.]+", hive.output))

    first, second = figures(), figures()
    assert {text[-9:] for text in first} == {text[-9:] for text in second}
