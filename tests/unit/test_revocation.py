"""What an application hears when the identity behind its connection counts no more."""

import asyncio

import pytest

from hiveweb.revocation import CLOSE, Receive, Watch
from hiveweb.sending import Message
from sessions_app.callers import Caller, Role, Via
from sessions_app.errors import Unauthorized
from sessions_app.identification import Identities

SOMEBODY = Caller("anna", Role.VIEWER, Via.TOKEN, proof=("token", "digest"))


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def watch() -> Watch:
    return Watch(Identities(), SOMEBODY)


async def test_a_websocket_that_never_stops_talking_hears_of_its_end() -> None:
    sent: list[Message] = []

    async def talking() -> Message:
        return {"type": "websocket.receive", "text": "{}"}

    async def send(message: Message) -> None:
        sent.append(message)

    watched = watch()
    heard = watched.ending(talking, send)
    assert (await heard())["type"] == "websocket.receive"
    watched.revoked.set()
    assert await heard() == {"type": "websocket.disconnect", "code": CLOSE}
    assert sent == [{"type": "websocket.close", "code": CLOSE}]


async def test_a_request_hears_that_its_client_is_gone_and_ends_by_itself() -> None:
    watched, heard = watch(), list[str]()

    async def application(receive: Receive) -> None:
        asyncio.get_running_loop().call_soon(revoke)
        listener = asyncio.ensure_future(receive())  # as Django listens
        heard.append((await listener)["type"])
        heard.append((await receive())["type"])

    def revoke() -> None:
        watched.revoked.set()
        watched._hang_up()

    async with asyncio.timeout(10):
        with pytest.raises(Unauthorized):
            await watched.until_revoked(application, never)
    assert heard == ["http.disconnect"] * 2


async def test_a_request_that_others_cancel_is_cancelled() -> None:
    watched, listening = watch(), asyncio.Event()

    async def application(receive: Receive) -> None:
        listening.set()
        await receive()

    task = asyncio.create_task(watched.until_revoked(application, never))
    await listening.wait()
    watched.revoked.set()
    watched._hang_up()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
