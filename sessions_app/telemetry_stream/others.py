"""What other hosts know of their sessions: one question to each host for all that are watched."""

import asyncio
import logging
import uuid
from collections.abc import Collection, Sequence
from typing import Any

from sessions_app import db, problems
from sessions_app.cluster import asking, whereabouts
from sessions_app.cluster.whereabouts import Elsewhere
from sessions_app.complaints import Complaint
from sessions_app.errors import HiveError
from sessions_app.telemetry.listed import ASKED, PATH
from sessions_app.telemetry_stream.states import State

logger = logging.getLogger(__name__)
#: A host that does not answer within the first (s) is asked again after the second: viewers wait.
PATIENCE, AGAIN = 2.0, 10.0

Parts = dict[uuid.UUID, dict[str, Any]]


class Others:
    """Asks, for the feed of one event loop."""

    def __init__(self) -> None:
        #: When each session was asked about last (the loop's time), and each host in vain.
        self._asked: dict[uuid.UUID, float] = {}
        self._away: dict[str, float] = {}
        self._troubles: dict[str, Complaint] = {}

    async def parts(
        self, states: Collection[State], parts: Collection[str], max_age: float
    ) -> Parts:
        """The parts of sessions of other hosts by their names, as far as they can be had now.

        Args:
            states: sessions; those whose files are here are left out.
            parts: names, as :data:`sessions_app.telemetry_stream.states.SOURCES` has them.
            max_age: what was asked within so many seconds is not asked again.
        """
        if asking.is_for_another() or not (parts and whereabouts.apart(whereabouts.Kind.RECORDS)):
            return {}
        now = asyncio.get_running_loop().time()
        hosts: dict[str, list[uuid.UUID]] = {}
        for state in states:
            node, session_id = state.row.node, state.row.id
            if not whereabouts.is_other(node, whereabouts.Kind.RECORDS):
                continue
            complete = all(name in state.parts for name in parts)
            fresh = now - self._asked.get(session_id, 0.0) <= max_age
            if not (fresh and complete) and now >= self._away.get(node, 0.0):
                hosts.setdefault(node, []).append(session_id)
        found: Parts = {}
        questions = [self._ask(node, ids, list(parts)) for node, ids in hosts.items()]
        for told in await asyncio.gather(*questions):
            found.update(told)
        return found

    async def _ask(self, node: str, ids: Sequence[uuid.UUID], parts: list[str]) -> Parts:
        from sessions_app.cluster import calls  # noqa: PLC0415 - rarely needed, slow to load

        now, found = asyncio.get_running_loop().time(), Parts()
        trouble = self._troubles.setdefault(
            node, Complaint(logger, f"figures of sessions on host {node} cannot be had")
        )
        try:
            at = await db.read(whereabouts.address, node)
            for begin in range(0, len(ids), ASKED):
                some = [str(session_id) for session_id in ids[begin : begin + ASKED]]
                body = problems.encode({"sessions": some, "parts": parts})
                request = await db.read(calls.prepare, at, "POST", PATH, body)
                async with asyncio.timeout(PATIENCE):
                    answer = await calls.ask_async(at, request)
                found.update({uuid.UUID(key): told for key, told in answer.items()})
            trouble.over()
        except (Elsewhere, TimeoutError) as error:
            trouble.say(error)
            self._away[node] = asyncio.get_running_loop().time() + AGAIN
        except HiveError as error:
            trouble.say(error)
        self._asked.update(dict.fromkeys(ids, now))
        return found

    def forget(self, kept: Collection[uuid.UUID]) -> None:
        """Sessions that nobody watches any more."""
        self._asked = {key: at for key, at in self._asked.items() if key in kept}
