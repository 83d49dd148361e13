"""What is answered of a session whose host is away, reads slowly, or shares its storage."""

import http.client
import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.apart import Apart, apart, reading
from tests.databases import PostgreSQL, Redis
from tests.integration.api_client import API, fetch
from tests.integration.viewers import view
from tests.support import BEARER, eventually, slack

_MAKE = 'echo x >"$HIVE_MIND_OUTPUT_DIR/x"'
#: What is read of a session on storage that all hosts share.
_SHARED = ("log", "log?tail=1", "log/stream", "log/search?text=kept", "outputs", "outputs/x")


@pytest.fixture(scope="module")
def hosts(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL, redis: Redis
) -> Iterator[Apart]:
    """Two hosts for the whole file; each test leaves B running."""
    with apart(tmp_path_factory.mktemp("away"), postgresql, redis) as made:
        yield made


def _last_id(stream: bytes) -> int:
    return int(re.findall(rb"id: (\d+)\n", stream)[-1])


async def test_a_host_that_dies_is_named_and_readers_go_on_when_it_is_back(hosts: Apart) -> None:
    go = hosts.cluster.base / "go"
    wait = json.dumps(["sh", "-c", f"until test -e {go}; do sleep 0.1; done"])
    acts = ("say", "begun", "run", wait, "fill", "2500032", "say", "x")
    [session_id] = hosts.cluster.begin(1, *acts)
    path = f"{API}/sessions/{session_id}"
    log = hosts.b.site.log(session_id)
    eventually(lambda: b"begun" in fetch(hosts.web, "GET", f"{path}/log").body, "its log")

    async with view(hosts.web, f"/ws/sessions/{session_id}?offset=0") as viewer:
        await viewer.log_of(6)
        with reading(hosts.web, f"/sessions/{session_id}/log/stream", BEARER) as stream:
            heard = stream.read1()
            while b"begun" not in heard:
                heard += stream.read1()
            hosts.b.signal(signal.SIGKILL)
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                stream.read()

        begun = time.monotonic()
        refused = fetch(hosts.web, "GET", f"{path}/log").problem(503, "host_unavailable")
        assert time.monotonic() - begun < slack()
        assert re.search(
            r"host b, which cannot be reached \(heard of last at 20", refused["detail"]
        )
        for name in ("outputs.zip", "log/search?text=x", "metrics", "swarm", "log/stream"):
            fetch(hosts.web, "GET", f"{path}/{name}").problem(503, "host_unavailable")
        for known in (path, f"{path}/status", f"{API}/sessions"):
            assert fetch(hosts.web, "GET", known).status == 200
        page = fetch(hosts.web, "GET", f"/sessions/{session_id}/")
        assert page.status == 200
        assert "host b, which cannot be reached" in page.body.decode()
        away = await viewer.frame("away")
        assert "host b" in away["detail"]

        go.touch()
        eventually(lambda: log.read_bytes().endswith(b"\nx\n"), "the run to write all")
        hosts.b.start()
        await viewer.frame("end")
    hosts.ended(session_id)

    assert viewer.log == log.read_bytes()
    again = {"Last-Event-ID": str(_last_id(heard))}
    rest = fetch(hosts.web, "GET", f"{path}/log/stream", headers=again).body
    texts = [json.loads(data)["text"] for data in re.findall(rb"event: log\ndata: (.*)\n", rest)]
    assert "".join(texts).encode() == log.read_bytes()[_last_id(heard) :]
    assert "Traceback" not in hosts.web.output
    assert "Traceback" not in hosts.b.output.read_text()


def test_a_slow_reader_holds_up_the_other_host_and_fills_no_memory(hosts: Apart) -> None:
    size = 64 * 1024 * 1024
    make = f'head -c {size} /dev/zero >"$HIVE_MIND_OUTPUT_DIR/zeros"'
    session_id = hosts.run("run", json.dumps(["sh", "-c", make]))
    assert hosts.b.process is not None
    pids = (hosts.web.process.pid, hosts.b.process.pid)
    fetch(hosts.web, "GET", f"{API}/sessions/{session_id}/outputs")
    before = [_resident(pid) for pid in pids]

    with reading(hosts.web, f"/sessions/{session_id}/outputs/zeros", BEARER) as answer:
        answer.read(1000)
        seen = [-1]

        def stands_still() -> bool:
            time.sleep(0.3)
            seen.append(_read_by(pids[1]))
            return seen[-1] - seen[-2] < 100_000

        eventually(stands_still, "the other host to wait for the reader")
        grown = [_resident(pid) - was for pid, was in zip(pids, before, strict=True)]
        assert max(grown) < 16 * 1024 * 1024, grown
        rest = answer.read()
    assert len(rest) == size - 1000
    assert not any(rest)


def test_a_reader_that_goes_ends_the_reading_on_the_other_host(hosts: Apart) -> None:
    [session_id] = hosts.cluster.begin(1, "say", "begun", "sleep", "600")
    eventually(lambda: _connections(hosts.port) == 0, "older connections to be over", 90)
    with reading(hosts.web, f"/sessions/{session_id}/log/stream", BEARER) as stream:
        assert stream.status == 200
        assert eventually(lambda: _connections(hosts.port) >= 1, "it to be read on B")
    # by itself the server would end it after ten seconds
    eventually(lambda: _connections(hosts.port) == 0, "B to hear that the reader has gone", 8)
    fetch(hosts.web, "POST", f"{API}/sessions/{session_id}/stop?wait=20")


def _resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(text.partition("VmRSS:")[2].split()[0])


def _read_by(pid: int) -> int:
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


def _connections(port: int) -> int:
    """How many are established to a port of this machine (/proc/net/tcp: state 01)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2] == f"0100007F:{port:04X}" and row[3] == "01" for row in rows)


def test_with_shared_storage_logs_and_files_are_read_directly(hosts: Apart) -> None:
    session_id = hosts.run("run", json.dumps(["sh", "-c", _MAKE]), "say", "kept")
    base = f"{API}/sessions/{session_id}"
    near = {name: fetch(hosts.local, "GET", f"{base}/{name}").body for name in _SHARED}
    shared = hosts.serve(hosts.site("shared", HIVE_SHARED_STORAGE="1"))
    hosts.b.signal(signal.SIGKILL)

    for name, body in near.items():
        assert fetch(shared, "GET", f"{base}/{name}").body == body, name
    fetch(shared, "GET", f"{base}/metrics").problem(503, "host_unavailable")
    # elsewhere nothing of it is taken for removed while its host is away
    kept = fetch(hosts.web, "POST", f"{API}/cleanup", {"hours": 0}).json
    assert kept["removed"] == []
    assert any("host b, which" in item["reason"] for item in kept["kept"])
    assert fetch(hosts.web, "GET", base).status == 200
    assert hosts.b.site.log(session_id).exists()
    hosts.b.start()
