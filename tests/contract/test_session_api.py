"""Every bash block of docs/session-api.md, run as it is written, with the server up and down."""

import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.container import Container, blocks
from tests.support import ON_POSTGRESQL, ROOT, eventually, installation, slack

#: Without a server each command takes a second. The database makes no difference there.
MODES = ["server up"] if ON_POSTGRESQL in os.environ else ["server up", "server down"]
BLOCKS = blocks(ROOT / "docs" / "session-api.md")
UNKNOWN = str(uuid.uuid4())


@pytest.fixture(scope="module", params=MODES)
def container(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """The container, with its server running and without."""
    with installation(tmp_path_factory.mktemp("contract") / "site") as site:
        made = Container(site)
        made.migrate()
        if request.param == "server up":
            made.up()
        yield made


def created(container: Container, task: str = "a task with an error") -> str:
    """A session's id."""
    return container.hive("create", task)


def started(container: Container) -> str:
    """The id of a session that runs."""
    session_id = created(container)
    container.hive("start", "--detach", session_id)
    becomes(container, session_id, "running", "completed")
    return session_id


def becomes(container: Container, session_id: str, *words: str) -> None:
    """Wait until a session is in one of these states."""
    eventually(lambda: container.hive("status", session_id) in words, f"{words}")


def test_the_document_is_the_users_text_and_no_block_is_left_out() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    assert len(BLOCKS) == 18
    assert [name for name in BLOCKS if f'BLOCKS["{name}"]' not in tested] == []


@pytest.mark.parametrize(
    "block",
    [BLOCKS["Create Session 1"], BLOCKS["Create Session 2"]],
    ids=["synopsis", "example"],
)
def test_create(container: Container, block: str) -> None:
    ran = container.block(block)

    # then UUID holds the id alone, stderr the metadata, and the directories are as drawn
    session_id = ran.variables["UUID"]
    assert ran.code == 0, ran.err
    assert str(uuid.UUID(session_id)) == session_id
    assert json.loads(ran.err)["session_id"] == session_id
    inside = container.workspace / ".swarm" / "sessions" / session_id
    assert json.loads((inside / "session.json").read_bytes())["status"] == "created"
    assert str((inside / "output").readlink()) == f"/workspace/ext/hive-sessions/{session_id}"
    assert (container.workspace / "ext" / "hive-sessions" / session_id).is_dir()


def test_start(container: Container) -> None:
    session_id = created(container)

    # when it is started in the background, and once more by the next example
    ran = container.block(BLOCKS["Start Session 1"], UUID=session_id)
    again = container.block(BLOCKS["Start Session 2"], UUID=session_id)

    # then both come back at once, with both their pipes ended, and it runs once
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert (again.code, again.out, again.err) == (0, "", "")
    becomes(container, session_id, "completed")
    log = (container.logs / f"hive-{session_id}.log").read_text()
    assert log.count("Swarm ID:") == 1


def test_start_with_arguments(container: Container) -> None:
    session_id = created(container)
    both = BLOCKS["Start Session 2"].partition("# Or with custom arguments")
    assert both[1]

    ran = container.block(both[2], UUID=session_id)

    assert ran.code == 0, ran.err
    becomes(container, session_id, "completed")
    session = json.loads(container.hive("get", session_id))
    assert session["args"] == ["--queen-type", "tactical", "--max-workers", "8"]
    assert "tactical" in (container.logs / f"hive-{session_id}.log").read_text()


def test_status(container: Container) -> None:
    session_id = started(container)
    becomes(container, session_id, "completed")

    first = container.block(BLOCKS["Get Status 1"], UUID=session_id)
    second = container.block(BLOCKS["Get Status 2"], UUID=session_id)
    unknown = container.block(BLOCKS["Get Status 2"], UUID=UNKNOWN)
    empty = container.block(BLOCKS["Get Status 1"], UUID="")

    assert (first.code, first.variables["STATUS"], first.err) == (0, "completed", "")
    assert second.out == "Task finished!\n"
    assert (unknown.variables["STATUS"], unknown.out) == ("not_found", "")
    assert empty.variables["STATUS"] == "not_found"


def test_get(container: Container) -> None:
    session_id = created(container)

    ran = container.block(BLOCKS["Get Session Metadata 1"], UUID=session_id)
    unknown = container.block(BLOCKS["Get Session Metadata 1"], UUID=UNKNOWN)

    # then it is the document's object, with the container's paths
    session = json.loads(ran.out)
    directory = f"/workspace/.swarm/sessions/{session_id}"
    assert session["working_dir"] == directory
    assert session["output_dir"] == f"/workspace/ext/hive-sessions/{session_id}"
    assert session["database"] == f"{directory}/.swarm/memory.db"
    assert session["log_file"] == f"/var/log/multi-agent/hive-{session_id}.log"
    for time_of in ("created", "updated"):
        assert time.strptime(session[time_of], "%Y-%m-%dT%H:%M:%S+00:00")
    assert (unknown.code != 0, unknown.out) == (True, "")
    assert UNKNOWN in unknown.err


def test_list(container: Container) -> None:
    session_id = created(container)

    ran = container.block(BLOCKS["List All Sessions 1"])

    listed = json.loads(ran.out)
    assert set(listed) == {"sessions", "created"}
    entry = listed["sessions"][session_id]
    assert set(entry) == {"task", "status", "created", "updated", "dir"}
    assert entry["dir"] == f"/workspace/.swarm/sessions/{session_id}"


def test_output_dir(container: Container) -> None:
    session_id = started(container)
    becomes(container, session_id, "completed")

    first = container.block(BLOCKS["Get Output Directory 1"], UUID=session_id)
    second = container.block(BLOCKS["Get Output Directory 2"], UUID=session_id)

    # then the path has its slash, the listing its files, and the host a copy of them
    assert first.variables["OUTPUT_DIR"] == f"/workspace/ext/hive-sessions/{session_id}/"
    assert second.code == 0, second.err
    assert "result-1.md" in second.out
    assert list((container.host / "results").rglob("result-1.md"))


def test_log(container: Container) -> None:
    session_id = started(container)

    first = container.block(BLOCKS["Get Log File 1"], UUID=session_id)
    assert first.variables["LOG_FILE"] == f"/var/log/multi-agent/hive-{session_id}.log"

    # when the example's `tail -f` has shown a line, and is ended as a person would
    process = container.begin(BLOCKS["Get Log File 2"], UUID=session_id)
    assert process.stdout is not None
    seen = process.stdout.readline()
    assert seen
    tails = [pid for pid, line in container.site.processes().items() if line.startswith("tail -f")]
    os.kill(tails[0], signal.SIGTERM)

    # then the next line greps in the same file
    ran = container.end(process, seen)
    assert ran.code == 0, ran.err
    assert "a task with an error" in ran.out


def test_cleanup(container: Container) -> None:
    session_id = started(container)
    becomes(container, session_id, "completed")

    # when the synopsis is taken by its letters, then its age is refused, and nothing removed
    synopsis = container.block(BLOCKS["Cleanup Old Sessions 1"])
    assert (synopsis.code, synopsis.out) == (2, "")
    assert "must be a number of hours" in synopsis.err
    # when the example is run, then what is younger stays
    ran = container.block(BLOCKS["Cleanup Old Sessions 2"])
    assert (ran.code, ran.out) == (0, "Cleaned up 0 sessions (0 bytes freed)\n")
    assert container.hive("status", session_id) == "completed"


def test_the_complete_workflow(container: Container) -> None:
    ran = container.block(BLOCKS["Complete Workflow Example 1"])

    session_id = ran.variables["UUID"]
    lines = ran.out.splitlines()
    assert ran.code == 0, ran.err
    assert lines[0] == f"Created session: {session_id}"
    assert lines[-1] == f"Task completed! Output at: /workspace/ext/hive-sessions/{session_id}/"
    states = [line.removeprefix("Status: ") for line in lines[1:-1]]
    order = ["created", "starting", "running", "completed"]
    assert states == sorted(states, key=order.index)
    assert states[-1] == "completed"
    assert list((container.host / "results").rglob("hive-summary.md"))


def test_the_complete_workflow_of_a_hive_that_fails(container: Container) -> None:
    # given a task that the stand-in for claude-flow takes for a reason to fail
    block = BLOCKS["Complete Workflow Example 1"]
    failing = block.replace("start $UUID\n", "start $UUID --claude-fail 3\n")
    assert failing != block

    ran = container.block(failing)

    assert "Task failed. Logs:" in ran.out
    assert "Claude Code exited with code 3" in ran.out


def test_troubleshooting(container: Container) -> None:
    # given a session that has just been created
    begun = time.monotonic()
    session_id = created(container)

    # then within 2 seconds it is in the index, where jq finds it
    def entry() -> str:
        ran = container.block(BLOCKS["Session not found 1"], UUID=session_id)
        assert ran.code == 0, ran.err
        return "" if ran.out == "null\n" else ran.out

    found = json.loads(eventually(entry, "the entry in index.json", timeout=2 * slack()))
    assert found["status"] == "created"
    assert time.monotonic() - begun < 20  # a namespace of its own for each command takes its time
    missing = container.block(BLOCKS["Session not found 1"], UUID=UNKNOWN)
    assert missing.out == "null\n"

    # and the other two commands say what they are asked
    container.hive("start", "--detach", session_id)
    log = container.logs / f"hive-{session_id}.log"
    eventually(lambda: b"Swarm ID" in log.read_bytes(), "the first lines")
    databases = container.block(BLOCKS["Database still locked 1"])
    assert databases.code == 0, databases.err
    listed = container.block(BLOCKS["Logs not appearing 1"], UUID=session_id)
    assert listed.out.startswith("-rw")
    assert listed.out.endswith(f"/var/log/multi-agent/hive-{session_id}.log\n")
