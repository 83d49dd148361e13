"""Runs tests on PostgreSQL and Redis: ``python -m tests.on_postgresql [PYTEST'S ARGUMENTS]``.

Both servers are started, one of each for the whole run, and the settings point to them: what tests
do in their own process they do there, and each ``tests.support.Installation`` gets a database of
its own. A server that is missing is an error.
"""

import os
import subprocess
import sys

import pytest

from tests import databases
from tests.support import ON_POSTGRESQL, PYTHON, ROOT

#: So many of pytest's workers find the database of their own made; further ones make it.
WORKERS = 4
UNIT = (
    *("services", "lifecycle", "queries", "filters", "orders", "search", "idempotency", "events"),
    *("compiled", "performance", "overview", "bulk", "nodes"),
)
#: What is run there: the modules in which the database matters, the contract, what is only there.
CHOSEN = (
    "tests/postgresql",
    "tests/contract/test_session_api.py",
    *(f"tests/integration/test_{name}.py" for name in ("spawner", "api_sessions", "api_events")),
    *(f"tests/unit/test_{name}.py" for name in UNIT),
)


def main() -> int:
    """Run them; returns pytest's exit code."""
    arguments = sys.argv[1:]
    if not any(word.startswith("tests/") for word in arguments):
        arguments += CHOSEN
    with databases.postgresql() as server, databases.redis() as hints:
        url = server.migrated()
        for worker in ("", *(f"_gw{number}" for number in range(WORKERS))):
            server.create(f"test_{url.rpartition('/')[2]}{worker}", databases.MIGRATED)
        settings = {
            "DATABASE_URL": url,
            "REDIS_URL": hints.url,
            ON_POSTGRESQL: str(server.port),
        }
        command = [PYTHON, "-m", "pytest", "-m", "not sqlite", "--reuse-db", *arguments]
        done = subprocess.run(command, check=False, cwd=ROOT, env={**os.environ, **settings})
    nothing = done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED and "-k" in arguments
    return 0 if nothing else done.returncode


if __name__ == "__main__":
    sys.exit(main())
