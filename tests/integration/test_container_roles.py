"""The container's script in its other roles, on PostgreSQL: a web server and a spawner apart."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import PostgreSQL
from tests.integration.acting import ACTING, begin, said
from tests.support import PATIENCE, ROOT, Installation, Server, eventually, installation

CONTAINER = ROOT / "deploy" / "container"


@pytest.fixture
def site(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Installation]:
    """A host called ``one`` with a database of its own."""
    url = postgresql.migrated()
    settings = {"DATABASE_URL": url, "HIVE_NODE": "one", "HIVE_HOST": "127.0.0.1"}
    command = {"HIVE_COMMAND": json.dumps(ACTING), "HIVE_LEASE": "6"}
    with installation(tmp_path / "site", **settings, **command) as made:
        yield made
    postgresql.drop(url.rpartition("/")[2])


def start(site: Installation, role: str, **settings: str) -> Server:
    """``run.sh ROLE``."""
    output = site.base / f"{role}.log"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [str(CONTAINER / "run.sh"), role],
            env={**site.env, **settings},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    return Server(process, site.port, output)


def drain(site: Installation, *words: str) -> "subprocess.Popen[bytes]":
    """``drain.sh``, begun; it says what it does in ``drain.log``."""
    with (site.base / "drain.log").open("wb") as file:
        command = [str(CONTAINER / "drain.sh"), *words]
        return subprocess.Popen(command, env=site.env, stdout=file, stderr=file, cwd="/")


def test_a_web_server_and_a_spawner_apart_and_a_host_that_is_emptied(
    site: Installation, postgresql: PostgreSQL
) -> None:
    # given a web server on a host of its own, and no spawner yet: it is ready, sessions wait
    web = start(site, "web", HIVE_STATE_DIR=str(site.base / "web-state"))

    def ready() -> bool:
        try:
            return web.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    eventually(ready, "the web server to be ready")
    assert "none runs here" in web.request("GET", "/readyz")[1]["checks"]["spawner"]["detail"]
    waiting = begin(web, "say", "first", "sleep", "600")
    # a host that has never been there may come
    assert drain(site, "--back").wait(PATIENCE) == 0
    # when a spawner starts, then it runs
    spawner = start(site, "spawner")
    said(site, waiting, "first")
    # when the host is emptied, then it takes nothing more, and the script waits for what runs
    emptied = drain(site)
    database = site.env["DATABASE_URL"].rpartition("/")[2]
    draining = "SELECT draining FROM sessions_app_node WHERE name = 'one'"
    eventually(lambda: postgresql.execute(draining, database) == [(True,)], "it to be drained")
    later = begin(web, "say", "second")
    told = "drain: 1 sessions run on one still\n"
    eventually(lambda: told in (site.base / "drain.log").read_text(), "it to say what it waits for")
    web.request("POST", f"/api/v1/sessions/{waiting}/stop")
    assert emptied.wait(PATIENCE) == 0
    assert web.request("GET", f"/api/v1/sessions/{later}")[1]["status"] == "starting"
    # and when it is back, it goes on
    assert drain(site, "--back").wait(PATIENCE) == 0
    said(site, later, "second")
    # and both end when they are told to
    for server in (web, spawner):
        server.process.send_signal(signal.SIGTERM)
    assert [server.process.wait(PATIENCE) for server in (web, spawner)] == [0, 0]


def test_a_role_that_there_is_not_is_refused() -> None:
    done = subprocess.run([str(CONTAINER / "run.sh"), "shell"], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(b"there is no role shell; choose from up, spawner, web\n")
