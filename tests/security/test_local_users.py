"""Attacks by other users of the machine, and by members of the socket's group.

Who comes in at all: tests/integration/test_local_socket.py. What a run under its own user may:
tests/integration/test_two_users.py.
"""

import asyncio
import grp
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_local_socket import as_nobody
from tests.support import Installation, eventually, installation

GROUP = "games"


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that every user may enter: what is closed in it is closed by us."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def house(place: Path) -> Iterator[Installation]:
    """A server whose socket is for a group, with a session that has run."""
    door = place / "door" / "hive.sock"
    with installation(
        place / "site", HIVE_SOCKET=str(door), HIVE_SOCKET_GROUP=GROUP, HIVE_SECRET_KEY=""
    ) as site:
        site.up(ready=False)
        eventually(door.exists, "the socket")
        yield site


def members_hear(house: Installation, *words: str) -> bytes:
    """What a member of the group hears."""
    door = Path(house.env["HIVE_SOCKET"])
    group = grp.getgrnam(GROUP).gr_gid
    return asyncio.run(as_nobody(door, *words, groups=(group,)))


@pytest.mark.parametrize(
    "words",
    [
        ("import", "{other}"),
        ("import", "/etc"),
        ("import", "--dry-run", "/root"),
        ("import",),
        ("doctor", "--repair"),
        ("link",),
        ("link", "--user", "admin"),
        ("user", "create", "x", "--role", "administrator"),
        ("user", "role", "admin", "--role", "viewer"),
        ("user", "disable", "admin"),
        ("user", "list"),
        ("token", "create", "--name", "x", "--role", "viewer"),
        ("audit",),
        ("audit", "--json"),
    ],
)
def test_a_member_of_the_group_is_no_administrator(
    house: Installation, place: Path, words: tuple[str, ...]
) -> None:
    """An operator: the server, which may be root, reads and writes nothing of their choice."""
    other = place / "other" / ".swarm" / "sessions"
    other.mkdir(parents=True, exist_ok=True)
    (other / "index.json").write_text('{"sessions": {}, "created": "2026-01-01T00:00:00+00:00"}')
    heard = members_hear(house, *(word.format(other=other.parents[1]) for word in words))
    assert b"administrator" in heard, heard
    assert heard.rstrip().endswith(b"x\\x00\\x00\\x00\\x015'"), heard  # exit code 5: not allowed


def test_tokens_that_are_not_theirs_cannot_be_revoked(house: Installation) -> None:
    assert house.hive("token", "create", "--name", "kept").returncode == 0
    assert b"no valid token" in members_hear(house, "token", "revoke", "kept")
    assert b'"tokens": []' in members_hear(house, "token", "list")


@pytest.mark.parametrize("verb", ["backup", "migrate", "up", "shell", "runserver", "../up", ""])
def test_the_socket_knows_verbs_only(house: Installation, place: Path, verb: str) -> None:
    heard = members_hear(house, verb, str(place / "made"), "--force")
    assert b"verb" in heard or b"process of its own" in heard or b"usage" in heard, heard
    assert not (place / "made").exists()


def test_another_user_reads_none_of_our_secrets(house: Installation) -> None:
    """Key, database, sockets, records of runs: the state directory is closed, and so are we."""
    server = next(pid for pid, line in house.processes().items() if "hive up" in line)
    secrets = [str(path) for path in [house.state_dir, *house.state_dir.rglob("*")]]
    secrets += [f"/proc/{server}/{name}" for name in ("environ", "mem", "fd", "cwd/manage.py")]
    secrets.append(house.env["HIVE_SOCKET"])
    assert any(path.endswith("hiveweb.sqlite3") for path in secrets)
    code = (
        "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(1)\n"
        "    except OSError: continue\n"
        "    print(path)"
    )
    command = [sys.executable, "-I", "-S", "-c", code, *secrets]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done
