"""What sampling costs: ``python -m bench.telemetry``.

Starts a server in a temporary directory and sessions in it that are trees of three sleeping
processes, leaves them alone for a while, and watches what the server uses; kills it, starts it
again with sampling off, which adopts them all, and watches it for as long. The difference is what
sampling takes. In the end one of the sessions tells its own figures, to show that they were taken.
"""

import argparse
import http.client
import json
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import probes
from bench.site import TOKEN, Site, end_processes

TREE = ["sh", "-c", "sleep 100000 & sleep 100000"]
PROCESSES = 3
CALLERS = 4
#: What is still on its way may end first (s); the first look at each session is the dearest.
SETTLE = 15.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Shares of one core, in %: the server with sampling, and without; seconds between looks."""

    on: float
    off: float
    apart: float

    @property
    def sampling(self) -> float:
        """What sampling takes."""
        return self.on - self.off

    @property
    def ratio(self) -> float:
        """The server with sampling against the one without."""
        return self.on / self.off if self.off else float("inf")


def _ask(port: int, method: str, path: str, body: object = None) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {text!r}")
    return dict(json.loads(text))


def _series(port: int, key: str) -> dict[str, list[float]]:
    """What was sampled of a session."""
    resources = _ask(port, "GET", f"/api/v1/sessions/{key}/metrics?points=720")["resources"]
    assert isinstance(resources, dict)
    return dict(resources["series"])


def _sampled(port: int, key: str) -> bool:
    """Whether the whole of its tree has been looked at."""
    return _series(port, key)["processes"][-1:] == [PROCESSES]


def _apart(port: int, key: str, begun: float) -> float:
    """Seconds between two looks at a session, since a time."""
    times = [at for at in _series(port, key)["at"] if at >= begun]
    return (times[-1] - times[0]) / max(1, len(times) - 1)


def measure(sessions: int, seconds: float, every: float) -> Cost:
    """Run it.

    Args:
        sessions: how many run at once.
        seconds: for how long to watch.
        every: seconds between two looks.
    """
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        site = Site(
            Path(directory),
            HIVE_COMMAND=json.dumps(TREE),
            HIVE_SLOTS=str(sessions),
            HIVE_MIN_FREE_MEMORY="0",
            HIVE_MIN_FREE_DISK="0",
            HIVE_SAMPLE_EVERY=f"{every:g}s",
        )
        try:
            return _measure(site, sessions, seconds)
        finally:
            end_processes(directory)


def _measure(site: Site, sessions: int, seconds: float) -> Cost:
    with site.server() as process:
        with ThreadPoolExecutor(CALLERS) as pool:
            bodies = [{"task": f"task {number}", "start": True} for number in range(sessions)]
            made = pool.map(lambda body: _ask(site.port, "POST", "/api/v1/sessions", body), bodies)
            ids = [str(session["session_id"]) for session in made]
        probes.until(lambda: probes.supervised(process.pid) >= sessions, "all to run")
        probes.until(
            lambda: all(_sampled(site.port, key) for key in ids[::50]), "all to be sampled"
        )
        begun = time.time()
        on = probes.busy(process.pid, seconds, SETTLE)
        apart = _apart(site.port, ids[0], begun)
        process.send_signal(signal.SIGKILL)
        process.wait()
    site.env["HIVE_SAMPLE_EVERY"] = "off"
    with site.server() as process:
        probes.until(lambda: probes.supervised(process.pid) >= sessions, "all to be adopted")
        return Cost(on, probes.busy(process.pid, seconds, SETTLE), apart)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="to watch (default 60)")
    parser.add_argument("--every", type=float, default=5.0, help="between looks (default 5)")
    options = parser.parse_args()
    cost = measure(options.sessions, options.seconds, options.every)
    what = f"{options.sessions:,} sessions of {PROCESSES} sleeping processes"
    sys.stdout.write(
        f"{what}, looks {cost.apart:.1f} s apart (HIVE_SAMPLE_EVERY: "
        f"{options.every:g} s), watched for {options.seconds:g} s\n"
        f"| server, % of a core | sampling on | off | sampling takes | ratio |\n"
        f"|---|---:|---:|---:|---:|\n"
        f"| | {cost.on:.2f} | {cost.off:.2f} | {cost.sampling:.2f} | {cost.ratio:.2f} |\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
