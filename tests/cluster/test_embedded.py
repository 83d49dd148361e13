"""The embedded default has nothing of the cluster in it."""

import json

from tests.support import Installation

_LOADED = """
import json, sys
import hiveweb.asgi
from sessions_app import callers, claims, queries, server, services
from sessions_app.spawner import loop, main
callers.become(callers.SYSTEM)
session = services.create("x", start=True)
queries.full_json(session)
services.start(session.id)
claimed = claims.claim_next("here", 1)
claims.release(claimed.id, claimed.attempt, "interrupted")
services.stop(session.id)
names = {name.partition(".")[0] for name in sys.modules}
others = {"procrastinate", "psycopg", "psycopg_pool", "croniter", "httpx2", "uvicorn"}
print(json.dumps(sorted(names & others)))
"""


def test_the_embedded_default_loads_no_engine(site: Installation) -> None:
    site.migrate()
    done = site.manage("shell", "-v0", "-c", _LOADED)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == []
