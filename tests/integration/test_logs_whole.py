"""Whatever a command does with its output, the log has it byte for byte."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.looking import ended
from tests.integration.test_spawner import create
from tests.support import PYTHON, Installation, Server, eventually, installation

#: Runs the shell script or the Python that is its task.
RUNNER = json.dumps(
    [
        "/bin/sh",
        "-c",
        'case $0 in "#py"*) exec "$1" -ISc "$0" ;; *) exec sh -c "$0" ;; esac',
        "{task}",
        PYTHON,
    ]
)
PY = "#py\nimport os, sys, time\n"
ODD = b"\xff\xfe\xc3(\xed\xa0\x80\r\x1b[2J"
BINARY = bytes(range(256)) * 300 + ODD
BURST = b"".join(b"line %06d of a burst\n" % n for n in range(100_000))
#: What it does, its script, what it writes, its exit code.
KINDS = [
    (
        "closes stdout",
        "echo one; exec >&-; echo two 2>/dev/null; sleep 0.3; echo err >&2; exit 3",
        b"one\nerr\n",
        3,
    ),
    (
        "closes stderr",
        "echo one >&2; exec 2>&-; sleep 0.3; echo two; exit 4",
        b"one\ntwo\n",
        4,
    ),
    ("closes all", "exec >&- 2>&- <&-; sleep 0.3; exit 5", b"", 5),
    (
        "a child writes after its parent ended",
        "echo parent; (sleep 0.7; echo child; echo err >&2) & exit 6",
        b"parent\nchild\nerr\n",
        6,
    ),
    (
        "a child in a session of its own writes after its parent ended",
        "echo parent; setsid sh -c 'sleep 0.7; echo child' & exit 0",
        b"parent\nchild\n",
        0,
    ),
    (
        "100,000 lines in a burst",
        f"{PY}for n in range(100_000): print(f'line {{n:06d}} of a burst')",
        BURST,
        0,
    ),
    (
        "a line of 10 MB",
        f"{PY}os.write(1, b'x' * 10_000_000 + b'\\n')",
        b"x" * 10_000_000 + b"\n",
        0,
    ),
    (
        "binary",
        f"{PY}os.write(1, bytes(range(256)) * 300 + {ODD!r}); sys.exit(7)",
        BINARY,
        7,
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that runs scripts."""
    with installation(tmp_path_factory.mktemp("logs") / "site", HIVE_COMMAND=RUNNER) as made:
        yield made


@pytest.fixture(scope="module")
def server(site: Installation) -> Server:
    """Its server."""
    return site.up()


@pytest.mark.parametrize(
    ("script", "written", "code"), [kind[1:] for kind in KINDS], ids=[kind[0] for kind in KINDS]
)
def test_the_log_is_what_was_written(
    site: Installation, server: Server, script: str, written: bytes, code: int
) -> None:
    session = ended(server, create(server, script))

    assert (session["reason"], session["exit_code"]) == ("exited", code), session
    session_id = session["session_id"]
    log = site.log(session_id).read_bytes()
    assert (len(log), _digest(log)) == (len(written), _digest(written)), log[:200]
    served = server.request("GET", f"/api/v1/sessions/{session_id}/log")[1]
    assert (served or b"") == log
    followed = site.script("log", "--follow", session_id).stdout
    assert _digest(followed) == _digest(written)
    assert site.processes(session_id) == {}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_many_writers_of_one_log_lose_nothing(site: Installation, server: Server) -> None:
    lines = 2_000
    script = (
        f"{PY}n = 8\nfor who in range(n):\n    if not os.fork():\n"
        f"        for line in range({lines}):\n"
        "            os.write(1 + who % 2, b'%d %06d\\n' % (who, line))\n"
        "        os._exit(0)\n"
        "for _ in range(n): os.wait()\n"
    )

    session = ended(server, create(server, script))

    assert session["exit_code"] == 0
    got = sorted(site.log(session["session_id"]).read_bytes().splitlines())
    assert got == sorted(b"%d %06d" % (who, line) for who in range(8) for line in range(lines))


def test_a_log_that_grows_while_nobody_serves_is_whole(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with installation(tmp_path / "site", HIVE_COMMAND=RUNNER) as made:
        server = made.up()
        session_id = create(
            server,
            f"{PY}n = 0\nwhile not os.path.exists({os.fspath(gate)!r}):\n"
            "    n += 1\n    os.write(1, b'%d\\n' % n)\n    time.sleep(0.0005)\n",
        )
        log = made.log(session_id)
        for _ in range(2):
            size = log.stat().st_size
            eventually(lambda size=size: log.stat().st_size > size, "it to grow")  # type: ignore[misc]
            server.kill()
            server = made.up()
        gate.touch()

        assert ended(server, session_id)["exit_code"] == 0
        numbers = log.read_text().split()
        assert numbers == [str(n) for n in range(1, len(numbers) + 1)]
