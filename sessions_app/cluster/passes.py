"""Passes: how one host proves to another for whom it asks, for what, and that it does so now.

A pass is a header with the caller, the request and a number that counts once, under an HMAC of the
key that all hosts share (HIVE_SECRET_KEY). Ages are counted by the database's clock: those of the
hosts may be wrong.
"""

import base64
import hashlib
import json
import secrets
import threading
from dataclasses import dataclass
from typing import Any

from django.utils.crypto import constant_time_compare, salted_hmac

from sessions_app.callers import Caller, Role, Via
from sessions_app.errors import Unauthorized
from sessions_app.models import moments

#: The header.
HEADER = "hive-pass"
#: A pass counts for so long (s) from when it was made, and so much before.
LIFE, EARLY = 30.0, 5.0
#: No caller's name is that long; a header that is longer is not even looked at.
MAX_PASS = 8 * 1024
_SALT = "hiveweb.internal-pass"


class Refused(Unauthorized):
    """This is for the other hosts of the installation; theirs is the key HIVE_SECRET_KEY."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a pass is good for.

    Attributes:
        node: the host that is asked.
        method, target: of the request, as they stand in its first line.
        body: all of it.
    """

    node: str
    method: str
    target: str
    body: bytes = b""

    def facts(self) -> list[str]:
        """The same, as it stands in the pass: a header, which a long target would not fit into."""
        long = (self.target.encode(), self.body)
        return [self.node, self.method, *(hashlib.sha256(each).hexdigest() for each in long)]


class _Clock:
    """The database's clock, without asking it each time."""

    def now(self) -> float:
        """Seconds since 1970. May take a query."""
        return moments.now().timestamp()


clock = _Clock()


def make(caller: Caller, request: Request) -> str:
    """A pass for one request that we make for a caller. May take a query."""
    told = {
        "for": request.facts(),
        "at": clock.now(),
        "once": secrets.token_urlsafe(16),
        "who": [caller.principal, caller.role.value, caller.via.value, caller.manages_others],
        "from": [caller.address, caller.token],
    }
    text = base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode()
    return f"{text}.{_digest(text)}"


def _digest(text: str) -> str:
    return salted_hmac(_SALT, text, algorithm="sha256").hexdigest()


class Gate:
    """Checks passes on the host that is asked. What was let in once is not let in again.

    Passes from before the gate was there count for nothing: it does not know which were used.
    """

    def __init__(self) -> None:
        self._since = clock.now()
        self._used: dict[str, float] = {}
        self._pruned = 0.0
        self._turn = threading.Lock()

    def check(self, text: str, request: Request) -> Caller:
        """Who a request is for. May take a query.

        Raises:
            Refused: the pass is none of ours, or for something else, or was used or is too old.
        """
        told = _opened(text)
        try:
            at, once = float(told["at"]), str(told["once"])
            good = told["for"] == request.facts()
            principal, role, via, others = told["who"]
            address, token = told["from"]
            caller = Caller(
                str(principal), Role(role), Via(via), str(address), str(token), others is True
            )
        except (KeyError, TypeError, ValueError):
            raise Refused from None
        now = clock.now()
        with self._turn:
            if not good or at < self._since - EARLY or not -EARLY <= now - at <= LIFE:
                raise Refused
            if once in self._used:
                raise Refused
            if now - self._pruned > 1:
                self._used = {key: until for key, until in self._used.items() if until > now}
                self._pruned = now
            self._used[once] = at + LIFE + EARLY
        return caller


def vouch(text: str) -> None:
    """See that one of us made a pass, whatever it is for: before anything is read of its request.

    Raises:
        Refused: none of us did.
    """
    _opened(text)


def _opened(text: str) -> dict[str, Any]:
    body, _, digest = text.partition(".")
    if (
        len(text) > MAX_PASS
        or not text.isascii()
        or not constant_time_compare(digest, _digest(body))
    ):
        raise Refused
    told = json.loads(base64.urlsafe_b64decode(body))  # ours: we have signed it
    if not isinstance(told, dict):
        raise Refused
    return told
