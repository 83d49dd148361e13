"""What hosts ask each other for beside the API's file operations and single readings."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from hiveweb import answers
from hiveweb.elsewhere import Receive
from hiveweb.sending import Send
from sessions_app import cleanup, db, log_follow, log_frames, problems, services
from sessions_app.cleanup import others as removed
from sessions_app.cluster import asking
from sessions_app.telemetry import listed
from sessions_app.telemetry_stream import feed as feeds
from sessions_app.telemetry_stream.states import SOURCES

#: What was looked at within so many seconds is new enough for another host.
AGE = 0.2


async def _follow(wish: dict[str, Any], receive: Receive, send: Send) -> None:
    """A session's log as it grows, in frames (sessions_app.log_frames)."""
    session = asking.refuse_moved(await db.read(services.get, wish["session"]))
    with asking.for_another_host():
        chunks = log_follow.follow(
            session.id,
            session.log_file,
            int(wish["offset"]),
            limit=min(int(wish["limit"]), log_follow.CHUNK),
            quiet=log_frames.QUIET,
        )
        async with _body(send, "application/octet-stream") as say, contextlib.aclosing(chunks):
            async for chunk in chunks:
                await say(log_frames.frame(chunk))
            await say(log_frames.end())


async def _telemetry(wish: dict[str, Any], receive: Receive, send: Send) -> None:
    """What sessions of this host use and do: those parts that are asked for, as the API has them.

    Sessions that are not here, or not for the caller to see, are left out.
    """
    feed = feeds.feed()
    ids = [uuid.UUID(text) for text in wish["sessions"][: listed.ASKED]]
    seen = await feed.members(("sessions", *ids))
    parts = [name for name in wish["parts"] if name in SOURCES]
    with asking.for_another_host():
        states = await feed.states(seen, parts, AGE)
    found = {
        str(key): {name: part.value for name, part in state.parts.items() if name in parts}
        for key, state in states.items()
    }
    await answers.whole(send, 200, {"Content-Type": "application/json"}, problems.encode(found))


@contextlib.asynccontextmanager
async def _body(send: Send, kind: str) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """An answer that is sent piece by piece, no faster than it is taken."""
    lines = [(b"Content-Type", kind.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": lines})

    async def say(piece: bytes) -> None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})

    yield say
    await send({"type": "http.response.body", "body": b""})


async def _cleanup(wish: dict[str, Any], receive: Receive, send: Send) -> None:
    """Removals on this host, a line each, as the caller wishes them.

    Not on the lane for what takes long: two hosts that clean up would wait for each other's.
    """
    with asking.for_another_host():
        work = db.slices(cleanup.asked_for(wish))
        async with _body(send, "application/x-ndjson") as say, contextlib.aclosing(work):
            async for batch in work:
                await say(b"".join(map(removed.told, batch)))
            await say(removed.END)


def know_readings() -> None:
    """Have the modules loaded whose readings may be asked for; a spawner needs most of them not."""
    from sessions_app import consumers, log_ends, row_follower  # noqa: F401, PLC0415 - as the docstring says
    from sessions_app.mcp import files  # noqa: F401, PLC0415 - as above
    from sessions_app.telemetry import processes, reading, swarm  # noqa: F401, PLC0415 - as above
    from sessions_app.views import session  # noqa: F401, PLC0415 - as above


#: Each takes the JSON of the request.
BY_PATH: dict[str, Callable[[dict[str, Any], Receive, Send], Awaitable[None]]] = {
    log_frames.PATH: _follow,
    listed.PATH: _telemetry,
    removed.PATH: _cleanup,
}
