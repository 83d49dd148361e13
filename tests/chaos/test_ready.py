"""/readyz while one part after the other fails for real; /healthz says less, and sooner."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from sessions_app import heartbeat
from tests.chaos.support import Filler, Mounts
from tests.chaos.test_database_locked import locked
from tests.integration.api_client import daphne, fetch
from tests.integration.test_metrics import eventually_says, scrape
from tests.support import PYTHON, ROOT, Installation, Server, eventually

NOBODY = {"Cookie": ""}


def ready(server: Server) -> dict[str, Any]:
    """What /readyz says to somebody known."""
    reply = fetch(server, "GET", "/readyz")
    answer: dict[str, Any] = reply.json
    assert reply.status == (200 if answer["status"] == "ok" else 503)
    assert reply.headers["cache-control"] == "no-store"
    return answer


def eventually_fails(server: Server, **parts: str) -> None:
    """Just these parts fail, and their details have these words."""

    def look() -> bool:
        checks = ready(server)["checks"]
        failed = {n: check for n, check in checks.items() if check["status"] == "unavailable"}
        return failed.keys() == parts.keys() and all(
            text in failed[name]["detail"] for name, text in parts.items()
        )

    eventually(look, f"{parts} to fail")


def test_a_server_that_can_work_and_one_that_cannot(site: Installation, mounts: Mounts) -> None:
    # given disks of which the logs' is small
    site.env["HIVE_MIN_FREE_DISK"] = "2MB"
    filler = Filler(mounts.tmpfs(site.log_dir, 4096))
    server = site.up()
    eventually_fails(server)  # nothing: the spawner has looked at the rows

    # then who is not known gets names and words, and who is known gets details
    reply = fetch(server, "GET", "/readyz", headers=NOBODY)
    ok = {"status": "ok"}
    checks = {"database": ok, "spawner": ok, "disk": ok}
    assert (reply.status, reply.json) == (200, {"status": "ok", "checks": checks})
    stale = {"Authorization": "Bearer hivetok_of_yesterday"}
    assert fetch(server, "GET", "/readyz", headers=stale).json["checks"] == checks
    for check in ready(server)["checks"].values():
        assert set(check) == {"status", "detail", "milliseconds"}
        assert check["milliseconds"] < 2000
    assert fetch(server, "HEAD", "/readyz", headers=NOBODY).status == 200

    # when the disk fills up
    filler.fill()
    eventually_fails(server, disk=str(site.log_dir))
    reply = fetch(server, "GET", "/readyz", headers=NOBODY)
    assert reply.status == 503
    assert reply.headers["retry-after"] == "2"
    assert reply.json["checks"]["disk"] == {"status": "unavailable"}
    assert str(site.base) not in reply.body.decode()
    filler.free()
    eventually_fails(server)

    # when somebody has the database locked, then it can be read, but takes no write
    with locked(site.database):
        eventually_fails(server, database="no answer within 2 s")
        assert fetch(server, "GET", "/healthz").status == 200
        # and many who ask take one thread, not one each
        with ThreadPoolExecutor(8) as pool:
            assert len(list(pool.map(ready, [server] * 8))) == 8
        assert fetch(server, "GET", "/api/v1/sessions").status == 200
    eventually_fails(server)

    # when the database is taken away
    away = site.database.rename(site.database.with_suffix(".away"))
    eventually_fails(server, database="was removed")
    away.rename(site.database)
    eventually_fails(server)
    assert server.process.poll() is None


def test_a_spawner_that_is_not_there_hangs_or_dies(site: Installation) -> None:
    with ExitStack() as tidy, daphne(site, "127.0.0.1") as server:
        eventually_fails(server, spawner="no spawner runs")
        assert scrape(server)("hive_spawner_up") == 0

        spawner = subprocess.Popen(
            [PYTHON, str(ROOT / "manage.py"), "hive", "spawner"],
            env=site.env,
            stderr=subprocess.DEVNULL,
        )
        tidy.callback(spawner.wait)
        tidy.callback(spawner.kill)
        eventually_fails(server)
        found = eventually_says(server, "hive_spawner_up", 1)
        assert found("hive_spawner_supervised") == 0
        assert 0 <= found("hive_spawner_last_look_seconds") < heartbeat.LATE

        # when it hangs, and that was a while ago
        spawner.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, spawner.pid, os.WSTOPPED | os.WNOWAIT)  # it writes no more
        _change(site, lambda told: {**told, "looked": told["looked"] - heartbeat.LATE})
        eventually_fails(server, spawner=f"spawner {spawner.pid} looked at the rows 3")
        eventually(  # scrapes share a reading for a second
            lambda: scrape(server)("hive_spawner_last_look_seconds") > heartbeat.LATE,
            "the metrics to say so",
        )
        # or what stands there is of another one, or of nobody
        _change(site, lambda told: {**told, "pid": 1})
        eventually_fails(server, spawner="has not looked")

        # when it goes on, and is killed: then nobody takes its last words for life
        spawner.send_signal(signal.SIGCONT)
        eventually_fails(server)
        spawner.kill()
        spawner.wait()
        eventually_fails(server, spawner="no spawner runs")
        found = eventually_says(server, "hive_spawner_up", 0)
        assert ("hive_spawner_last_look_seconds", frozenset()) not in found.values


def _change(site: Installation, how: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file = site.state_dir / heartbeat.NAME
    text = json.dumps(how(json.loads(file.read_text())))
    fd = os.open(file, os.O_WRONLY | os.O_TRUNC)
    os.write(fd, text.encode())
    os.close(fd)
