"""Talking to the plain TCP endpoint of the Model Context Protocol: one JSON object a line."""

import contextlib
import json
import socket
from typing import Any

from tests.support import TOKEN


class Talk:
    """A connection, as an older client has one."""

    def __init__(self, port: int, *lines: object) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self.socket.makefile("rb")
        self.say(*lines)

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def say(self, *lines: object) -> None:
        for line in lines:
            data = line if isinstance(line, bytes) else json.dumps(line).encode()
            self.socket.sendall(data + b"\n")

    def hear(self) -> Any:
        """The next answer; None when the server has closed the connection."""
        with contextlib.suppress(ConnectionResetError):
            line = self._file.readline()
            return json.loads(line) if line else None

    def ask(self, request: object) -> Any:
        self.say(request)
        return self.hear()


def request(method: str, request_id: object = 1, **params: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


HELLO = f"Authorization: Bearer {TOKEN}".encode()
PING = request("ping")
