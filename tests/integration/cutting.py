"""A proxy that loses one answer: the request arrives and is carried out, and nobody is told."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType


class Cutting:
    """Carries connections to a port of this machine; the first one is cut when it is answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._carriers: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        #: How many connections were cut.
        self.cut = 0

    def __enter__(self) -> "Cutting":
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for carrier in self._carriers:
            carrier.join(timeout=20)

    def _start(self, work: Callable[..., None], *words: socket.socket) -> None:
        carrier = threading.Thread(target=work, args=words, daemon=True)
        self._carriers.append(carrier)
        carrier.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # our end is closed, and that is the end
            while True:
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        upstream = ("127.0.0.1", self._port)
        with client, socket.create_connection(upstream, timeout=60) as server:
            self._start(self._carry, client, server)
            if not self.cut:
                self.cut = 1
                server.recv(65536)  # its answer, or the first part of it: nobody gets that
                client.shutdown(socket.SHUT_RDWR)
            else:
                self._carry(server, client)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
