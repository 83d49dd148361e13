"""/metrics of a running server, read by the client library's own parsers."""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from tests.integration.api_client import Stream, fetch
from tests.integration.browsing import token
from tests.integration.looking import ended, running
from tests.integration.test_spawner import create
from tests.support import BEARER, PYTHON, ROOT, Installation, Server, eventually

NOBODY = {"Cookie": ""}


@dataclass(frozen=True)
class Scraped:
    """What one scrape found."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def __call__(self, name: str, **labels: str) -> float:
        return self.values[name, frozenset(labels.items())]

    def of(self, name: str) -> dict[str, float]:
        """The values of a metric that are not 0, by the values of its labels."""
        found = {key[1]: value for key, value in self.values.items() if key[0] == name and value}
        return {" ".join(v for _, v in sorted(labels)): value for labels, value in found.items()}


def scrape(server: Server, headers: dict[str, str] | None = None) -> Scraped:
    reply = fetch(server, "GET", "/metrics", headers=headers)
    assert reply.status == 200, reply
    values = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }
    return Scraped(values)


def eventually_says(server: Server, name: str, value: float, **labels: str) -> Scraped:
    """A scrape in which a metric has a value: readings serve everybody for a second."""
    return eventually(
        lambda: (
            (found := scrape(server)).values.get((name, frozenset(labels.items()))) == value
            and found
        ),
        f"{name}{labels} to be {value}",
    )


def counters(found: Scraped) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Those that events feed."""
    names = ("hive_sessions_", "hive_usage_limits", "hive_start_latency", "hive_run_seconds")
    grows = ("_total", "_count", "_bucket")
    return {
        k: v for k, v in found.values.items() if k[0].startswith(names) and k[0].endswith(grows)
    }


def test_a_life_of_sessions(site: Installation) -> None:
    # given a server with two slots, to which nothing has happened
    site.env["HIVE_SLOTS"] = "2"
    server = site.up()
    before = eventually_says(server, "hive_spawner_supervised", 0)
    assert before.of("hive_sessions") == before.of("hive_sessions_ended_total") == {}
    assert before("hive_slots") == 2

    # when sessions end in several ways
    for words in (("--exit",), ("--exit",), ("--fail", "3")):
        ended(server, create(server, "x", "--seconds", "0.1", *words))
    stopped = create(server, "x", "--hang")
    running(server, stopped)
    assert site.script("stop", stopped).returncode == 0
    # and some run, wait, or were never started
    for _ in range(2):
        running(server, create(server, "x", "--hang"))
    waits = create(server, "x", "--hang")
    assert site.script("create", "x").returncode == 0
    server.request("POST", f"/api/v1/sessions/{stopped}/retry", {"start": False})

    # then it says so
    now = eventually_says(server, "hive_sessions", 2, state="created")
    assert now.of("hive_sessions") == {
        "created": 2,
        "starting": 1,
        "running": 2,
        "completed": 2,
        "failed": 2,
    }
    assert now.of("hive_sessions_waiting") == {"slot": 1}
    assert 0 < now("hive_queue_oldest_seconds") < 120
    assert now("hive_slots_taken") == 2
    assert now("hive_sessions_created_total") == 9
    assert now("hive_sessions_retried_total") == 1
    assert now.of("hive_sessions_ended_total") == {
        "exited completed": 2,
        "exited failed": 1,
        "stopped failed": 1,
    }
    assert now("hive_start_latency_seconds_count") == 6
    assert now.of("hive_run_seconds_count") == {"completed": 2, "failed": 2}
    assert 0.1 < now("hive_run_seconds_sum", status="completed") < 120
    assert now("hive_spawner_up") == now("hive_database_up") == 1
    assert now("hive_database_bytes", file="wal") > 0
    assert now("process_open_fds") > 10
    sampled = eventually_says(server, "hive_runs_sampled", 2)
    assert sampled("hive_runs_processes") >= 2
    assert sampled("hive_runs_memory_bytes") > 1_000_000
    assert now("hive_info", version="0.1.0") == 1

    # and has the labels that it had before anything happened, but for who ended how
    assert now.values.keys() == before.values.keys()

    # when all that has ended is cleaned up
    assert site.script("cleanup", "0").returncode == 0
    cleaned = eventually_says(server, "hive_sessions", 0, state="completed")
    # then no counter has fallen
    assert counters(cleaned) == counters(now)

    # when the server is started anew, then they begin at 0, and what is there is still there
    server.stop()
    again = scrape(site.up())
    assert again.of("hive_sessions_ended_total") == {}
    assert again("hive_sessions_created_total") == 0
    assert again("hive_sessions", state="running") == 2
    assert site.script("stop", waits).returncode == 0


def test_the_rules_name_metrics_that_are_there_and_say_what_to_do(shared_server: Server) -> None:
    eventually_says(shared_server, "hive_spawner_supervised", 0)
    there = {name for name, _ in scrape(shared_server).values} | {"up"}
    file = ROOT / "deploy" / "prometheus" / "alerts.yml"
    rules = yaml.safe_load(file.read_text())["groups"][0]["rules"]
    assert len(rules) > 10
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        named = set(re.findall(r"\b(?:hive_\w+|up)\b", rule["expr"]))
        assert named
        assert named <= there, named - there
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert len(rule["annotations"]["description"]) > 40
        assert "instance" in rule["annotations"]["summary"]
        assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= {
            "instance",
            "place",
            "profile",
        }


def test_open_metrics_for_who_asks_for_it(shared_server: Server) -> None:
    wanted = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.3"}
    reply = fetch(shared_server, "GET", "/metrics", headers=wanted)
    assert reply.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    parse: Any = openmetrics.text_string_to_metric_families  # it has no types
    families = {family.name: family for family in parse(reply.body.decode())}
    assert families["hive"].type == "info"
    assert families["hive_sessions_created"].type == "counter"


def test_it_takes_an_identity(shared_site: Installation, shared_server: Server) -> None:
    fetch(shared_server, "GET", "/metrics", headers=NOBODY).problem(401, "unauthorized")
    wrong = {"Authorization": "Bearer hivetok_wrong"}
    fetch(shared_server, "GET", "/metrics", headers=wrong).problem(401, "unauthorized")
    viewer = token(shared_site, "prometheus", "viewer")
    found = scrape(shared_server, viewer)
    # who was turned away is counted
    eventually(
        lambda: scrape(shared_server, viewer)("hive_requests_refused_total", status="401") >= 2,
        "the refusals to be counted",
    )
    assert found("hive_database_up") == 1


def test_many_scrapes_at_once_share_one_reading(shared_server: Server) -> None:
    def body(_: int) -> bytes:
        return fetch(shared_server, "GET", "/metrics").body

    with ThreadPoolExecutor(20) as pool:
        bodies = list(pool.map(body, range(20)))

    # two where a second went by in between; each reading has its own times
    assert len(set(bodies)) <= 2
    assert all(b"hive_database_read_seconds " in found for found in bodies)


def test_readers_of_logs_and_what_they_were_handed(shared_server: Server) -> None:
    session_id = create(shared_server, "x", "--hang")
    running(shared_server, session_id)
    handed = scrape(shared_server)("hive_log_sent_bytes_total")
    address = f"{shared_server.url.replace('http', 'ws', 1)}/ws/sessions"
    with (
        Stream(shared_server, f"/api/v1/sessions/{session_id}/log/stream?offset=0") as stream,
        connect(address, additional_headers=BEARER) as viewer,
    ):
        first = next(iter(stream))
        assert first.data
        now = eventually_says(shared_server, "hive_log_readers", 1)
        assert now("hive_viewers") == 1
        viewer.send("not what a page says")
        assert now("hive_logs_watched", by="inotify") == 1
        assert now("hive_log_sent_bytes_total") > handed
    now = eventually_says(shared_server, "hive_log_readers", 0)
    assert now("hive_viewers") == 0
    assert now("hive_viewers_given_up_total", code="4400") == 1
    shared_server.request("POST", f"/api/v1/sessions/{session_id}/stop")


@contextlib.contextmanager
def unreadable(database: Path) -> Iterator[None]:
    """Another process has SQLite's locks in the way of readers, too (bytes 120 to 127: WAL)."""
    script = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'r+b') as file:\n"
        "    fcntl.lockf(file, fcntl.LOCK_EX, 8, 120)\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [PYTHON, "-ISc", script, f"{database}-shm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as locker:
        assert locker.stdin
        assert locker.stdout
        assert locker.stdout.readline() == b"locked\n"
        yield
        locker.stdin.close()
        assert locker.wait(timeout=10) == 0


def test_a_database_that_is_away(shared_site: Installation, shared_server: Server) -> None:
    server = shared_server
    ended(server, create(server, "x", "--seconds", "0.1", "--exit"))
    eventually_says(server, "hive_sessions_ended_total", 1, status="completed", reason="exited")

    with unreadable(shared_site.database):
        away = eventually_says(server, "hive_database_up", 0)
        # what is known without it is told, and what was counted stays
        assert away("hive_spawner_up") == 1
        assert away("hive_disk_free_bytes", place="state") > 0
        assert away("hive_sessions_ended_total", status="completed", reason="exited") == 1
        assert ("hive_sessions", frozenset({("state", "running")})) not in away.values

    back = eventually_says(server, "hive_database_up", 1)
    assert back("hive_sessions", state="completed") == 1
