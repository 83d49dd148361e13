"""The drop-in's client: asks the local socket, and without a server becomes ``manage.py hive``.

Standard library only, and little of it: scripts/hive-session-manager.sh runs this with
``python -I -S`` at each call, where ten milliseconds are the interpreter's own and each module
counts.

The protocol is one request a connection. The client sends ``HIVE1``, the number of arguments and
the arguments, each ended by a NUL byte, and shuts its side down; the server sends frames: a byte
for the kind, four for the length (big-endian), the payload. Kinds: ``a`` the request has arrived,
``o`` standard output, ``e`` standard error, ``m`` mask this secret in what is followed (the first
one is empty: the server says what it knows), ``f`` follow these files, ``b`` become ``manage.py
hive`` with these words, ``x`` the exit code; ``x`` comes last. A kind that is not known is passed
over.
"""

from __future__ import annotations

import _socket
import posix
import sys

from hiveweb.env import Env, socket_path, socket_path_at_once
from sessions_app.streams import TEMPORARY_FAILURE, complain, leave, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

MAGIC = b"HIVE1\0"
#: Seconds until the server has taken the connection, and until it has acknowledged the request.
CONNECT_TIMEOUT, ANSWER_TIMEOUT = 2.0, 10.0
#: Processes of their own, not requests; the doctor has to work whatever the server does.
_PROCESSES = (b"up", b"spawner", b"backup", b"doctor", b"migrate-database")


def main() -> NoReturn:
    """Carry out ``sys.argv[2:]`` for the installation in the directory ``sys.argv[1]``."""
    leave(lambda: call(sys.argv[1], [_bytes(word) for word in sys.argv[2:]]))


def _bytes(text: str) -> bytes:
    """As ``os.fsencode``, which takes an import."""
    return text.encode(sys.getfilesystemencoding(), "surrogateescape")


def _environment() -> dict[str, str]:
    """``os.environ``, as above."""
    coding = sys.getfilesystemencoding()
    return {
        name.decode(coding, "surrogateescape"): value.decode(coding, "surrogateescape")
        for name, value in posix.environ.items()
    }


def call(root: str, words: list[bytes]) -> int:
    """Ask the server, print its answer and return the exit code; does not return if none runs."""
    if words[:1] == [b"update-status"] and posix.environ.get(b"HIVE_MIND_TOKEN"):
        from sessions_app import report  # noqa: PLC0415 - only a run's report pays for it

        code = report.send(words[1:])
        if code is not None:
            return code
    if words[:1] and words[0] in _PROCESSES:
        fall_back(root, words)
    env = Env(root, _environment())
    path = socket_path_at_once(env)
    if path is None:
        env = Env(_real(root))
        path = socket_path(env)
    connection = connect(path)
    if connection is None:
        fall_back(root, words)
    answer = Answer()
    sent = answer.ask(connection, words)
    connection.close()
    if answer.code is None:
        # A request that was cut off is never carried out. One that may have been is repeated
        # only where that changes nothing: two creates would be two sessions.
        if answer.told or (sent and words[:1] == [b"create"]):
            complain("the server broke off; `list` tells what was done")
            return TEMPORARY_FAILURE
        fall_back(root, words)
    show(1, b"".join(answer.output))
    if answer.words and answer.code == 0:
        fall_back(root, answer.words)
    if answer.follow and answer.code == 0:
        from sessions_app import follower  # noqa: PLC0415 - only those who wait pay for it

        return follower.follow(Env(_real(root)), *answer.follow, answer.secrets)
    return answer.code


def _real(root: str) -> str:
    import os  # noqa: PLC0415 - as in fall_back

    return os.path.realpath(root)


def connect(path: str) -> _socket.socket | None:
    """A connection to the server at ``path``; None when there is none."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.settimeout(CONNECT_TIMEOUT)
    try:
        if len(_bytes(path)) < 100:
            connection.connect(path)
        else:
            from sessions_app.doorbell import unix_address  # noqa: PLC0415 - rarely needed

            with unix_address(path) as address:
                connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection


def fall_back(root: str, words: list[bytes]) -> NoReturn:
    """Become ``manage.py hive``, which does the same without a server."""
    import os  # noqa: PLC0415 - a millisecond that those with a server need not wait

    root = _real(root)
    manage = os.path.join(root, "manage.py")
    directory, name = os.path.split(sys.executable)
    python = os.path.join(os.path.realpath(directory), name)
    command = [os.fsencode(python), os.fsencode(manage), b"hive", *words]
    os.execv(python, command)  # noqa: S606 - our own Python; the words are arguments


class Answer:
    """What the server said.

    Attributes:
        code: the exit code, or None when the connection ended without one.
        output: what is for standard output. Kept to the end, so that a slow reader of ours never
            holds up the server, and nobody gets half a JSON document.
        told: whether anything has been printed on standard error.
        follow: what to call :func:`follower.follow` with, if the server said so.
        words: what to become ``manage.py hive`` with, if it said that.
        secrets: what it is to mask there; None where the server did not say.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self.output: list[bytes] = []
        self.told = False
        self.words: list[bytes] = []
        self.follow: tuple[bool, bytes, bytes] | None = None
        self.secrets: list[bytes] | None = None

    def ask(self, connection: _socket.socket, words: list[bytes]) -> bool:
        """Send the request and take the answer in; False when the request was cut off."""
        sent = True
        request = b"%s%d\0%s" % (MAGIC, len(words), b"".join([word + b"\0" for word in words]))
        connection.settimeout(ANSWER_TIMEOUT)
        try:
            connection.sendall(request)
            connection.shutdown(_socket.SHUT_WR)
        except OSError:
            sent = False  # it may have told why
        buffer = bytearray()
        while self.code is None:
            try:
                data = connection.recv(65536)
            except OSError:
                break
            if not data:
                break
            connection.settimeout(None)  # it is at work; how long is its own affair
            buffer += data
            while (end := 5 + int.from_bytes(buffer[1:5], "big")) <= len(buffer):
                self._take(bytes(buffer[:1]), bytes(buffer[5:end]))
                del buffer[:end]
        return sent

    def _take(self, kind: bytes, payload: bytes) -> None:
        if kind == b"x":
            self.code = int(payload)
        elif kind == b"f":
            flag, session_json, log_file = payload.split(b"\0")
            self.follow = (flag == b"1", session_json, log_file)
        elif kind == b"b":
            self.words = payload.split(b"\0")
        elif kind == b"m":
            self.secrets = [*(self.secrets or ()), *([payload] if payload else ())]
        elif kind == b"o":
            self.output.append(payload)
        elif kind == b"e":
            self.told = True
            show(2, payload)
