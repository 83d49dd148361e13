"""Short ways lead where the long ones do: the client's socket path; steps of sessions, in turn."""

import asyncio
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from hiveweb.env import Env, socket_path, socket_path_at_once
from sessions_app import db
from tests.support import PYTHON, ROOT


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"HIVE_STATE_DIR": "/var/lib/hive"},
        {"HIVE_STATE_DIR": "state", "HIVE_SOCKET": ""},
        {"HIVE_STATE_DIR": "/var/lib/hive", "HIVE_SOCKET": "/run/hive/door.sock"},
        {"HIVE_SOCKET": "doors/one.sock"},
        {"HIVE_SOCKET": "//run//hive/./door.sock"},
        {"HIVE_SOCKET": "~/door.sock"},
        {"HIVE_STATE_DIR": "~/state"},
        {"HIVE_SOCKET": "../door.sock"},
    ],
    ids=str,
)
def test_the_client_finds_the_socket_that_the_server_has(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    env = Env(str(tmp_path), {"HIVE_ENV_FILE": "/dev/null", **settings})
    found = socket_path_at_once(env)
    assert found is None or os.path.normpath(found) == socket_path(env)
    assert (found is None) == any(word in str(settings) for word in ("~", ".."))


def test_the_client_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from sessions_app.client import main; "
        "print([name for name in ('os', 'collections', 'socket') if name in sys.modules])"
    )
    command = [PYTHON, "-I", "-S", "-c", code, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.django_db(transaction=True)
def test_steps_of_sessions_are_done_one_after_the_other() -> None:
    under_way, most = 0, 0

    def step() -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        time.sleep(0.01)  # others get the interpreter's lock
        under_way -= 1
        return threading.current_thread().name

    async def several() -> list[str]:
        return await asyncio.gather(*(db.brief(step) for _ in range(5)))

    names = asyncio.run(several())
    one_writer = connection.vendor == "sqlite"
    assert ((most, len(set(names))) == (1, 1)) is one_writer
