"""What open pages are told: changed rows as frames, read once for all viewers of a process."""

import asyncio
import contextlib
import json
import uuid
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from django.utils import timezone

from sessions_app import callers, claims, db, log_ends, orders, presentation, queries, services
from sessions_app.callers import Via
from sessions_app.clock import wire_time
from sessions_app.cluster.whereabouts import Elsewhere
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent
from sessions_app.telemetry import activity

#: The list shows one line of a task; longer values are cut in its frames (``"cut": true``).
LIST_TASK_CHARACTERS = 400
LIST_VALUE_CHARACTERS = 1000
#: A frame has about this many characters at most; more changes take several frames.
FRAME_CHARACTERS = 256 * 1024
#: Viewers that ask for the same within this many seconds get the same reading.
SHARED_FOR = 0.05
#: Viewers of a list that changes all the time are told at the same moments, so far apart (s).
TURN = 0.1
#: The most events of one session that a page is told at once, the newest ones.
MAX_EVENTS = 500
#: So many more, older ones count for the times of its timeline.
MAX_TIMED_EVENTS = 5000


@dataclass(frozen=True, slots=True)
class Update:
    """What a viewer of the list has to be told.

    Attributes:
        cursor: what it knows afterwards.
        frames: the frames to send, in order; empty when nothing changed.
        queue: everybody who waits and why; None when no session has changed.
        obstacles: what keeps sessions from starting (queries.obstacles); it changes by itself.
    """

    cursor: int
    frames: tuple[str, ...] = ()
    queue: dict[str, dict[str, Any]] | None = None
    obstacles: dict[str, Any] | None = None


def encode(message: dict[str, Any]) -> str:
    """A message as the text of one frame."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def greeting(update: Update) -> str:
    """The first frame of a viewer that has missed nothing: it is connected."""
    return _changes(update.cursor, [], [])


def list_update(since: int | None) -> Update:
    """The frames for a viewer of the list that knows everything up to the event ``since``.

    Frames are ``changes`` (``cursor``, ``sessions``, ``removed``, ``counts``), or ``reset`` where
    the page has to be read afresh. When changes take several frames, all but the last carry the
    old cursor: a viewer that gets only some of them asks for all of them again.
    """
    obstacles = queries.obstacles()
    if since is None:
        cursor = queries.latest_event()
        return Update(cursor, (_reset(cursor),), queue(), obstacles)
    changes = queries.changes_after(since)
    if not changes.complete:
        return Update(changes.cursor, (_reset(changes.cursor),), queue(), obstacles)
    if changes.cursor == since:
        return Update(since, obstacles=obstacles)
    *parts, last = _parts(changes.sessions)
    removed = [str(session_id) for session_id in changes.removed]
    frames = [_changes(since, part, []) for part in parts]
    frames.append(_changes(changes.cursor, last, removed))
    return Update(changes.cursor, tuple(frames), queue(), obstacles)


def _changes(cursor: int, sessions: list[dict[str, Any]], removed: list[str]) -> str:
    return encode(
        {
            "type": "changes",
            "cursor": cursor,
            "sessions": sessions,
            "removed": removed,
            "counts": queries.counts(),
        }
    )


def _reset(cursor: int) -> str:
    return encode({"type": "reset", "cursor": cursor, "counts": queries.counts()})


def queue() -> dict[str, dict[str, Any]]:
    """Those who wait and may be seen, by id: ``{place, reason, until}`` and the words for it."""
    waiting = claims.all_waiting()
    if not AgentSession.objects.shows_all():
        mine = AgentSession.objects.visible().filter(status=Status.STARTING)
        shown = set(mine.values_list("id", flat=True))
        waiting = {key: place for key, place in waiting.items() if key in shown}
    return {
        str(session_id): {
            **place.as_json(),
            "summary": presentation.why_waiting(place.place, place.reason, wire_time(place.until)),
        }
        for session_id, place in waiting.items()
    }


def _parts(sessions: list[AgentSession]) -> list[list[dict[str, Any]]]:
    parts: list[list[dict[str, Any]]] = [[]]
    room = FRAME_CHARACTERS
    for session, full in zip(sessions, queries.many_json(sessions), strict=True):
        line = _cut({**full, **_words(session, full)})
        needed = len(encode(line))
        if parts[-1] and needed > room:
            parts.append([])
            room = FRAME_CHARACTERS
        parts[-1].append(line)
        room -= needed
    return parts


def _words(session: AgentSession, full: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": presentation.title(session.task),
        "summary": presentation.summary(session, full["waiting"]),
        "marks": presentation.marks(session, full["waiting"]),
        # Exact, since the list's order hangs on them (orders.Place).
        "times": [
            None if moment is None else orders.microseconds(moment)
            for moment in (session.created, session.updated, session.ended_at)
        ],
    }


def _cut(line: dict[str, Any]) -> dict[str, Any]:
    """A line of the list without values too long to send at each change."""
    if len(line["task"]) > LIST_TASK_CHARACTERS:
        line.update(task=line["task"][:LIST_TASK_CHARACTERS], cut=True)
    for name in ("metadata", "args", "detail"):
        if line[name] and len(encode({name: line[name]})) > LIST_VALUE_CHARACTERS:
            line.update({name: None, "cut": True})
    return line


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """What a viewer of one session has to be told: its row and its new events.

    With new events comes the timeline (presentation.timeline) of all of them; else it is None.
    """

    session: dict[str, Any]
    events: list[dict[str, Any]]
    finished: bool
    timeline: dict[str, Any] | None = None


def session_update(session_id: uuid.UUID, since: int) -> SessionUpdate:
    """A session as its page shows it, with its events after ``since``, oldest first.

    Raises:
        NotFound: it has been removed.
    """
    session = services.get(session_id)
    rows = queries.settled(SessionEvent.objects.filter(session_id=session_id, id__gt=since))
    events = list(reversed(rows.order_by("-id")[:MAX_EVENTS]))
    return SessionUpdate(
        page_json(session),
        [presentation.event_json(event) for event in events],
        session.finished,
        timeline(session_id, events[-1].id) if events else None,
    )


def timeline(session_id: uuid.UUID, until: int) -> dict[str, Any]:
    """A session's timeline up to the event ``until``, as presentation.timeline has it."""
    rows = SessionEvent.objects.filter(session_id=session_id, id__lte=until)
    events = list(reversed(rows.order_by("-id")[:MAX_TIMED_EVENTS]))
    return presentation.timeline(events, MAX_EVENTS, timezone.now())


def page_json(session: AgentSession) -> dict[str, Any]:
    """``full_json`` and what a page says of it: words, what can be done, other tries.

    ``metadata_text`` is there because a browser would round its large numbers.
    """
    full = queries.full_json(session)
    finished = session.finished
    may_change = callers.current().may_change(session.owner)
    waits = full["waiting"] is not None
    actions = presentation.actions(session, waits=waits) if may_change else []
    return {
        **full,
        **_words(session, full),
        "ending": presentation.ending(session) if finished else "",
        "evidence": presentation.evidence(session) if finished else "",
        "failure": _failure(session),
        "actions": actions,
        "deeds": presentation.deeds(session, actions, may_change=may_change),
        "usage_note": session.usage_detail if session.reason != Reason.USAGE_LIMITED else "",
        "log_note": presentation.log_note(session),
        "metadata_text": presentation.metadata_text(session.metadata),
        "retries": _retries(session.id) if finished else [],
    }


def _failure(session: AgentSession) -> dict[str, Any] | None:
    if session.status != Status.FAILED:
        return None
    known = activity.of(session)
    lines: list[dict[str, Any]] = []
    if not known["errors"]:
        with contextlib.suppress(Elsewhere):  # what rows know is told all the same
            lines = log_ends.last_lines(session)
    return presentation.failure(session, known, lines)


def _retries(session_id: uuid.UUID) -> list[str]:
    """The sessions that are further tries of one, the first one first."""
    events = SessionEvent.objects.filter(session_id=session_id, kind=EventKind.RETRIED)
    told = [event.data.get("session") for event in events if isinstance(event.data, dict)]
    return [str(item) for item in told if item]


class Feed:
    """Readings of the list, shared by all its viewers on one event loop."""

    def __init__(self) -> None:
        self._readings: dict[tuple[int | None, str], tuple[float, asyncio.Task[Update]]] = {}

    async def next_turn(self) -> None:
        """Wait until all who see the same read on: so they stand at the same cursor."""
        now = asyncio.get_running_loop().time() + hash(sees()) % 100 * TURN / 100
        await asyncio.sleep(TURN - now % TURN)

    async def after(self, since: int | None, heard: float = 0.0) -> Update:
        """:func:`list_update`, of this moment or of one just passed, begun after ``heard``.

        Args:
            since: as there.
            heard: when (loop time) the viewer heard of a change, which must not be missing.

        Raises:
            DatabaseError: the database cannot be read now.
        """
        loop = asyncio.get_running_loop()
        now, key = loop.time(), (since, sees())
        for other, (begun, task) in list(self._readings.items()):
            if task.done() and begun < now - SHARED_FOR:
                del self._readings[other]
        if key not in self._readings or self._readings[key][0] < heard:
            task = loop.create_task(db.read(list_update, since))
            task.add_done_callback(_retrieve)
            self._readings[key] = (now, task)
        return await asyncio.shield(self._readings[key][1])


def sees() -> str:
    """A key of what whoever asks may see: those who see the same sessions share their readings."""
    caller = callers.current()
    if caller.via is not Via.RUN and AgentSession.objects.shows_all():
        return ""
    return caller.principal


def _retrieve(task: asyncio.Task[Update]) -> None:
    """Mark an error as seen even when every viewer who waited for it has left."""
    if not task.cancelled():
        task.exception()


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def feed() -> Feed:
    """The feed of the running event loop."""
    return _feeds.setdefault(asyncio.get_running_loop(), Feed())
