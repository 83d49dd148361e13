"""The bundled sample hive, each time run as a real process: what it prints and leaves."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from tests.unit.sample_hives import AT_ONCE, LABEL, SUCCESS, Start, argv_of


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


def test_refuses_a_value_that_is_no_number(start: Start) -> None:
    hive = start("task", "--lines", "many")
    assert hive.ends() == 1
    assert hive.output == "sample_hive.py: --lines needs a number, not 'many'\n"


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
