"""One request to a webhook: to a checked address, in a bounded time, its answer hardly looked at.

Blocking code without a database. No proxy, no redirect, no cookie; nothing of an answer is kept
but its status and Retry-After.
"""

import contextlib
import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from sessions_app.conf import Network
from sessions_app.errors import HiveError
from sessions_app.webhooks import targets

#: Seconds: to connect, and for a whole request and its answer.
CONNECT, WHOLE = 5.0, 15.0
#: So much of an answer is read at most: bytes of its head, and of its body; and how long (s) the
#: latter is waited for, since it changes nothing.
MAX_HEAD, MAX_BODY, BODY_PATIENCE = 64 * 1024, 1024, 1.0
AGENT = "hiveweb"


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt went.

    Attributes:
        status: the answer's HTTP status, if there was one.
        error: what went wrong, in words; empty for success.
        milliseconds: how long it took.
        retry_after: seconds that the receiver asked us to wait, if it did.
    """

    status: int | None
    error: str
    milliseconds: int
    retry_after: float | None = None


class Sender:
    """Sends requests.

    Args:
        networks: private networks that may be reached.
        resolver: looks names up.
        context: how TLS is done; by default with the system's certificates.
        connect, whole: time limits in seconds.
    """

    def __init__(
        self,
        networks: tuple[Network, ...],
        *,
        resolver: targets.Resolver = targets.resolve,
        context: ssl.SSLContext | None = None,
        connect: float = CONNECT,
        whole: float = WHOLE,
    ) -> None:
        self._networks = networks
        self._resolver = resolver
        self._context = context
        self._connect = connect
        self._whole = whole

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Result:
        """Send one request; whatever goes wrong is in what it returns."""
        began = time.monotonic()
        status, retry_after = None, None
        try:
            status, wish = self._post(url, headers, body, began + self._whole)
            retry_after = None if wish is None else _seconds(wish)
            error = _words(status)
        except HiveError as refusal:
            error = refusal.detail
        except TimeoutError:
            error = f"no answer within {self._whole:g} s"
        except ssl.SSLCertVerificationError as wrong:
            error = f"its certificate cannot be verified: {wrong.verify_message}"
        except ssl.SSLError as wrong:
            error = f"TLS failed: {wrong.reason or wrong}"
        except (http.client.HTTPException, ValueError) as wrong:
            error = f"what it answers is no HTTP ({type(wrong).__name__})"
        except OSError as wrong:
            error = f"it cannot be reached: {wrong.strerror or wrong}"
        return Result(status, error, round((time.monotonic() - began) * 1000), retry_after)

    def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, until: float
    ) -> tuple[int, str | None]:
        target = targets.parse(url)
        found = targets.addresses(
            target,
            self._networks,
            resolver=self._resolver,
            patience=min(self._connect, _left(until)),
        )
        with contextlib.closing(self._reach(found, target, until)) as reached:
            request = http.client.HTTPConnection(target.host, target.port)
            request.auto_open = 0  # it has no business to connect by itself
            timed = request.sock = _Timed(reached, until)
            request.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
            for name, value in {
                "Host": target.host_header,
                "User-Agent": AGENT,
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Connection": "close",
                **headers,
            }.items():
                request.putheader(name, value)
            request.endheaders(body)
            answer = request.getresponse()
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                timed.until = min(until, time.monotonic() + BODY_PATIENCE)
                answer.read(MAX_BODY)  # who sends a short one is not cut off
            return answer.status, answer.getheader("Retry-After")

    def _reach(
        self, found: list[targets.Address], target: targets.Target, until: float
    ) -> socket.socket:
        """A connection to one of the addresses, with TLS where that is wanted."""
        deadline = min(until, time.monotonic() + self._connect)
        tries = found[:4]
        for number, address in enumerate(tries, start=1):
            patience = _left(deadline) / (len(tries) - number + 1)
            try:
                plain = socket.create_connection((str(address), target.port), timeout=patience)
                break
            except TimeoutError:
                if number == len(tries):
                    raise OSError(0, f"no connection within {self._connect:g} s") from None
            except OSError:
                if number == len(tries):
                    raise
        if not target.tls:
            return plain
        try:
            if self._context is None:
                self._context = ssl.create_default_context()
            plain.settimeout(_left(until))
            return self._context.wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise


class _Timed:
    """A socket for http.client whose answers end at a moment and after so many bytes."""

    def __init__(self, inner: socket.socket, until: float) -> None:
        self._inner = inner
        self.until = until

    def sendall(self, data: bytes) -> None:
        self._inner.settimeout(_left(self.until))
        self._inner.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self), MAX_BODY)

    def close(self) -> None:
        """Whoever made the connection closes it."""

    def receive(self, buffer: Any) -> int:
        self._inner.settimeout(_left(self.until))
        return self._inner.recv_into(buffer)


class _Answer(io.RawIOBase):
    """What comes back."""

    def __init__(self, source: _Timed) -> None:
        self._source = source
        self._budget = MAX_HEAD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._budget <= 0:
            raise http.client.HTTPException("too long")
        count = self._source.receive(buffer)
        self._budget -= count
        return count


def _left(until: float) -> float:
    """Seconds that are left.

    Raises:
        TimeoutError: none.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _words(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"it answered {status}: redirects are not followed; change the URL"
    return f"it answered {status}"


def _seconds(wish: str) -> float | None:
    """What Retry-After says: seconds, or a date; None when it says neither."""
    text = wish.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):  # the last: a year or an offset without end
        return None
