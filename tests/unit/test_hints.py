"""Waiting for a session: no change between a reading and the wait goes unnoticed."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable

import pytest
from channels.layers import channel_layers, get_channel_layer

from sessions_app import db, hints, publish
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession
from tests.support import PATIENCE

SESSION = uuid.UUID("11111111-1111-4111-8111-111111111111")


def _finished(session: AgentSession) -> bool:
    return session.finished


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[Status]:
    """The states that one reading after the other finds."""
    found: list[Status] = []

    async def call(function: Callable[..., object], *args: object) -> AgentSession:
        status = found.pop(0)
        if found:  # it changes while we read, and the hint arrives before we have the old row
            with contextlib.suppress(ConnectionError):
                await publish.hint(1, {SESSION})
            await asyncio.sleep(0)
        return AgentSession(id=SESSION, status=status)

    monkeypatch.setattr(channel_layers, "backends", {})  # a layer of this test's own
    monkeypatch.setattr(db, "read", call)
    monkeypatch.setattr(publish, "ensure_watching", lambda: None)
    return found


async def test_a_change_while_the_row_is_read_is_seen(rows: list[Status]) -> None:
    rows += [Status.RUNNING, Status.COMPLETED]
    begun = time.monotonic()
    session = await hints.until(SESSION, _finished, 30)
    assert session.status == Status.COMPLETED
    assert time.monotonic() - begun < hints.REREAD / 2


async def test_without_a_hint_the_row_is_read_again_all_the_same(
    rows: list[Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise ConnectionError("the layer is away")

    monkeypatch.setattr(get_channel_layer(), "group_add", away)
    monkeypatch.setattr(get_channel_layer(), "group_send", away)
    monkeypatch.setattr(hints, "REREAD", 0.05)
    rows += [Status.RUNNING, Status.COMPLETED]
    session = await hints.until(SESSION, _finished, 30)
    assert session.status == Status.COMPLETED


async def test_a_hint_wakes_those_whom_it_concerns(rows: list[Status]) -> None:
    other = uuid.UUID(int=1)
    async with (
        hints.listening(SESSION) as first,
        hints.listening(SESSION) as second,
        hints.listening_to_all() as anybody,
        hints.listening(other) as another,
    ):
        await publish.hint(1, {SESSION})
        for woken in (first, second, anybody):
            assert await hints.wait_for(woken, PATIENCE)
        assert not another.is_set()
        await publish.hint(2, {other})
        assert await hints.wait_for(another, PATIENCE)


async def test_many_who_listen_are_one_to_the_layer(rows: list[Status]) -> None:
    async with hints.listening(SESSION), hints.listening_to_all(), hints.listening(SESSION) as one:
        await publish.hint(1, {SESSION})
        assert await hints.wait_for(one, PATIENCE)
        assert len(get_channel_layer().groups[publish.ALL_SESSIONS]) == 1


async def test_who_leaves_hears_nothing_any_more(rows: list[Status]) -> None:
    async with hints.listening(SESSION) as stays:
        async with hints.listening(SESSION) as left:
            pass
        await publish.hint(1, {SESSION})
        assert await hints.wait_for(stays, PATIENCE)
        assert not left.is_set()


async def test_a_layer_that_comes_back_is_listened_to_again(
    rows: list[Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = get_channel_layer()

    async def away(*_: object) -> None:
        raise ConnectionError("the layer is away")

    monkeypatch.setattr(hints, "_RETRY", 0.01)
    with monkeypatch.context() as broken:
        broken.setattr(layer, "group_add", away)
        async with hints.listening(SESSION) as changed:
            broken.undo()
            assert await hints.wait_for(changed, PATIENCE)  # it may have missed something
            changed.clear()
            heard = False
            while not heard:
                await publish.hint(1, {SESSION})
                heard = await hints.wait_for(changed, 0.05)
