"""Started as root, hives run as another user who can reach their own things only."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import hive_databases
from tests.integration.looking import ended
from tests.integration.test_spawner import create
from tests.support import Installation, eventually, installation

USER = "nobody"
PROBE = r"""
id -un > who; id -gn >> who; pwd > /dev/null && echo data > file; mkdir sub; echo x > sub/deep
echo mine > "$HIVE_MIND_OUTPUT_DIR/own"
(echo changed > session.json) 2> /dev/null && echo "wrote session.json" >> broken
mv session.json elsewhere 2> /dev/null && echo "moved session.json" >> broken
rm -f output 2> /dev/null && echo "removed output" >> broken
ls "$STATE" > /dev/null 2>&1 && echo "read our state" >> broken
mkdir .swarm/inner || echo "cannot write .swarm" >> broken
ln -s "$STATE/secret_key" stolen; ln -s "$STATE" stolen-dir
echo "HOME=$HOME USER=$USER" > env
"""


@pytest.fixture
def open_site() -> Iterator[Installation]:
    """An installation in a directory that other users can reach, with root serving."""
    assert os.geteuid() == 0, "run the tests as root: they change users, as the container does"
    base = Path(tempfile.mkdtemp(prefix="hiveweb-"))
    base.chmod(0o755)
    try:
        with installation(base / "site", HIVE_RUN_AS=USER) as made:
            made.env["STATE"] = str(made.state_dir)
            made.env["HIVE_CHILD_ENV"] = "STATE"
            made.env["HIVE_COMMAND"] = json.dumps(["/bin/sh", "-c", PROBE])
            yield made
    finally:
        shutil.rmtree(base)


def test_a_hive_runs_as_its_user_and_cannot_touch_what_is_ours(open_site: Installation) -> None:
    server = open_site.up()

    session = ended(server, create(server))

    session_id = session["session_id"]
    working, output = open_site.session_dir(session_id), open_site.output_dir(session_id)
    assert session["status"] == "completed", open_site.log(session_id).read_text()
    assert not (working / "broken").exists(), (working / "broken").read_text()
    assert (working / "who").read_text().split() == [USER, "nogroup"]
    assert "USER=nobody" in (working / "env").read_text()
    assert working.stat().st_mode & 0o7777 == 0o1770
    assert working.stat().st_uid == 0
    eventually(
        lambda: json.loads((working / "session.json").read_text())["status"] == "completed",
        "session.json to follow",
        timeout=2,
    )
    assert {p.name for p in output.iterdir()} == {"who", "file", "sub", "own", "env"}
    assert (output / "sub/deep").read_text() == "x\n"
    assert (output / "file").stat().st_uid == (working / "who").stat().st_uid != 0

    # and what it used is known, as is what its swarm left behind as files of its own
    _, found = server.request("GET", f"/api/v1/sessions/{session_id}/metrics")
    assert found["resources"]["peak"]["disk_bytes"] > 0
    assert found["resources"]["total"]["cpu_seconds"] is not None
    hive_databases.make_hive(working).close()
    for path in (working / ".hive-mind", *(working / ".hive-mind").iterdir()):
        shutil.chown(path, USER)
    _, found = server.request("GET", f"/api/v1/sessions/{session_id}/swarm")
    assert found["sources"]["hive_db"]["state"] == "ok"
    assert [one["id"] for one in found["swarms"]] == [hive_databases.SWARM]


def test_a_run_user_that_does_not_exist_is_said(open_site: Installation) -> None:
    open_site.env["HIVE_RUN_AS"] = "no-such-user"
    server = open_site.up()

    assert "no-such-user" in server.output
