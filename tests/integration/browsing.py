"""A browser without scripts: keeps cookies, fills in forms, follows nothing by itself."""

import re
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from tests.integration.api_client import Reply, fetch
from tests.support import Installation, Server

#: How the cookie of a signed-in browser is called: each installation's has a name of its own.
SESSION_COOKIE = re.compile(r"hive_[0-9a-f]{8}")


class Browser:
    """One person's browser at one server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.cookies: dict[str, str] = {}

    @property
    def headers(self) -> dict[str, str]:
        """What it sends with each request."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    @property
    def session_cookie(self) -> str:
        """The name of the cookie by which it is signed in."""
        [name] = [name for name in self.cookies if SESSION_COOKIE.fullmatch(name)]
        return name

    def get(self, path: str) -> Reply:
        """Open a page."""
        return self._keep(fetch(self._server, "GET", path, headers=self.headers))

    def post(self, path: str, *, form_at: str = "", **fields: str) -> Reply:
        """Fill in the form that stands on the page ``form_at`` and send it."""
        page = self.get(form_at or path).body.decode()
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        body = urlencode({**fields, **({"csrfmiddlewaretoken": found[1]} if found else {})})
        headers = {
            **self.headers,
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self._server.url,
        }
        return self._keep(fetch(self._server, "POST", path, body.encode(), headers))

    def _keep(self, reply: Reply) -> Reply:
        for line in reply.cookies:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0" or not morsel.value:
                    del self.cookies[name]
        return reply

    def sign_in(self, name: str, password: str) -> Reply:
        """By name and password."""
        return self.post("/login", username=name, password=password)


def link(site: Installation, *words: str) -> str:
    """The path of a new one-time link."""
    done = site.script("link", *words)
    found = re.search(r"/login\?key=\S+", done.stdout.decode())
    assert found, done
    return found[0]


def signed_in(server: Server, site: Installation, *words: str) -> Browser:
    """A browser that was signed in by a one-time link: as the administrator, or ``--user NAME``."""
    browser = Browser(server)
    assert browser.get(link(site, *words)).status == 302
    return browser


def token(site: Installation, name: str, role: str, *words: str) -> dict[str, str]:
    """The header of a new API token."""
    done = site.script("token", "create", "--name", name, "--role", role, *words)
    assert done.returncode == 0, done
    return {"Authorization": f"Bearer {done.stdout.decode().strip()}"}
