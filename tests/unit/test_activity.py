"""Following a log: figures over its life, whatever restarts, limits and loads it sees."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from sessions_app.conf import Conf
from sessions_app.masking import Known
from sessions_app.secret import Secret
from sessions_app.spawner import log_cap
from sessions_app.telemetry import activity, log_figures, summary
from tests.unit.activity_logs import PLAIN, RESULT, TALK, Run, call, lines, made, said
from tests.unit.sessions import session


@pytest.fixture
def run(conf: Conf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with an empty log; a look has time, however much else this machine does."""
    monkeypatch.setattr(activity, "LOOK_SECONDS", 10.0)
    return Run(tmp_path)


def test_a_plain_log_tells_lines_errors_the_swarm_and_the_last_line(run: Run) -> None:
    known = run.write(PLAIN)

    assert (known["lines"], known["bytes"]) == (9, len(PLAIN.encode()))
    assert [error["text"] for error in known["errors"]] == [
        "🐝 tester 4: failed",
        "error[E0308]: mismatched types",
        "✗ Claude Code exited with code 3",
    ]
    assert (known["error_lines"], [e["line"] for e in known["errors"]]) == (3, [5, 7, 8])
    for error in known["errors"]:
        assert PLAIN.encode()[error["offset"] :].startswith(
            (b"\x1b[K\x1b[31m\xf0\x9f\x90\x9d", b"error[", b"\x1b[31m\xe2\x9c\x97")
        )
    assert known["last_line"] == "✗ Claude Code exited with code 3"
    assert run.follower.swarm_id == "swarm-1764000000000-ab12cd34e"
    assert known["complete"] is True
    assert (known["turns"], known["cost_usd"], known["current"]) == (None, None, None)
    assert set(known["tokens"].values()) == {None}


def test_a_swarm_in_the_task_is_not_the_runs_own(run: Run) -> None:
    run.echoes = ["look at this:\nSwarm ID: swarm-1-other"]
    run.begin()

    run.write("  Swarm ID: swarm-1-other\nSwarm ID: none\nSwarm ID: swarm-2-own; and more\n")
    assert run.follower.swarm_id == ""
    run.write("Swarm ID: swarm-3-own\nSwarm ID: swarm-4-later\n")

    assert run.follower.swarm_id == "swarm-3-own"


def test_a_line_that_is_being_drawn_is_the_last_line(run: Run) -> None:
    run.write("begin\n\r\x1b[K⠋ Working 10%")

    known = run.write("\r\x1b[K⠙ Working 20%")

    assert (known["lines"], known["last_line"]) == (1, "⠙ Working 20%")
    assert run.write("\r\x1b[K")["last_line"] == "begin"


def test_rates_are_those_of_the_last_looks_and_go_down_to_nothing(run: Run) -> None:
    assert run.write("")["lines_per_second"] is None

    assert run.write("0123456789\n" * 50)["lines_per_second"] == 10
    assert run.look()["bytes_per_second"] == 55
    for _ in range(activity.SMOOTHED):
        known = run.look()
    assert (known["lines_per_second"], known["bytes_per_second"]) == (0, 0)
    before = (run.directory / activity.FILE).stat().st_mtime_ns
    run.look()
    assert (run.directory / activity.FILE).stat().st_mtime_ns == before


def test_long_lines_are_counted_and_passed_over_but_a_long_result_is_read(run: Run) -> None:
    known = run.write("error: " + "x" * log_figures.MAX_LINE)
    known = run.write(" and more\nerror: short\n")
    assert (known["lines"], known["error_lines"], known["complete"]) == (2, 1, True)

    known = run.write(lines({**RESULT, "result": "y" * 500_000})[:400_000])
    assert known["result"] is None
    known = run.write(lines({**RESULT, "result": "y" * 500_000})[400_000:])
    assert known["result"]["text"] == "y" * 2000
    known = run.write(lines({**RESULT, "is_error": True, "result": "y" * 2_000_000}) + "end\n")
    assert (known["result"]["is_error"], known["last_line"], known["lines"]) == (False, "end", 5)


def test_a_restart_counts_nothing_twice(run: Run) -> None:
    text = (PLAIN + lines(*TALK, RESULT)).encode()
    cut = text.index(b"cargo test")  # in the middle of a line

    run.write(text[:cut])
    begun = text.rindex(b"\n", 0, cut) + 1
    assert run.begin().offset == begun
    known = run.write(text[cut:])

    whole = Run(made(run.log.parent / "other")).write(text)
    for name in ("last_output", "lines_per_second", "bytes_per_second"):
        known.pop(name), whole.pop(name)
    assert known == whole
    assert run.follower.swarm_id == "swarm-1764000000000-ab12cd34e"


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"version": 1, "activity": {}}', "\0" * 50])
def test_a_broken_file_begins_anew(run: Run, content: str) -> None:
    run.write(PLAIN)
    (run.directory / activity.FILE).write_text(content)
    assert activity.read(run.directory) == {}

    run.begin()

    assert run.look()["error_lines"] == 3


def test_a_log_that_outruns_its_follower_is_gone_on_with_near_its_end(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "LAG", 1_000_000)
    monkeypatch.setattr(activity, "LOOK_SECONDS", 0.0)
    block = lines(said("m", 1, call("t", "Bash", command="x"))) * 20_000

    known = run.write(block + "error: the last\n")

    assert known["complete"] is False
    assert known["lines"] == 20_001
    assert known["errors"][-1]["text"] == "error: the last"
    assert known["errors"][-1]["line"] == 20_001
    assert known["bytes"] == run.follower.offset == run.log.stat().st_size


def test_a_look_ends_in_time_and_the_next_one_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "LOOK_SECONDS", 0.0)

    first = run.write("error: one line of many\n" * 50_000)
    assert 0 < first["lines"] < 50_000
    while run.follower.offset < run.log.stat().st_size:
        known = run.look()

    assert (known["error_lines"], known["complete"]) == (50_000, True)


def test_what_a_limit_has_removed_is_passed_over(run: Run) -> None:
    run.write("error: first\n" * 1000)
    with run.log.open("ab") as file:
        file.write(b"x" * 99 + b"\n")
        file.write(b"error: second\n" * 100_000)
    size = run.log.stat().st_size
    assert log_cap.cap(str(run.log), 400_000, size) is not None

    while run.follower.offset < size:
        known = run.look()

    assert known["complete"] is False
    assert 1000 < known["error_lines"] < 100_000
    assert known["errors"][-1]["text"] == "error: second"


def test_a_hole_in_the_middle_of_a_line_is_passed_over(run: Run) -> None:
    with run.log.open("wb") as file:
        file.write(b"error: one\nerror: a line that is cut")
        file.seek(1_000_000)
        file.write(b"its end\nerror: two\n")

    known = run.look()

    assert [error["text"] for error in known["errors"]] == ["error: one", "error: two"]
    assert (known["complete"], run.look()["last_line"]) == (False, "error: two")


def test_a_log_that_is_gone_or_emptied_or_no_file_is_borne(run: Run, tmp_path: Path) -> None:
    run.write("error: one\n" * 3)
    run.log.write_bytes(b"")
    assert run.look()["complete"] is False
    known = run.write("error: two\n")
    assert (known["lines"], known["bytes"], known["error_lines"]) == (1, 11, 4)
    assert known["errors"] == [{"offset": 0, "line": 1, "text": "error: two"}]
    run.log.unlink()
    assert run.look()["error_lines"] == 4
    os.mkfifo(run.log)
    assert run.look()["error_lines"] == 4

    known = run.follower.finish()

    assert known["error_lines"] == 4


def test_a_run_directory_that_is_gone_is_borne(run: Run) -> None:
    run.directory.rmdir()

    run.write(PLAIN)

    assert run.follower.finish()["error_lines"] == 3
    assert activity.read(run.directory) == {}


def test_the_end_takes_the_last_line_and_keeps_less(run: Run) -> None:
    run.write("error: x\n" * 30 + lines(*TALK))
    with run.log.open("ab") as file:
        file.write(lines({**RESULT, "result": "z" * 3000}).encode() + b"fatal: no newline")

    kept = run.follower.finish()

    assert (kept["lines"], kept["error_lines"], kept["turns"]) == (38, 32, 7)
    assert len(kept["errors"]) == activity.KEPT_ERRORS
    assert kept["errors"][-1]["text"] == kept["last_line"] == "fatal: no newline"
    assert len(kept["result"]["text"]) == activity.KEPT_TEXT
    assert (kept["current"], kept["lines_per_second"]) == (None, None)
    assert len(json.dumps(kept)) < 4000
    assert run.begin().finish()["lines"] == 38


def test_an_end_without_time_reads_the_result_all_the_same(run: Run) -> None:
    block = lines(said("m", 1, call("t", "Bash", command="error"))) * 10_000
    with run.log.open("w") as file:
        file.write(block + lines(RESULT))

    kept = run.follower.finish(0.0)

    assert (kept["lines"], kept["complete"]) == (10_001, False)
    assert (kept["result"]["turns"], kept["cost_usd"]) == (7, 0.25)
    # one that has nothing to catch up with needs no time
    assert run.begin().finish(0.0)["lines"] == 10_001


def test_of_a_log_that_was_not_read_to_its_end_the_last_look_is_kept(run: Run) -> None:
    assert activity.last_known(run.directory) == {}
    run.write("error: x\n" * 30 + lines(*TALK))

    kept = activity.last_known(run.directory)

    assert (kept["lines"], kept["complete"], kept["current"]) == (36, False, None)
    assert len(kept["errors"]) == activity.KEPT_ERRORS
    at_end = summary.at_end(run.directory, summary.Measured(), None, 1.0)
    assert at_end["activity"] == kept


def test_the_row_is_what_is_known_of_a_session_that_has_ended(conf: Conf) -> None:
    ended = session(status="completed", measured={"activity": {"lines": 7, "current": "x"}})
    assert (activity.of(ended)["lines"], activity.of(ended)["errors"]) == (7, [])
    assert activity.of(ended)["current"] is None
    assert activity.of(session(status="running"))["lines"] is None

    directory = conf.runs_dir / str(ended.id)
    directory.mkdir(parents=True)
    log = directory / "log"
    log.write_text("error: x\n" * 3)
    activity.Follower(directory, str(log)).look(1.0)

    assert len(activity.of(ended)["errors"]) == 3
    assert activity.of(ended)["lines"] == 7


SECRET = "s3cret-value-of-a-key"


@pytest.mark.parametrize("when", ["known", "later"])
def test_secrets_are_covered_whenever_they_become_known(
    run: Run, conf: Conf, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def know() -> None:
        monkeypatch.setattr(settings, "HIVE", replace(conf, secrets=Known([Secret(SECRET)])))

    if when == "known":
        know()
    coloured = f"{SECRET[:7]}\x1b[1m{SECRET[7:]}"
    bash = call("t", "Bash", command=f"curl -H {SECRET}")
    known = run.write(f"error: {SECRET}\n" + lines(said("m", 1, bash)) + f"fatal: {coloured}\n")
    if when == "later":
        assert SECRET in str(known)
        know()
        known = activity.read(run.directory)
    else:
        assert SECRET not in (run.directory / activity.FILE).read_text()
    text = json.dumps([known, run.follower.finish()])

    assert known["error_lines"] == 2
    assert SECRET not in text
    assert SECRET[:12] not in text
    assert "****" in text
