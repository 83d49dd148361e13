"""Runs tests on PostgreSQL and Redis: ``python -m tests.on_postgresql [PYTEST'S ARGUMENTS]``.

Both servers are started, one of each for the whole run, and the settings point to them: what tests
do in their own process they do there, and each ``tests.support.Installation`` gets a database of
its own. A server that is missing is an error.
"""

import os
import subprocess
import sys

from tests import databases
from tests.support import ON_POSTGRESQL, PYTHON, ROOT

#: What is run there: the modules in which the database matters, and one test in a browser.
CHOSEN = (
    "tests/unit/test_services.py",
    "tests/unit/test_lifecycle.py",
)


def main() -> int:
    """Run them; returns pytest's exit code."""
    arguments = sys.argv[1:]
    if not any(word.startswith("tests/") for word in arguments):
        arguments += CHOSEN
    with databases.postgresql() as server, databases.redis() as hints:
        url = server.migrated()  # the copy is for tests in their own process
        settings = {
            "DATABASE_URL": url,
            "REDIS_URL": hints.url,
            ON_POSTGRESQL: str(server.port),
        }
        command = [PYTHON, "-m", "pytest", "-m", "not sqlite", *arguments]
        return subprocess.run(
            command, check=False, cwd=ROOT, env={**os.environ, **settings}
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
