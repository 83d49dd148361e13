"""Limits and stalls: off until set, with their evidence, on real processes."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.acting import acting, begin, post, said
from tests.integration.looking import ended, get, running
from tests.support import Installation, Server, eventually


@pytest.fixture(scope="module")
def lively(shared_site: Installation) -> Server:
    """A server whose sessions count as stalled after a second."""
    return acting(shared_site, HIVE_STALL_AFTER="1s").up()


def events(server: Server, site: Installation, session_id: str) -> list[str]:
    """What happened to a session, oldest first."""
    code = (
        "from sessions_app.models import SessionEvent as E;"
        f"print(*E.objects.filter(session_id='{session_id}').values_list('kind', flat=True))"
    )
    return site.manage("shell", "-v0", "-c", code).stdout.decode().split()


def test_nothing_limits_a_run_until_somebody_says_so(lively: Server) -> None:
    session_id = begin(lively, "sleep", "0")

    limits = get(lively, session_id)["limits"]

    assert limits == {"run_time": None, "idle_time": None, "log_size": None, "memory": None}


def test_run_time_ends_a_run_with_its_evidence(lively: Server) -> None:
    session_id = begin(lively, "count", "9999", "0.05", limits={"run_time": 1.5})

    session = ended(lively, session_id)

    assert (session["status"], session["reason"]) == ("failed", "timed_out")
    assert session["detail"].startswith("ran for ")
    assert session["detail"].endswith("its limit is 1.5 s")


def test_pauses_are_not_run_time(lively: Server) -> None:
    session_id = begin(lively, "count", "9999", "0.05", limits={"run_time": "3s"})
    running(lively, session_id)
    post(lively, session_id, "pause?wait=10")
    begun = time.monotonic()

    eventually(lambda: time.monotonic() - begun > 4, "more than its limit to pass")

    assert get(lively, session_id)["status"] == "running"
    post(lively, session_id, "resume?wait=10")
    session = ended(lively, session_id)
    assert session["reason"] == "timed_out"
    assert session["paused_seconds"] >= 4


def test_run_time_goes_on_while_no_server_runs(site: Installation) -> None:
    server = acting(site, HIVE_LIMIT_RUN_TIME="2s").up()
    session_id = begin(server, "count", "9999", "0.05")
    running(server, session_id)
    server.kill()
    begun = time.monotonic()
    eventually(lambda: time.monotonic() - begun > 2, "its limit to pass")

    server = site.up()

    session = ended(server, session_id)
    assert session["reason"] == "timed_out"


def test_an_idle_run_is_stopped_with_its_evidence(lively: Server) -> None:
    session_id = begin(lively, "say", "now I wait", "sleep", "100", limits={"idle_time": 2})

    session = ended(lively, session_id)

    assert (session["status"], session["reason"]) == ("failed", "stalled")
    assert session["detail"].startswith("no output for ")
    assert " s CPU; its limit is 2 s" in session["detail"]


def test_who_works_or_writes_is_not_idle(lively: Server) -> None:
    busy = (["burn", "5"], ["count", "50", "0.1"], ["child", '["burn", "5"]'])
    ids = [begin(lively, *acts, "sleep", "0.1", limits={"idle_time": 2}) for acts in busy]

    sessions = [ended(lively, session_id) for session_id in ids]

    assert [(s["status"], s["reason"]) for s in sessions] == [("completed", "exited")] * 3


def test_a_stall_is_shown_and_takes_itself_back(lively: Server, shared_site: Installation) -> None:
    session_id = begin(lively, "say", "one", "sleep", "4", "count", "9999", "0.05")

    stalled = eventually(lambda: get(lively, session_id)["stalled_since"], "the stall")

    assert stalled.endswith("+00:00")
    assert get(lively, session_id)["status"] == "running"
    said(shared_site, session_id, "line 000001")
    eventually(lambda: get(lively, session_id)["stalled_since"] is None, "the stall to be over")
    kinds = events(lively, shared_site, session_id)
    assert [k for k in kinds if k in ("stalled", "progressed")] == ["stalled", "progressed"]
    post(lively, session_id, "stop")


def test_a_paused_session_is_not_stalled(lively: Server) -> None:
    session_id = begin(lively, "sleep", "100", limits={"idle_time": 3})
    running(lively, session_id)
    post(lively, session_id, "pause?wait=10")
    begun = time.monotonic()

    eventually(lambda: time.monotonic() - begun > 4, "more than its limit to pass")

    session = get(lively, session_id)
    assert (session["status"], session["stalled_since"]) == ("running", None)
    post(lively, session_id, "stop")


def test_memory_of_the_whole_tree_is_limited(lively: Server) -> None:
    half = json.dumps(["grow", "80", "sleep", "100"])
    session_id = begin(
        lively, "child", half, "orphan", half, "sleep", "100", limits={"memory": "120MB"}
    )

    session = ended(lively, session_id)

    assert (session["status"], session["reason"]) == ("failed", "memory_limit")
    assert session["detail"].startswith("used 1")
    assert session["detail"].endswith("its limit is 120.0 MB")


def test_memory_that_is_enough_is_left_alone(lively: Server) -> None:
    session_id = begin(lively, "grow", "40", "sleep", "3", limits={"memory": "200MB"})

    assert ended(lively, session_id)["status"] == "completed"


def test_a_session_may_turn_a_default_off(site: Installation) -> None:
    server = acting(site, HIVE_LIMIT_RUN_TIME="1s", HIVE_LIMIT_IDLE_TIME="2m").up()

    session_id = begin(server, "sleep", "3", limits={"run_time": None, "memory": "1GB"})

    session = ended(server, session_id)
    assert session["status"] == "completed"
    assert session["limits"] == {
        "run_time": None,
        "idle_time": 120,
        "log_size": None,
        "memory": 10**9,
    }


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"speed": 1}, "there is no limit 'speed'"),
        ({"run_time": "soon"}, "run_time must be a time such as"),
        ({"run_time": -1}, "run_time must be a time such as"),
        ({"memory": "2 apples"}, "memory must be a size such as"),
        ({"log_size": "1kB"}, "log_size must be at least"),
        ({"idle_time": True}, "idle_time must be a time such as"),
    ],
)
def test_a_limit_that_cannot_be_understood_is_refused(
    lively: Server, limits: dict[str, Any], said: str
) -> None:
    status, problem = lively.request("POST", "/api/v1/sessions", {"task": "x", "limits": limits})

    assert (status, problem["code"]) == (422, "invalid")
    assert said in problem["detail"]


def blocks(path: Path) -> int:
    """Bytes that a file takes on its disk."""
    return path.stat().st_blocks * 512


def test_a_log_is_kept_within_its_limit_and_its_offsets_stand(
    lively: Server, shared_site: Installation
) -> None:
    limit, total = 256 * 1024, 4 * 1024 * 1024
    session_id = begin(
        lively,
        *("fill", str(total), "say", "all is written", "sleep", "2", "say", "the end"),
        limits={"log_size": limit},
    )

    session = ended(lively, session_id)

    assert (session["status"], session["reason"]) == ("completed", "exited")
    log = shared_site.log(session_id)
    expected = b"".join(b"%063d\n" % n for n in range(total // 64)) + b"all is written\nthe end\n"
    assert log.stat().st_size == len(expected)
    assert blocks(log) <= limit + 64 * 1024
    content, cut = log.read_bytes(), session["log_cut"]
    marker = content[: cut["from"]].rpartition(b"\nhiveweb: the log reached its limit of 262.1 kB")
    assert marker[1]
    assert marker[2].endswith(b"removed\n")
    assert content[: len(marker[0])] == expected[: len(marker[0])]
    assert content[cut["to"] :] == expected[cut["to"] :]
    assert set(content[cut["from"] : cut["to"]]) == {0}
    assert len(expected) - cut["to"] >= limit // 2
    # Whoever follows from the beginning gets what is left, and no NULs.
    followed = shared_site.script("log", "--follow", session_id).stdout
    assert followed == content[: cut["from"]] + content[cut["to"] :]
    assert (
        lively.request("GET", f"/api/v1/sessions/{session_id}/log?offset=0&limit=64")[1]
        == (expected[:64])
    )
    tail = lively.request("GET", f"/api/v1/sessions/{session_id}/log?tail=2")[1]
    assert tail == b"all is written\nthe end\n"


def test_a_stream_passes_over_what_was_removed(lively: Server, shared_site: Installation) -> None:
    session_id = begin(lively, "fill", "2097152", limits={"log_size": "128KiB"})
    session = ended(lively, session_id)

    status, stream = lively.request("GET", f"/api/v1/sessions/{session_id}/log/stream")

    assert status == 200
    data = [
        json.loads(line.removeprefix(b"data: "))
        for line in stream.splitlines()
        if line.startswith(b"data: ") and b'"text"' in line
    ]
    text = "".join(piece["text"] for piece in data).encode()
    content, cut = shared_site.log(session_id).read_bytes(), session["log_cut"]
    assert text == content[: cut["from"]] + content[cut["to"] :]
    assert next(p["offset"] for p in data if p["offset"] >= cut["to"]) == cut["to"]


def test_an_outcome_behind_a_cut_is_still_read(lively: Server) -> None:
    session_id = begin(
        lively,
        *("fill", "3000000", "claude", "9", "sleep", "100"),
        limits={"log_size": "128KiB"},
    )

    session = ended(lively, session_id)

    assert (session["reason"], session["exit_code"]) == ("outcome_rule", 9)
    assert session["log_cut"]


@pytest.mark.parametrize("name", ["RUN_TIME", "IDLE_TIME", "LOG_SIZE", "MEMORY"])
def test_a_setting_that_cannot_be_understood_keeps_the_server_from_starting(
    site: Installation, name: str
) -> None:
    site.env[f"HIVE_LIMIT_{name}"] = "plenty"

    done = site.hive("up")

    assert done.returncode != 0
    assert done.stderr.decode().startswith("hive")
    assert f"HIVE_LIMIT_{name}: the limit {name.lower()} must be" in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


def test_what_is_written_to_a_deleted_log_is_output(
    lively: Server, shared_site: Installation
) -> None:
    session_id = begin(lively, "count", "60", "0.1", limits={"idle_time": 2})
    running(lively, session_id)

    shared_site.log(session_id).unlink()

    assert ended(lively, session_id)["status"] == "completed"


def test_a_stall_outlives_the_server(site: Installation) -> None:
    server = acting(site, HIVE_STALL_AFTER="1s").up()
    session_id = begin(server, "sleep", "100")
    since = eventually(lambda: get(server, session_id)["stalled_since"], "the stall")
    server.kill()
    server = site.up()
    begun = time.monotonic()

    eventually(lambda: time.monotonic() - begun > 3, "some looks at it")

    assert get(server, session_id)["stalled_since"] == since
    assert "progressed" not in events(server, site, session_id)
