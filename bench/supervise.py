"""What it costs to supervise many sleeping sessions: ``python -m bench.supervise``.

Starts a server of its own in a temporary directory and sessions of ``sleep`` in it over HTTP,
leaves them alone for a while, kills the server and starts it again, and stops all sessions. Each
figure stands beside a yardstick measured in the same run, so that a busy machine shifts both.
"""

import argparse
import http.client
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import local

from bench import probes
from bench.goals import Goal
from bench.site import TOKEN, Site, end_processes

SLEEP = ["sleep", "100000"]
CALLERS = 4
#: Sessions that are made to see how long that takes.
CALLS = 100
#: What is still on its way may end first (s), before idle time is measured.
SETTLE = 10.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: a figure and the yardstick's, in the same unit."""

    name: str
    value: float
    unit: str
    yardstick: str
    yard: float

    @property
    def ratio(self) -> float:
        """The figure against the yardstick's."""
        return self.value / self.yard if self.yard else float("inf")


class Caller:
    """JSON over HTTP, one connection a thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._threads = local()

    def post(self, path: str, body: object = None) -> dict[str, object]:
        """As :meth:`ask`."""
        return self.ask("POST", path, body)

    def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """The answer's body; the measurement ends if it is a refusal."""
        if not hasattr(self._threads, "connection"):
            self._threads.connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection: http.client.HTTPConnection = self._threads.connection
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text!r}")
        return dict(json.loads(text))


@dataclass(frozen=True, slots=True)
class Plain:
    """The yardsticks of processes: ``sleep`` started directly, ended, and what it takes."""

    starts: float
    end: float
    pss: float


def _plain(sessions: int) -> Plain:
    begun = time.perf_counter()
    children = [
        subprocess.Popen(SLEEP, start_new_session=True, stdin=subprocess.DEVNULL)
        for _ in range(sessions)
    ]
    started = time.perf_counter() - begun
    pss = statistics.mean(probes.memory(child.pid).pss for child in children)
    begun = time.perf_counter()
    for child in children:
        child.kill()
    for child in children:
        child.wait()
    return Plain(sessions / started, time.perf_counter() - begun, pss)


def _empty(site: Site, idle: float) -> tuple[float, float, float, dict[str, float]]:
    """A server without sessions: seconds until it answers, memory, idle share, latencies."""
    begun = time.perf_counter()
    with site.server() as process:
        took = time.perf_counter() - begun
        time.sleep(min(SETTLE, idle))
        share, used = probes.busy(process.pid, idle), probes.memory(process.pid).rss
        return took, used, share, _latencies(Caller(site.port))


def _latencies(caller: Caller) -> dict[str, float]:
    """Medians (ms) of creating a session and asking for its status, one after the other."""
    creates, asks = [], []
    for number in range(CALLS):
        begun = time.perf_counter()
        made = caller.ask("POST", "/api/v1/sessions", {"task": f"one more {number}"})
        creates.append(1000 * (time.perf_counter() - begun))
        for _ in range(5):
            begun = time.perf_counter()
            caller.ask("GET", f"/api/v1/sessions/{made['session_id']}/status")
            asks.append(1000 * (time.perf_counter() - begun))
    return {"create": statistics.median(creates), "status": statistics.median(asks)}


def goals(*, quick: bool) -> Iterator[Goal]:
    """What many sleeping sessions cost, with sampling off."""
    sessions, idle = (5, 1.0) if quick else (1000, 30.0)
    for figure in measure(sessions, idle, HIVE_SAMPLE_EVERY="off"):
        what, yard = f"{figure.name}; {sessions:,} sleep", (figure.yard, figure.yardstick)
        if figure.name == "server, idle":
            yield Goal(7, what, figure.value, figure.unit, 1, yard=yard[0], yardstick=yard[1])
        elif figure.unit == "ms":  # "the same": what a median differs by is not seen
            most = 1.25
            yield Goal(
                7, what, figure.value, "ms", most, yard=yard[0], of_yard=True, yardstick=yard[1]
            )


def measure(sessions: int, idle: float, **settings: str) -> list[Figure]:
    """The table's rows.

    Args:
        sessions: how many sleep at once.
        idle: for how long (s) to watch what the server uses while nothing happens.
        **settings: of the server.
    """
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        command = json.dumps(SLEEP)
        more = {"HIVE_MIN_FREE_MEMORY": "0", "HIVE_MIN_FREE_DISK": "0", **settings}
        site = Site(Path(directory), HIVE_COMMAND=command, HIVE_SLOTS=str(sessions), **more)
        try:
            return _measure(site, sessions, idle)
        finally:
            end_processes(directory)


def _measure(site: Site, sessions: int, idle: float) -> list[Figure]:
    plain = _plain(sessions)
    empty_start, empty_rss, empty_share, empty_times = _empty(site, idle)
    caller, runs = Caller(site.port), site.base / "state" / "runs"
    figures = []
    with site.server() as process, ThreadPoolExecutor(CALLERS) as pool:
        begun = time.perf_counter()
        bodies = [{"task": f"task {number}", "start": True} for number in range(sessions)]
        made = pool.map(lambda body: caller.post("/api/v1/sessions", body), bodies)
        ids = [str(session["session_id"]) for session in made]
        probes.until(lambda: probes.supervised(process.pid) >= sessions, "all to run")
        rate = sessions / (time.perf_counter() - begun)
        figures.append(
            Figure("created and started", rate, "1/s", "`sleep`, directly", plain.starts)
        )
        time.sleep(min(SETTLE, idle))
        share, used = probes.busy(process.pid, idle), probes.memory(process.pid).rss
        figures.append(Figure("server, idle", share, "% of a core", "no sessions", empty_share))
        for name, took in _latencies(caller).items():
            figures.append(Figure(name, took, "ms", "no sessions", empty_times[name]))
        figures.append(Figure("server, memory", used / 1e6, "MB", "no sessions", empty_rss / 1e6))
        pids = probes.launches(runs)
        recorders = [probes.memory(recorder) for _, recorder in pids]
        for name, values in (
            ("a recorder, its share (Pss)", [memory.pss for memory in recorders]),
            ("a recorder, its own alone", [memory.private for memory in recorders]),
        ):
            kilobytes = statistics.mean(values) / 1e3
            figures.append(Figure(name, kilobytes, "kB", "`sleep`, its share", plain.pss / 1e3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    begun = time.perf_counter()
    process = site.begin()
    probes.until(lambda: probes.supervised(process.pid) >= sessions, "all to be adopted")
    took = time.perf_counter() - begun
    figures.append(Figure("adopted after SIGKILL", took, "s", "start without", empty_start))
    site.wait_until_it_answers(process)
    with ThreadPoolExecutor(CALLERS) as pool:
        begun = time.perf_counter()
        list(pool.map(lambda key: caller.post(f"/api/v1/sessions/{key}/stop"), ids))
        everybody = [pid for pair in pids for pid in pair]
        probes.until(lambda: not any(probes.alive(pid) for pid in everybody), "all to end")
        probes.until(lambda: not probes.supervised(process.pid), "all to be settled")
        took = time.perf_counter() - begun
    figures.append(Figure("all stopped", took, "s", "SIGKILL to `sleep`", plain.end))
    process.send_signal(signal.SIGTERM)
    process.wait()
    return figures


def table(sessions: int, figures: list[Figure]) -> str:
    """The rows as Markdown."""
    lines = [[f"{sessions:,} sleeping sessions", "measured", "yardstick", "", "ratio"]]
    lines.append(["---", "---:", "---", "---:", "---:"])
    for figure in figures:
        measured, yard = f"{figure.value:.2f} {figure.unit}", f"{figure.yard:.2f} {figure.unit}"
        lines.append([figure.name, measured, figure.yardstick, yard, f"{figure.ratio:.2f}"])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--idle", type=float, default=30.0, help="idle seconds (default 30)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    figures = measure(options.sessions, options.idle)
    if options.json:
        found = {f.name: {"value": f.value, "unit": f.unit, "ratio": f.ratio} for f in figures}
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        sys.stdout.write(table(options.sessions, figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
