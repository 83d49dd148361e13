"""A program: kills a cleanup before each single change it makes to files, and looks what it left.

Run by test_cleanup_killed.py with the settings of an installation of its own. SIGKILL comes right
before the Nth removal, renaming or making of a file, or right after a renaming, for N from 1 until
a cleanup comes through.
"""

import os
import signal
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import django

django.setup()

from django.db import connections  # noqa: E402 - after the setup
from django.utils import timezone  # noqa: E402

from sessions_app import callers, cleanup, schema, services, workspace  # noqa: E402
from sessions_app.conf import current  # noqa: E402
from sessions_app.models import AgentSession  # noqa: E402

callers.become(callers.SYSTEM)
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir")
CONF = current()
BODY = b"x" * 100


def ended(hours: float) -> uuid.UUID:
    """A session with files everywhere, that ended so long ago."""
    session = services.create("a task")
    services.stop(session.id)
    ended_at = timezone.now() - timedelta(hours=hours)
    AgentSession.objects.filter(id=session.id).update(ended_at=ended_at)
    records = CONF.runs_dir / str(session.id)
    records.mkdir()
    for directory in (Path(session.working_dir), Path(session.output_dir), records):
        (directory / "deep").mkdir()
        (directory / "deep/file").write_bytes(BODY)
    return session.id


def clean_and_die(at: int) -> bool:
    """Clean up in a child that is killed before its change number ``at``; False: it was not."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        count, before = 0, ""

        def look(event: str, _: object) -> None:
            nonlocal count, before
            # the first file that is opened after a renaming: set aside, but not yet committed
            if event in CHANGES or (event == "open" and before == "os.rename"):
                count, before = count + 1, event
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(look)
        list(cleanup.cleanup(by_settings=True))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status != 0


def whole(directory: Path) -> bool:
    """Whether a directory is there with all in it, or not at all."""
    there = {(directory / "deep/file").exists(), directory.exists()}
    assert len(there) == 1, f"{directory} is there in part"
    return there.pop()


def check(session_id: uuid.UUID) -> None:
    """Nothing is there in part, but for what lies aside and has no row."""
    row = AgentSession.objects.filter(id=session_id).first()
    working = CONF.sessions_dir / str(session_id)
    log, output = CONF.log_dir / f"hive-{session_id}.log", CONF.outputs_dir / str(session_id)
    assert whole(working) == (row is not None), "a row without its directory"
    assert whole(output) == (row is not None and not row.outputs_removed)
    if row is not None:
        assert whole(CONF.runs_dir / str(session_id))
        assert (working / "session.json").exists()
        assert log.exists() != row.log_removed


def main() -> None:
    """Kill, look, finish; again and again. Prints how often."""
    workspace.initialise(CONF)
    schema.make_if_missing()
    kills = 0
    while True:
        # two that go together, and one of which only log and output go
        older, old, young = ended(110), ended(100), ended(50)
        killed = clean_and_die(kills + 1)
        if kills % 2:  # what a server that starts puts right; else the next cleanup does
            cleanup.put_back(CONF)
            check(older)
            check(old)
            check(young)
        list(cleanup.cleanup(by_settings=True))
        check(young)
        # what a complete cleanup leaves: the younger session without its log and output
        assert [s.id for s in AgentSession.objects.all()] == [young]
        assert services.get(young).outputs_removed
        assert services.get(young).log_removed
        assert [p.name for p in CONF.runs_dir.iterdir()] == [str(young)]
        assert list(CONF.outputs_dir.iterdir()) == list(CONF.log_dir.iterdir()) == []
        list(cleanup.cleanup(0))
        # (of index.json a draft may be left, by a kill right before it was put in place)
        assert [p.name for p in CONF.sessions_dir.iterdir() if "index.json" not in p.name] == []
        assert list(CONF.runs_dir.iterdir()) == []
        if not killed:
            break
        kills += 1
    print(kills)


main()
