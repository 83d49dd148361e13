"""What the guard's rules look at: one HTTP request or the opening of a websocket."""

from typing import Any

Scope = dict[str, Any]

#: What is for programs: they are told of refusals, not led to a page where people sign in. Clients
#: of /mcp look below /.well-known when they are refused.
_FOR_PROGRAMS = ("api", "mcp", ".well-known", "metrics", "readyz")


class Request:
    """What the rules look at."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.path: str = scope["path"]
        self.is_http = scope["type"] == "http"
        self.method: str = scope["method"].upper() if self.is_http else "GET"
        self.is_api = self.path.partition("/")[2].partition("/")[0] in _FOR_PROGRAMS
        self._headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            self._headers.setdefault(name, []).append(value)

    def all(self, name: bytes) -> list[str]:
        """Every value of a header."""
        return [value.decode("latin-1") for value in self._headers.get(name, ())]

    def one(self, name: bytes) -> str | None:
        """A header's value; None when it is missing or there are several."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None

    @property
    def has_body(self) -> bool:
        """Whether it announces a body, however short."""
        return b"content-length" in self._headers or b"transfer-encoding" in self._headers

    @property
    def address(self) -> str:
        """Where the other end is; empty where there is no network between us."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    @property
    def is_secure(self) -> bool:
        """Whether it came by TLS, as far as we know."""
        return self.scope.get("scheme") in ("https", "wss")

    @property
    def content_length(self) -> int:
        """The announced size of the body; 0 when none is announced."""
        text = self.one(b"content-length") or "0"
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 2**63
