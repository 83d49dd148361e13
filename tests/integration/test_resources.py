"""What runs use, measured on real processes: now, over their lives, at their ends."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sessions_app.telemetry import samples
from tests.integration.acting import acting, begin
from tests.integration.looking import ended, running
from tests.support import PYTHON, TOKEN, Installation, Server, eventually

MB = 1024 * 1024
#: A child that uses the processor and that nobody waits for.
UNWAITED = """
import os, signal, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
child = os.fork()
while child == 0:
    if os.path.exists("enough"):
        os._exit(0)
while os.path.exists(f"/proc/{child}"):
    time.sleep(0.02)
open("gone", "w").close()
while not os.path.exists("end"):
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def sampled(shared_site: Installation) -> Server:
    """A server that looks every second, and masks a secret."""
    return acting(shared_site, HIVE_SAMPLE_EVERY="1s").up()


def metrics(server: Server, session_id: str, points: int = 100) -> dict[str, Any]:
    """A session's metrics."""
    path = f"/api/v1/sessions/{session_id}/metrics?points={points}"
    status, found = server.request("GET", path)
    assert status == 200, found
    return dict(found)


def now(server: Server, session_id: str) -> dict[str, Any]:
    """What it uses now; empty before the first look."""
    return metrics(server, session_id)["resources"]["now"] or {}


def measured(site: Installation, session_id: str) -> dict[str, Any]:
    """What its row keeps of it."""
    code = (
        "import json; from sessions_app.models import AgentSession as S;"
        f"print(json.dumps(S.objects.get(id='{session_id}').measured))"
    )
    return dict(json.loads(site.manage("shell", "-v0", "-c", code).stdout))


def test_processor_memory_files_and_disk_of_a_whole_tree(
    shared_site: Installation, sampled: Server, storage: Path
) -> None:
    # given a run whose child burns and holds, and whose grandchildren have written
    write = ["dd", "if=/dev/zero", "bs=1M", "count=30", "status=none"]
    here, there = [*write, "of=big"], [*write, f"of={storage / 'big'}"]
    acts = [
        "run",
        json.dumps(here),
        "run",
        json.dumps(there),
        "burn",
        "1.2",
        "grow",
        "120",
        "sleep",
        "100",
    ]
    session_id = begin(sampled, "child", json.dumps(acts), "sleep", "100")

    # then all of it is seen while it runs
    found = eventually(
        lambda: (
            (n := now(sampled, session_id))
            and n["memory_bytes"] >= 120 * MB
            and (n["disk"]["working_dir"] or 0) >= 30 * MB
            and (n["written_bytes"] or 0) >= 30 * MB
            and n
        ),
        "all to be seen",
    )
    assert 1.2 <= found["cpu_seconds"] < 6
    assert 120 * MB <= found["memory_bytes"] < 200 * MB
    assert found["memory_kind"] == "pss"
    assert (found["processes"], found["threads"]) == (2, 2)
    assert found["open_files"] >= 6
    assert found["disk"]["log"] == shared_site.log(session_id).stat().st_size > 0

    # and at the end it is summed up in the row, which is what callers get from then on
    sampled.request("POST", f"/api/v1/sessions/{session_id}/stop?wait=20")
    ended(sampled, session_id)
    resources = metrics(sampled, session_id)["resources"]
    kept = measured(shared_site, session_id)
    assert kept["resources"] == {"peak": resources["peak"], "total": resources["total"]}
    assert resources["now"] is None
    assert resources["peak"]["memory_bytes"] >= 120 * MB
    assert resources["peak"]["cpu_percent"] > 5
    assert resources["peak"]["processes"] >= 2
    assert resources["peak"]["disk_bytes"] >= 30 * MB
    assert resources["total"]["cpu_seconds"] >= 1.2
    assert resources["total"]["written_bytes"] >= 30 * MB
    assert resources["total"]["run_seconds"] > 1.2
    series = resources["series"]
    assert len(series["at"]) >= 2
    assert max(series["memory_bytes"]) >= 120 * MB
    assert {len(values) for name, values in series.items() if name != "step"} == {len(series["at"])}


def test_what_nobody_waited_for_still_counts_also_across_a_restart(site: Installation) -> None:
    # given a child that has burned and gone without anybody waiting for it
    command = [PYTHON, "-c", UNWAITED, "{task}"]
    site.env.update(HIVE_COMMAND=json.dumps(command), HIVE_SAMPLE_EVERY="1s")
    server = site.up()
    body = {"task": "burn", "start": True}
    session_id = str(server.request("POST", "/api/v1/sessions", body)[1]["session_id"])
    eventually(lambda: now(server, session_id).get("cpu_seconds", 0) >= 0.4, "it to burn")
    place = site.session_dir(session_id)
    before = now(server, session_id)["cpu_seconds"]
    (place / "enough").touch()
    eventually((place / "gone").exists, "the child to be gone")
    eventually(lambda: now(server, session_id)["processes"] == 1, "a look at what is left")
    assert now(server, session_id)["cpu_seconds"] >= before

    # when the server is killed and another one goes on
    known = metrics(server, session_id)["resources"]
    server.kill()
    server = site.up()
    later = eventually(
        lambda: (
            (r := metrics(server, session_id)["resources"])["now"]["at"] > known["now"]["at"] and r
        ),
        "the next server to look",
    )

    # then series and totals go on, and the end has them, which the kernel's own figures have not
    assert later["series"]["at"][: len(known["series"]["at"]) - 1] == known["series"]["at"][:-1]
    assert later["now"]["cpu_seconds"] >= known["now"]["cpu_seconds"]
    assert later["peak"]["processes"] == 2
    (place / "end").touch()
    assert ended(server, session_id)["status"] == "completed"
    total = metrics(server, session_id)["resources"]["total"]["cpu_seconds"]
    assert total >= before
    [record] = (site.state_dir / "runs" / session_id).glob("exit-*")
    assert json.loads(record.read_text())["cpu_seconds"] < before


def test_a_run_shorter_than_a_look_is_measured_by_the_kernel(sampled: Server) -> None:
    session_id = begin(sampled, "child", json.dumps(["burn", "0.1"]), "grow", "50", "burn", "0.1")
    ended(sampled, session_id)

    resources = metrics(sampled, session_id)["resources"]

    assert 0.2 <= resources["total"]["cpu_seconds"] < 3
    assert resources["peak"]["memory_bytes"] >= 50 * MB
    assert resources["peak"]["disk_bytes"] > 0
    assert resources["total"]["run_seconds"] > 0.1
    assert len(resources["series"]["at"]) >= 1


def test_before_it_runs_nothing_is_known(sampled: Server) -> None:
    body = {"task": "wait"}
    session_id = str(sampled.request("POST", "/api/v1/sessions", body)[1]["session_id"])

    found = metrics(sampled, session_id)

    assert (found["status"], found["sampled_every"]) == ("created", 1.0)
    assert found["resources"]["now"] is None
    assert set(found["resources"]["peak"].values()) == {None}
    assert set(found["resources"]["total"].values()) == {None}
    assert found["resources"]["series"]["at"] == []


def test_sampling_that_is_off_does_nothing(site: Installation) -> None:
    server = acting(site, HIVE_SAMPLE_EVERY="off").up()
    session_id = begin(server, "burn", "0.1", "sleep", "100", limits={"run_time": 2})
    running(server, session_id)

    assert metrics(server, session_id)["sampled_every"] is None
    assert metrics(server, session_id)["resources"]["now"] is None
    # the watchdog works as ever
    assert ended(server, session_id)["reason"] == "timed_out"
    assert not (site.state_dir / "runs" / session_id / samples.NAME).exists()
    # what the recorder says costs nothing
    assert metrics(server, session_id)["resources"]["total"]["cpu_seconds"] >= 0.1


def test_samples_that_cannot_be_written_are_told_once_and_cost_nothing_else(
    shared_site: Installation, sampled: Server
) -> None:
    body = {"task": "act", "args": ["burn", "0.3", "sleep", "100"]}
    session_id = str(sampled.request("POST", "/api/v1/sessions", body)[1]["session_id"])
    obstacle = shared_site.state_dir / "runs" / session_id / samples.NAME
    obstacle.mkdir(parents=True)
    sampled.request("POST", f"/api/v1/sessions/{session_id}/start")
    told = f"session {session_id} cannot be sampled"
    eventually(lambda: told in sampled.output, "it to be told")

    # when it can be written again
    obstacle.rmdir()
    eventually(lambda: f"{told}: that is over" in sampled.output, "it to be over")

    # then nothing is lost, and it was said once
    assert sampled.output.count(f"{told}, trying again") == 1
    eventually(lambda: now(sampled, session_id).get("cpu_seconds", 0) >= 0.3, "its figures")
    sampled.request("POST", f"/api/v1/sessions/{session_id}/stop?wait=20")
    assert ended(sampled, session_id)["reason"] == "stopped"


def test_the_process_tree_for_people(shared_site: Installation, sampled: Server) -> None:
    session_id = begin(
        sampled,
        "child",
        json.dumps(["sleep", "100", "say", f"\x1b[2J\x07{TOKEN}"]),
        "sleep",
        "100",
        "say",
        "x" * 5000,
    )
    running(sampled, session_id)
    path = f"/api/v1/sessions/{session_id}/processes"

    def tree() -> list[dict[str, Any]]:
        return list(sampled.request("GET", path)[1]["processes"])

    found = eventually(
        lambda: (rows := tree()) and [row["state"] for row in rows] == ["S", "S"] and rows,
        "both processes to sleep",
    )

    command, child = found
    assert set(shared_site.processes(session_id)) == {command["pid"], child["pid"]}
    assert (command["parent"], command["depth"]) == (None, 0)
    assert (child["parent"], child["depth"]) == (command["pid"], 1)
    assert command["name"].startswith("python")
    assert len(command["command"]) == 500
    assert "acting_hive.py" in command["command"]
    assert TOKEN not in child["command"]
    assert child["command"].endswith(f" say {'*' * len(TOKEN)}")
    assert child["command"].isprintable()
    assert child["threads"] == 1
    assert child["memory_bytes"] > MB
    # a second look, later, tells the use of the processor
    eventually(lambda: all(row["cpu_percent"] is not None for row in tree()), "a second look")

    sampled.request("POST", f"/api/v1/sessions/{session_id}/stop?wait=20")
    ended(sampled, session_id)
    assert tree() == []


def test_the_command_line_tells_the_same(shared_site: Installation, sampled: Server) -> None:
    session_id = begin(sampled, "sleep", "100")
    eventually(lambda: now(sampled, session_id), "a look")

    told = shared_site.script("metrics", session_id).stdout.decode()
    as_json = json.loads(shared_site.script("metrics", "--json", session_id).stdout)

    assert told.startswith(f"{session_id}  running, sampled every 1 s\n")
    assert [line.split()[0] for line in told.splitlines()[1:5]] == ["now", "disk", "peak", "total"]
    assert as_json["resources"]["now"]["processes"] == 1
    assert as_json["resources"]["series"]["at"]
    unknown = shared_site.script("metrics", "00000000-0000-4000-8000-000000000000")
    assert (unknown.returncode, unknown.stdout) == (4, b"")


def test_a_stop_does_not_wait_for_a_look(shared_site: Installation, sampled: Server) -> None:
    """Nor does what was killed keep the sampler."""
    session_ids = [begin(sampled, "sleep", "100") for _ in range(4)]
    for session_id in session_ids:
        running(sampled, session_id)
    for pid in shared_site.processes(session_ids[0]):
        os.kill(pid, signal.SIGKILL)

    for session_id in session_ids[1:]:
        status, session = sampled.request("POST", f"/api/v1/sessions/{session_id}/stop?wait=20")
        assert (status, session["status"]) == (202, "failed")

    assert ended(sampled, session_ids[0])["exit_signal"] == 9
    assert "Traceback" not in sampled.output
