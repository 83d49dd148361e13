"""SIGKILL of the server at random moments: nothing is lost, stuck, doubled or wrongly ended."""

import contextlib
import http.client
import json
import random
import threading
import time
import urllib.error
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.integration.acting import ACTING
from tests.support import Installation, Server, eventually, slack

LINES = 30
KINDS = {
    "exits": (["--lines", str(LINES), "--seconds", "0.4", "--exit"], "completed", "exited"),
    "fails": (["--lines", str(LINES), "--seconds", "0.4", "--fail", "3"], "failed", "exited"),
    "says": (["--lines", str(LINES), "--seconds", "0.4"], "completed", "outcome_rule"),
    "bursts": (["--lines", str(LINES), "--fast", "--exit"], "completed", "exited"),
    "exact": (["count", "25", "0.02", "exit", "0"], "completed", "exited"),
    "stopped": (["--lines", str(LINES), "--fast", "--hang"], "failed", "stopped"),
}


class Callers:
    """Threads that create, start and stop sessions while the server comes and goes."""

    def __init__(self, site: Installation, seed: int) -> None:
        self.site = site
        self.random = random.Random(seed)
        self.kinds: dict[str, str] = {}
        self.server: Server | None = None
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(3)]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            kind = self.random.choice(sorted(KINDS))
            body = {"task": kind, "args": KINDS[kind][0], "start": True}
            if kind == "exact":
                body["profile"] = "acting"
            with contextlib.suppress(OSError, http.client.HTTPException, urllib.error.URLError):
                if self.server is None:
                    raise OSError
                status, made = self.server.request("POST", "/api/v1/sessions", body)
                if status == 201:
                    self.kinds[made["session_id"]] = kind
                    if kind == "stopped" and self.random.random() < 0.7:
                        path = f"/api/v1/sessions/{made['session_id']}/stop"
                        self.server.request("POST", path)
            self._over.wait(0.03)


def _agree(path: Path, row: dict[str, object]) -> bool:
    stored = json.loads(path.read_text())
    return bool(stored == {key: row[key] for key in stored})


@pytest.mark.timeout(1800)
def test_whatever_the_moment_every_session_ends_as_it_should(
    site: Installation, rounds: int, tell: Callable[[str], None]
) -> None:
    seed = random.randrange(10**6)
    tell(f"seed {seed}, {rounds} rounds")
    moments = random.Random(seed)
    profiles = site.base / "profiles.toml"
    profiles.write_text(f"[acting]\ncommand = {json.dumps(ACTING)}\n")
    site.env.update(HIVE_SLOTS="6", HIVE_PROFILES=str(profiles))
    with Callers(site, seed) as callers:
        for _ in range(rounds):
            callers.server = site.up()
            time.sleep(moments.uniform(0.05, 1.5))  # the moment is what is being varied
            callers.server.kill()
    server = site.up()
    listed = server.request("GET", "/api/v1/registry")[1]["sessions"]
    kinds = {**dict.fromkeys(listed, ""), **callers.kinds}
    tell(f"{len(kinds)} sessions, {len(callers.kinds)} acknowledged")
    assert set(callers.kinds) <= set(listed), "an acknowledged session is missing"

    def sessions() -> dict[str, dict[str, object]]:
        found, cursor = {}, ""
        while True:
            page = server.request("GET", f"/api/v1/sessions?limit=500&cursor={cursor}")[1]
            found.update({s["session_id"]: s for s in page["sessions"]})
            cursor = page["next_cursor"]
            if not cursor:
                return found

    def settled() -> bool:
        left = 0
        for status in ("created", "starting", "running"):
            page = server.request("GET", f"/api/v1/sessions?limit=500&status={status}")[1]
            left += len(page["sessions"])
            for session in page["sessions"]:
                url = f"/api/v1/sessions/{session['session_id']}"
                if status == "created":  # killed between create and start
                    server.request("POST", f"{url}/start")
                elif session["task"] == "stopped":
                    server.request("POST", f"{url}/stop")
        return left == 0

    eventually(settled, "every session to end", timeout=120 + 5 * rounds)

    numbers = [f"line {n:06d}" for n in range(1, LINES + 1)]
    for session_id, session in sessions().items():
        _, status, reason = KINDS[str(session["task"])]
        assert (session["status"], session["reason"]) == (status, reason), session
        log = site.log(session_id).read_text()
        if session["task"] == "exact":
            assert log == "".join(f"line {n:06d}\n" for n in range(1, 26)), session
        # each line once: it ran, it ran to its end, and it ran once
        elif session["task"] != "stopped":
            assert [n for n in numbers if log.count(n) != 1] == [], session
        assert log.count("sample hive") <= 1
        eventually(
            partial(_agree, site.session_dir(session_id) / "session.json", session),
            "session.json to agree",
            timeout=2 * slack(),
        )
    directories = {p.name for p in (site.workspace / ".swarm/sessions").iterdir() if p.is_dir()}
    marked = {p.name for p in (site.state_dir / "creating").iterdir()}
    assert directories - set(listed) <= marked, "a directory that no cleanup would find"
    index = site.workspace / ".swarm/sessions/index.json"
    expected = {session_id: s["status"] for session_id, s in sessions().items()}
    eventually(
        lambda: (
            {
                session_id: entry["status"]
                for session_id, entry in json.loads(index.read_text())["sessions"].items()
            }
            == expected
        ),
        "index.json to agree",
        timeout=(2 if len(kinds) <= 1000 else 10) * slack(),  # above that it is written less often
    )
    assert server.stop() == 0
    eventually(lambda: not site.processes(), "no process to stay behind", timeout=5 * slack())
