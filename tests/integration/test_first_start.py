"""Coming from the shell script: the first start takes its sessions over, once, and runs none."""

import json
import signal
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.old_script import CREATED, KEPT, UPDATED, OldScript
from tests.support import PYTHON, ROOT, Installation, eventually


def listed(site: Installation) -> dict[str, Any]:
    """What ``list`` prints."""
    done = site.hive("list")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout)["sessions"])


def test_the_first_server_takes_the_sessions_over(site: Installation, tmp_path: Path) -> None:
    # given what the script left: ended, running, damaged by its task, unregistered, to be executed
    script = OldScript(site.workspace)
    trap = tmp_path / "executed"
    completed = script.create("done", "completed", priority="high", metadata='{"a": [1]}')
    running = script.create("runs", "running")
    quoted = script.create('say "hi"', "created")
    orphan = script.create("orphan", "completed", registered=False)
    evil = script.create(
        f"$(touch {trap}); `touch {trap}`", "starting", metadata=f'"; touch {trap}"'
    )
    old_index = script.index_file.read_bytes()

    # when the server starts for the first time
    server = site.up()

    # then it says so in one line, and all are there
    said = [line for line in server.output.splitlines() if "took over" in line]
    assert said == ["hive up: took over 5 sessions that were here before (2 completed, 3 failed)"]
    found = {}
    for session_id in (completed, running, quoted, orphan, evil):
        found[session_id] = server.request("GET", f"/api/v1/sessions/{session_id}")[1]
    assert {key: (s["status"], s["reason"]) for key, s in found.items()} == {
        completed: ("completed", None),
        orphan: ("completed", None),
        running: ("failed", "lost"),
        quoted: ("failed", "lost"),
        evil: ("failed", "lost"),
    }
    one = found[completed]
    assert (one["task"], one["priority"], one["metadata"]) == ("done", "high", {"a": [1]})
    assert (one["created"], one["updated"], one["ended"]) == (CREATED, UPDATED, UPDATED)
    assert found[quoted]["task"] == 'say "hi"'
    assert "where it was running" in found[running]["detail"]

    # and their paths are ours, their outputs stayed, the registry is ours and the old one is kept
    for session_id, session in found.items():
        assert session["working_dir"] == str(site.session_dir(session_id))
        assert session["output_dir"] == str(site.output_dir(session_id))
        assert session["log_file"] == str(site.log(session_id))
    assert (script.sessions / KEPT).read_bytes() == old_index
    eventually(
        lambda: len(json.loads(script.index_file.read_bytes())["sessions"]) == 5, "our index.json"
    )
    assert json.loads(script.index_file.read_bytes())["created"] == script.index["created"]

    # and nothing has been started
    assert not trap.exists()
    assert not any(site.processes(session_id) for session_id in found)
    assert all(session["started"] is None for session in found.values())
    assert not any((site.state_dir / "runs").iterdir())

    # when the next one starts, then all is as it was
    assert server.stop() == 0
    again = site.hive("get", running)
    assert (json.loads(again.stdout), again.stderr) == (found[running], b"")


def test_first_starts_at_once_take_each_session_over_once(site: Installation) -> None:
    script = OldScript(site.workspace)
    ids = {script.create(status="completed") for _ in range(80)}
    site.migrate()

    # when a server and two commands start at the same time
    server = site.up(ready=False)
    with ThreadPoolExecutor(2) as callers:
        done = list(callers.map(site.hive, ["list", "init"]))

    # then one of them takes them over, the others wait for it
    assert [d.returncode for d in done] == [0, 0], [d.stderr for d in done]
    assert set(listed(site)) == ids
    said = b"".join(d.stderr for d in done).decode() + server.output
    assert said.count("took over 80 sessions") == said.count("took over") == 1
    assert (script.sessions / KEPT).read_bytes() != script.index_file.read_bytes()


def test_a_take_over_that_was_killed_goes_on_at_the_next_start(site: Installation) -> None:
    # given a first start that is killed in the middle
    script = OldScript(site.workspace)
    ids = {script.create(status="completed", registered=False) for _ in range(250)}
    script.register(str(uuid.uuid4()), task="only registered", status="completed")
    first = subprocess.Popen(
        [PYTHON, str(ROOT / "manage.py"), "hive", "list"], env=site.env, stdout=subprocess.DEVNULL
    )
    some = eventually(
        lambda: sum(
            1 for s in ids if (script.sessions / s / "output").is_symlink() and _ours(script, s)
        ),
        "some to be taken over",
    )
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert some < len(ids)

    # when the next one starts
    after = listed(site)

    # then none is missing, and the old registry is still there
    assert set(after) == ids | script.index["sessions"].keys()
    assert json.loads((script.sessions / KEPT).read_bytes()) == script.index


def _ours(script: OldScript, session_id: str) -> bool:
    return '"profile"' in (script.sessions / session_id / "session.json").read_text()


def test_another_registry_is_kept_when_there_are_sessions_already(site: Installation) -> None:
    # given an installation that was moved to a workspace of the script's
    site.hive("create", "ours")
    script = OldScript(site.base / "second")
    old = script.create(status="completed")
    site.env["HIVE_WORKSPACE"] = str(script.workspace)

    # when it writes its registry there
    assert site.hive("create", "ours too").returncode == 0

    # then the old one is kept, and import takes it over
    assert old in json.loads((script.sessions / KEPT).read_bytes())["sessions"]
    assert site.hive("import").stdout.startswith(b"Imported 1 session (1 completed")
    assert old in listed(site)
