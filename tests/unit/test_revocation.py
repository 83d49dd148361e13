"""What an application hears when the identity behind its connection counts no more."""

import asyncio

import pytest

from hiveweb import guard, revocation
from hiveweb.request import Scope
from hiveweb.revocation import CLOSE, Receive, Watch
from hiveweb.sending import Message, Send
from sessions_app.callers import Caller, Role, Via
from sessions_app.conf import Conf
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


@pytest.mark.parametrize(
    ("path", "status"), [("/account/password", 200), ("/logout", 200), ("/account", 401)]
)
async def test_the_answer_of_what_ends_its_own_identity_arrives(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    # given a slow request, in the course of which its caller counts no more
    async def somebody(*_: object) -> Caller:
        return SOMEBODY

    async def nobody(*_: object) -> None:
        looked.set()

    monkeypatch.setattr(guard, "identify", somebody)
    monkeypatch.setattr(Identities, "find", nobody)
    monkeypatch.setattr(revocation, "RECHECK", 0.001)
    looked, sent = asyncio.Event(), list[Message]()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        hung_up = asyncio.ensure_future(receive())
        await asyncio.wait([hung_up], timeout=0.2)
        if not hung_up.done():
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        hung_up.cancel()

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:8765"), (b"content-length", b"0")]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "scheme": "http"}

    # when it is served
    async with asyncio.timeout(20):
        await guard.Guard(application)(scope, never, send)

    # then it is answered, if that is what it was for
    assert sent[0]["status"] == status
    assert looked.is_set() == (status == 401)
