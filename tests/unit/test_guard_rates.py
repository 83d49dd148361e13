"""The guard with proxies, rates and TLS in front: who is asking, how often, by which way."""

import ipaddress
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings

from hiveweb import guard
from hiveweb.guard import Guard
from hiveweb.rates import FAILURE_BURST, Rates
from hiveweb.sending import Message, Send
from sessions_app.conf import Conf, Edge

TOKEN = "a-token-of-twenty-one"
GOOD = {"Authorization": f"Bearer {TOKEN}"}
PROXY = "10.0.0.1"
Knock = Callable[..., Any]


class Door:
    """A guard with a clock that stands still, and what it let in."""

    def __init__(self, conf: Conf, monkeypatch: pytest.MonkeyPatch, **edge: Any) -> None:
        self.now = 1000.0
        self.scope: dict[str, Any] = {}
        monkeypatch.setattr(settings, "HIVE", replace(conf, token=TOKEN, edge=Edge(**edge)))
        monkeypatch.setattr(guard, "Rates", lambda rate: Rates(rate, clock=lambda: self.now))
        self._guard = Guard(self._inside)

    async def _inside(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        self.scope = scope
        lines = [(b"Set-Cookie", b"a=b"), (b"Content-Type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": b"inside"})

    async def knock(
        self,
        headers: dict[str, str],
        client: str = "192.0.2.1",
        path: str = "/api/v1/sessions",
        method: str = "GET",
    ) -> tuple[int, dict[str, str]]:
        """One request; returns status and headers of the answer."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        async def send(message: Message) -> None:
            sent.append(message)

        lines = {"Host": "localhost:8765", **headers}
        scope = {
            "type": "http",
            "scheme": "http",
            "method": method,
            "path": path,
            "headers": [(name.lower().encode(), value.encode()) for name, value in lines.items()],
            "client": [client, 4711],
            "server": ["127.0.0.1", 8765],
        }
        await self._guard(scope, receive, send)
        found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return int(sent[0]["status"]), found

    async def statuses(self, times: int, headers: dict[str, str], **where: str) -> dict[int, int]:
        """How often which status came."""
        found: dict[int, int] = {}
        for _ in range(times):
            status, _ = await self.knock(headers, **where)
            found[status] = found.get(status, 0) + 1
        return found


def bad(number: int) -> dict[str, str]:
    """A wrong token."""
    return {"Authorization": f"Bearer a-guess-number-{number}"}


async def test_guesses_run_out(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(conf, monkeypatch)
    # when somebody guesses a hundred times
    found = [await door.knock(bad(number)) for number in range(100)]
    # then most guesses were not even looked at
    assert [status for status, _ in found] == [401] * int(FAILURE_BURST) + [429] * 80
    assert found[-1][1]["retry-after"] == "1"
    assert found[-1][1]["content-type"] == "application/problem+json"
    assert (await door.knock(GOOD))[0] == 429
    # and a second later there is one more
    door.now += 1
    assert [(await door.knock(bad(n)))[0] for n in range(2)] == [401, 429]
    # and others are not held up
    assert (await door.knock(GOOD, client="192.0.2.2"))[0] == 200


async def test_a_guesser_does_not_lock_out_who_is_here_already(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(conf, monkeypatch)
    assert (await door.knock(GOOD, client="127.0.0.1"))[0] == 200
    assert await door.statuses(100, bad(1), client="127.0.0.1") == {401: 20, 429: 80}
    assert await door.statuses(100, GOOD, client="127.0.0.1") == {200: 100}


async def test_no_header_gives_a_guesser_more(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a proxy is trusted, and the guesser is not that proxy
    door = Door(conf, monkeypatch, trusted_proxies=(ipaddress.ip_network(PROXY),))
    answers = []
    for number in range(60):
        address = f"203.0.113.{number}"
        forged = {
            "X-Forwarded-For": address,
            "Forwarded": f"for={address}",
            "X-Real-IP": address,
            "Cookie": f"sessionid={number}",
        }
        answers.append((await door.knock({**bad(number), **forged}))[0])
    assert answers == [401] * 20 + [429] * 40
    # when it comes through the proxy, what it claims to be is not believed either
    answers = []
    for number in range(60):
        told = {"X-Forwarded-For": f"203.0.113.{number}, 192.0.2.7"}
        answers.append((await door.knock({**bad(number), **told}, client=PROXY))[0])
    assert answers == [401] * 20 + [429] * 40
    # and another client of that proxy has its own
    told = {"X-Forwarded-For": "192.0.2.8"}
    assert (await door.knock({**bad(1), **told}, client=PROXY))[0] == 401


async def test_a_network_of_ipv6_is_one_guesser(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(conf, monkeypatch)
    answers = [(await door.knock(bad(n), client=f"2001:db8::{n:x}"))[0] for n in range(40)]
    assert answers == [401] * 20 + [429] * 20


async def test_requests_without_identity_have_a_rate(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(conf, monkeypatch, rate_limit=100.0)
    assert await door.statuses(150, {}, path="/healthz") == {200: 100, 429: 50}
    assert await door.statuses(1, {}) == {429: 1}
    assert await door.statuses(1, {}, client="192.0.2.2", path="/static/x") == {200: 1}


async def test_an_identity_has_a_rate(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(conf, monkeypatch, rate_limit=10.0)
    assert await door.statuses(60, GOOD) == {200: 50, 429: 10}
    door.now += 1
    assert await door.statuses(20, GOOD) == {200: 10, 429: 10}
    off = Door(conf, monkeypatch, rate_limit=None)
    assert await off.statuses(10_000, GOOD) == {200: 10_000}


async def test_everything_behind_sees_the_true_client(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(conf, monkeypatch, trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),))
    told = {**GOOD, "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    _, sent = await door.knock(told, client=PROXY)
    assert (door.scope["client"], door.scope["scheme"]) == (["198.51.100.7", 0], "https")
    assert not [name for name, _ in door.scope["headers"] if name.startswith(b"x-forwarded")]
    assert sent["set-cookie"] == "a=b; Secure"
    _, sent = await door.knock(told)
    assert (door.scope["client"], door.scope["scheme"]) == (["192.0.2.1", 4711], "http")
    assert sent["set-cookie"] == "a=b"


async def test_a_public_url_names_a_host_that_is_reached_by_tls(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(conf, monkeypatch, public_url="https://hive.example")
    public = {**GOOD, "Host": "hive.example"}
    status, sent = await door.knock({**public, "Origin": "https://hive.example"}, method="POST")
    assert (status, door.scope["scheme"]) == (200, "https")
    assert sent["set-cookie"] == "a=b; Secure"
    assert sent["strict-transport-security"]
    assert (await door.knock({**public, "Origin": "http://hive.example"}, method="POST"))[0] == 403
    # and: at home it is as before
    _, sent = await door.knock(GOOD)
    assert (sent["set-cookie"], door.scope["scheme"]) == ("a=b", "http")
    assert settings.HIVE.link_url == "https://hive.example"
    assert settings.HIVE.base_url == "http://127.0.0.1:8765"


async def test_whether_we_can_work_is_told_whatever_is_shown_however_often(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(conf, monkeypatch)
    for number in range(int(FAILURE_BURST) + 5):
        for stale in (f"guess-{number}", "hivetok_" + "A" * 51):
            shown = {"Authorization": f"Bearer {stale}"}
            assert (await door.knock(shown, path="/readyz"))[0] == 200
            assert door.scope["caller"] is None
    # these were guesses all the same
    assert (await door.knock({"Authorization": "Bearer x"}))[0] == 429
    assert (await door.knock(GOOD, client="192.0.2.2", path="/readyz"))[0] == 200
    assert door.scope["caller"] is not None
