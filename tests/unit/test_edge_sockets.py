"""Finished frames on their way to a socket. In a process of its own: see hiveweb.edge."""

import json
import subprocess

import pytest

from tests.support import PYTHON, ROOT

#: A websocket over a socket, with Twisted's part played by lists: who waits for room, and what.
PUSHING = """
import json, socket
import daphne.server
from hiveweb import edge_sockets

class Transport:
    waiting = b""
    def getHandle(self):
        return here
    def write(self, data):
        self.waiting += data

class Reactor:
    writers = []
    getWriters = staticmethod(lambda: Reactor.writers)

def received():
    got = b""
    try:
        while piece := there.recv(1 << 20):
            got += piece
    except BlockingIOError:
        pass
    return got

here, there = socket.socketpair()
here.setblocking(False)
there.setblocking(False)
edge_sockets._reactor = Reactor
websocket = edge_sockets.Socket()
websocket.state = websocket.STATE_OPEN
transport = websocket.transport = Transport()
large = bytes(range(256)) * 8192
"""


def after(code: str) -> object:
    """What a line of code says after those above."""
    done = subprocess.run(
        [PYTHON, "-c", f"{PUSHING}\n{code}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ROOM = "websocket.push(b'frame'); said = [received() == b'frame', transport.waiting == b'']"
#: There is no room for all of it, and then for nothing, though the client reads meanwhile.
PARTS = """
websocket.push(large)
said = [0 < len(transport.waiting) < len(large)]
Reactor.writers = [transport]
got = received()
websocket.push(b"second")
said += [received() == b"", got + transport.waiting == large + b"second"]
"""
FULL = """
websocket.push(large)
transport.waiting = b""
websocket.push(b"full")
said = [transport.waiting == b"full"]
there.close()
websocket.push(b"broken")  # Twisted finds out by itself
said += [transport.waiting == b"fullbroken"]
"""
CLOSED = """
websocket.state = websocket.STATE_CLOSING
websocket.push(b"late")
said = [received() == b"", transport.waiting == b""]
"""


@pytest.mark.parametrize(
    "code", [ROOM, PARTS, FULL, CLOSED], ids=["room", "parts", "full", "closed"]
)
def test_a_frame_goes_to_the_socket_and_what_does_not_fit_to_twisted(code: str) -> None:
    said = after(f"{code}\nprint(json.dumps(said))")
    assert isinstance(said, list)
    assert all(said), said
