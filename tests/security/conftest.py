"""One installation for all attacks: sessions are private, people of every role live in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.integration.api_client import API, fetch
from tests.integration.browsing import Browser, signed_in, token
from tests.support import BEARER, Installation, Server, installation

Headers = dict[str, str]


@dataclass
class Town:
    """The installation and who lives there: two operators, a viewer, an administrator."""

    site: Installation
    server: Server
    anna: Headers
    bert: Headers
    viewer: Headers
    root: Headers = field(default_factory=lambda: dict(BEARER))

    def browser(self, name: str) -> Browser:
        """A browser in which a user of this name, made if there is none, is signed in."""
        self.site.script("user", "create", name)
        return signed_in(self.server, self.site, "--user", name)

    def session(self, who: Headers, **fields: object) -> str:
        """A new session of somebody's; returns its id."""
        body = {"task": "a task", **fields}
        made = fetch(self.server, "POST", f"{API}/sessions", body, who)
        assert made.status == 201, made
        return str(made.json["session_id"])


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The installation, once in each process that runs tests."""
    with installation(
        tmp_path_factory.mktemp("town") / "site", HIVE_PRIVATE_SESSIONS="on", HIVE_SLOTS="2"
    ) as site:
        server = site.up()
        anna, bert = token(site, "anna", "operator"), token(site, "bert", "operator")
        yield Town(site, server, anna, bert, token(site, "viewer", "viewer"))
