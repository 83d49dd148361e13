"""Cleaning up with a server and without: previews, counts, several at once, large ones."""

import re
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from tests.integration.cli import DROP_IN, Door
from tests.support import PYTHON, ROOT, Installation, Server, eventually, installation, slack
from tests.unit.cleaning import make_old

API = "/api/v1"


def ended(server: Server, count: int = 1) -> list[str]:
    """Ids of sessions that have ended."""
    ids = []
    for _ in range(count):
        session_id = server.request("POST", f"{API}/sessions", {"task": "a task"})[1]["session_id"]
        server.request("POST", f"{API}/sessions/{session_id}/stop")
        ids.append(session_id)
    return ids


def clean(server: Server, **body: Any) -> dict[str, Any]:
    status, answer = server.request("POST", f"{API}/cleanup", body)
    assert status == 200, answer
    return dict(answer)


def fill(directory: Path, files: int) -> None:
    for number in range(files):
        (directory / f"d{number % 10}").mkdir(exist_ok=True)
        (directory / f"d{number % 10}" / str(number)).write_bytes(b"x" * 100)


def left(site: Installation) -> list[str]:
    """Whatever a complete cleanup should have removed."""
    places = (site.workspace / ".swarm/sessions", site.log_dir, site.state_dir / "runs")
    stay = ("index.json", ".hiveweb.lock")
    return [p.name for place in places for p in place.iterdir() if p.name not in stay]


def test_the_api_tells_what_would_go_and_then_what_went(tmp_path: Path) -> None:
    settings = {"HIVE_KEEP_SESSIONS": "1h", "HIVE_KEEP_LOGS": "1s", "HIVE_KEEP_OUTPUTS": "1s"}
    with installation(tmp_path / "site", **settings) as site:
        server = site.up()
        # given a session that has ended, a pinned one, and an orphan
        done, pinned = ended(server, 2)
        server.request("PATCH", f"{API}/sessions/{pinned}", {"pinned": True})
        site.log(done).write_bytes(b"x" * 700)
        (site.output_dir(done) / "result").write_bytes(b"x" * 5000)
        orphan = site.session_dir(str(uuid.uuid4()))
        orphan.mkdir()
        (orphan / "file").write_bytes(b"x" * 30)
        make_old(orphan)
        found = {"session_id": orphan.name, "paths": [str(orphan)], "bytes": 30}

        def old_enough() -> bool:
            tried = clean(server, retention=True, dry_run=True)
            return (len(tried["logs"]), len(tried["kept"])) == (1, 1)

        eventually(old_enough, "both to have ended a second ago")

        # when the retention is tried, and then done
        preview = clean(server, retention=True, dry_run=True)
        real = clean(server, retention=True)

        # then both tell the same
        assert {**preview, "dry_run": False} == real
        assert real["removed"] == real["sessions"] == real["leftovers"] == []
        assert real["logs"] == [{"session_id": done, "bytes": 700}]
        path = str(site.output_dir(done))
        assert real["outputs"] == [{"session_id": done, "paths": [path], "bytes": 5000}]
        assert [kept["session_id"] for kept in real["kept"]] == [pinned]
        assert real["bytes"] == 5700
        assert real["orphans"] == [{**found, "removed": False}]
        session = server.request("GET", f"{API}/sessions/{done}")[1]
        assert (session["log_removed"], session["outputs_removed"]) == (True, True)
        assert site.log(pinned).exists()

        # and sessions go by hours, orphans on request
        gone = clean(server, hours=0, orphans=True)
        assert gone["removed"] == [done]
        assert [entry["session_id"] for entry in gone["sessions"]] == [done]
        assert gone["orphans"] == [{**found, "removed": True}]
        assert gone["bytes"] == 30 + gone["sessions"][0]["bytes"]
        assert not orphan.exists()
        assert clean(server, orphans=True)["orphans"] == []

        for body in ({}, {"dry_run": True}, {"hours": 1, "retention": True}, {"orphans": "yes"}):
            assert server.request("POST", f"{API}/cleanup", body)[0] == 422


def test_a_large_cleanup_holds_up_nobody(site: Installation) -> None:
    # given a session with many files
    server = site.up()
    (done,) = ended(server)
    fill(site.session_dir(done), 5_000)
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(clean(server, hours=0)["removed"])
        except OSError as error:  # the server stops
            answers.append(error)

    # when it is being removed
    caller = threading.Thread(target=ask)
    caller.start()
    eventually(lambda: not site.session_dir(done).exists(), "the removal to begin")
    # then everybody else is answered, and sees that it is gone
    assert server.request("GET", f"{API}/sessions/{done}")[0] == 404
    assert site.script("status", done).stdout == b"not_found\n"
    # and when the server is to stop in the middle, then it does
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 5 * slack()
    caller.join()
    # and what it has left the next cleanup removes
    assert site.hive("cleanup", "24").returncode == 0
    assert left(site) == []


def test_cleanups_at_once_remove_each_session_once(site: Installation) -> None:
    # given many sessions that have ended
    server = site.up()
    ids = ended(server, 40)
    for session_id in ids:
        fill(site.session_dir(session_id), 20)
    # when three processes and two requests clean up at once
    processes = [
        subprocess.Popen(
            [PYTHON, str(ROOT / "manage.py"), "hive", "cleanup", "0"],
            env=site.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    eventually(
        lambda: len(list((site.workspace / ".swarm/sessions").iterdir())) < 40,
        "one of them to begin",
    )
    removed = list(clean(server, hours=0)["removed"])
    for process in processes:
        out, err = process.communicate(timeout=60)
        lines = re.findall(r"^removed ([0-9a-f-]{36}) \(", err.decode(), re.M)
        # then each tells the true count
        assert process.returncode == 0, err
        assert out.startswith(f"Cleaned up {len(lines)} session".encode()), (out, err)
        removed += lines
    # and each session went once
    assert sorted(removed) == sorted(ids)
    assert left(site) == []


def test_the_command_line_counts_each_kind(tmp_path: Path) -> None:
    with installation(tmp_path / "site", HIVE_KEEP_OUTPUTS="1s") as site:
        server = site.up()
        hive = Door(site, DROP_IN)
        done, pinned = ended(server, 2)
        assert hive("pin", pinned).returncode == 0
        (site.output_dir(done) / "result").write_bytes(b"x" * 5000)
        orphan = site.log(str(uuid.uuid4()))
        orphan.write_bytes(b"x" * 30)
        make_old(orphan)

        # when nothing is old enough, then orphans are listed all the same
        listed = hive("cleanup")
        assert listed.stdout == b"Cleaned up 0 sessions (0 bytes freed)\n"
        assert listed.stderr.decode().splitlines() == [
            f"kept the orphan {orphan} (30 bytes): orphans are removed on request only: --orphans",
            "1 orphan without a session; to remove: hive cleanup --orphans",
        ]

        # when the retention is asked for
        def old_enough() -> bool:
            tried = hive("cleanup", "--retention", "--dry-run")
            return b"1 output (" in tried.stdout and pinned.encode() in tried.stderr

        eventually(old_enough, "both to be old enough")
        cleaned = hive("cleanup", "--retention", "--orphans")
        assert cleaned.stdout == (
            b"Cleaned up 0 sessions, 0 logs, 1 output, 1 orphan (5.0 kB freed)\n"
        )
        lines = cleaned.stderr.decode().splitlines()
        assert f"removed the output {site.output_dir(done)} (5,000 bytes)" in lines
        assert f"removed the orphan {orphan} (30 bytes)" in lines
        assert f"kept {pinned}: it is pinned; hive unpin lets it go" in lines
        # and what makes no sense is refused
        both = hive("cleanup", "5", "--retention")
        assert (both.returncode, both.stdout) == (2, b"")
        assert hive("cleanup", "--all").returncode == 2
        assert hive("cleanup", "0").stdout.startswith(b"Cleaned up 1 session (")


def test_a_retention_that_is_not_set_says_so(site: Installation) -> None:
    done = site.hive("cleanup", "--retention")
    assert done.returncode == 0
    assert b"HIVE_KEEP_SESSIONS" in done.stderr
