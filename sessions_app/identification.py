"""From what a connection shows to who it is, without a query for each request.

What was found counts for a second: so long at most a token that was revoked, or a browser that was
signed out, still gets answers, in whatever process that was done.
"""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import replace
from typing import TypeVar

from django.db import DatabaseError

from sessions_app import access, db, tokens
from sessions_app.callers import Caller

logger = logging.getLogger(__name__)
#: How long (s) an identity that was found counts without asking again.
FRESH = 1.0
#: A token's last use is written down this often (s) at most.
USE_GRAIN = 60.0
MAX_KNOWN = 10_000

Proof = tuple[str, str]
K = TypeVar("K")
V = TypeVar("V")


class Identities:
    """Who has which proof, for one event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[Proof, tuple[float, Caller]] = OrderedDict()
        self._noted: OrderedDict[str, float] = OrderedDict()
        self._notes: set[asyncio.Task[None]] = set()

    async def find(self, proof: Proof) -> Caller | None:
        """Who has this proof; None when it proves nothing (any more).

        Raises:
            DatabaseError: it cannot be looked up now.
        """
        now = asyncio.get_running_loop().time()
        found = self._known.get(proof)
        if found is not None and now < found[0]:
            return found[1]
        caller = await db.read(access.caller_by, proof)
        if caller is None:
            self._known.pop(proof, None)
            return None
        _keep(self._known, proof, (now + FRESH, caller))
        if proof[0] == access.TOKEN:
            self._note_use(proof[1], now)
        return caller

    def fresh(self, proof: Proof) -> Caller | None:
        """Who has this proof, where that is known without a query; None where it is not."""
        until, caller = self._known.get(proof, (0.0, None))
        return caller if asyncio.get_running_loop().time() < until else None

    async def by_bearer(self, text: str) -> Caller | None:
        """Who shows this bearer token, with their proof if it may be revoked; None: nobody.

        Raises:
            DatabaseError: it cannot be looked up now.
        """
        caller = access.by_bearer_alone(text)
        if caller is None and tokens.looks_like(text):
            proof = access.proof_of_bearer(text)
            caller = await self.find(proof)
            return replace(caller, proof=proof) if caller else None
        return caller

    def _note_use(self, digest: str, now: float) -> None:
        if now - self._noted.get(digest, now - USE_GRAIN) < USE_GRAIN:
            return
        _keep(self._noted, digest, now)
        task = asyncio.get_running_loop().create_task(_note_use(digest), name="token use")
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)


def _keep(known: "OrderedDict[K, V]", key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MAX_KNOWN:
        known.popitem(last=False)


async def _note_use(digest: str) -> None:
    try:
        await db.call(tokens.note_use, digest)
    except DatabaseError as error:  # full or locked: the token is good all the same
        logger.debug("a token's use was not written down: %s", error)
