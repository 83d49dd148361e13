"""The plain TCP endpoint in this very process: how many connections and guesses it bears."""

import asyncio
import contextlib
from typing import Any

import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from hiveweb.rates import Rates
from sessions_app.conf import Conf
from sessions_app.mcp import connection, jsonrpc, tcp
from tests.integration.tcp_talk import HELLO, PING, Talk, request
from tests.support import TOKEN


@contextlib.asynccontextmanager
async def serving(conf: Conf) -> Any:
    """A server in this very process; yields its port."""
    with tcp.bind(0) as listener:
        server = tcp.TcpServer(conf, listener, Rates(None))
        await server.start()
        try:
            yield listener.getsockname()[1]
        finally:
            await server.stop()


async def test_guesses_are_few(conf: Conf) -> None:
    async def guess(port: int, word: str) -> str:
        with Talk(port, request("ping", token=word)) as one:
            told = await asyncio.to_thread(one.hear)
        return str(told["error"]["data"]["code"])

    async with serving(conf) as port:
        codes = [await guess(port, f"guess {n}") for n in range(30)]
        assert codes[:20] == ["unauthorized"] * 20
        # even the right one is not looked at now: it may be the next guess
        assert await guess(port, TOKEN) == "too_many_requests"


async def test_it_holds_no_connection_for_nothing(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "UNKNOWN_FOR", 0.2)
    monkeypatch.setattr(connection, "IDLE_FOR", 0.3)
    monkeypatch.setattr(tcp, "MAX_UNKNOWN", 2)
    monkeypatch.setattr(tcp, "MAX_CONNECTIONS", 3)
    async with serving(conf) as port:
        with contextlib.ExitStack() as stack:

            def talk(*lines: object) -> Talk:
                return stack.enter_context(Talk(port, *lines))

            silent, slow = talk(), talk(b"{")
            assert await asyncio.to_thread(slow.hear)  # a parse error, and the end
            assert await asyncio.to_thread(slow.hear) is None
            assert await asyncio.to_thread(silent.hear) is None
            known = [talk(HELLO, PING) for _ in range(2)]
            for one in known:
                assert (await asyncio.to_thread(one.hear))["result"] == {}
            one, two, three = talk(), talk(), talk()
            for other in (one, two, three):  # too many, of one kind or the other
                assert await asyncio.to_thread(other.hear) is None
            for one in known:
                assert await asyncio.to_thread(one.hear) is None  # they said nothing any more


def test_the_versions_are_those_of_the_sdk() -> None:
    assert jsonrpc.VERSIONS == HANDSHAKE_PROTOCOL_VERSIONS
