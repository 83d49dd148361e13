"""What a call of an MCP tool costs, over HTTP and TCP, against the API: ``python -m bench.mcp``.

Starts a server of its own in a temporary directory; all ways ask for the same session, in turns, so
that a busy machine slows each of them. Times are of the whole call, CPU is the server's alone.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.site import BEARER, TOKEN, Site, end_processes
from tests.support import free_port

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
ROUNDS = 10


def cpu(pid: int) -> float:
    """Milliseconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Its memory (PSS) in MB."""
    [line] = [
        line
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    ]
    return int(line.split()[1]) * 1024 / 1e6


def main(calls: int) -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as directory:
        port = free_port()
        site = Site(Path(directory), HIVE_MCP_TCP_PORT=str(port), HIVE_RATE_LIMIT="off")
        try:
            with site.server() as process:
                _measure(site, process.pid, port, calls)
        finally:
            end_processes(directory)


def _measure(site: Site, pid: int, port: int, calls: int) -> None:
    web = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)

    def ask(method: str, path: str, body: object = None, **more: str) -> bytes:
        web.request(method, path, json.dumps(body) if body else None, {**BEARER, **JSON, **more})
        answer = web.getresponse()
        content = answer.read()
        assert answer.status < 300, content
        return content

    made = json.loads(ask("POST", "/api/v1/sessions", {"task": "a task"}))
    session_id = made["session_id"]
    params = {"name": "session_status", "arguments": {"session_id": session_id}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    before = memory(pid)
    begun = time.perf_counter()
    ask("POST", "/mcp", call)
    print(f"first call: {time.perf_counter() - begun:.2f} s, {memory(pid) - before:.0f} MB more")
    plain = socket.create_connection(("127.0.0.1", port), timeout=60)
    plain.sendall(f"Authorization: Bearer {TOKEN}\n".encode())
    lines = plain.makefile("rb")

    def by_tcp() -> None:
        plain.sendall(json.dumps(call).encode() + b"\n")
        assert b'"isError":false' in lines.readline()

    ways: dict[str, Callable[[], object]] = {
        "GET /api/v1/sessions/ID": lambda: ask("GET", f"/api/v1/sessions/{session_id}"),
        "session_status, HTTP": lambda: ask("POST", "/mcp", call),
        "session_status, TCP": by_tcp,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    used = dict.fromkeys(ways, 0.0)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            first = cpu(pid)
            for _ in range(calls // ROUNDS):
                begun = time.perf_counter()
                way()
                times[name].append((time.perf_counter() - begun) * 1000)
            used[name] += cpu(pid) - first
    print(f"{'':24} {'median ms':>10} {'CPU ms':>10}")
    for name, taken in times.items():
        print(f"{name:24} {statistics.median(taken):10.2f} {used[name] / len(taken):10.2f}")
    lines.close()
    plain.close()
    web.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500, help="of each kind")
    main(parser.parse_args().calls)
