"""Waiting for a session: no change between a reading and the wait goes unnoticed."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable

import pytest
from channels.layers import get_channel_layer

from sessions_app import db, hints, publish
from sessions_app.lifecycle import Status
from sessions_app.models import AgentSession

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
            message = {"type": "sessions.changed", "event": 1}
            with contextlib.suppress(ConnectionError):
                await get_channel_layer().group_send(publish.group_of(SESSION), message)
            await asyncio.sleep(0)
        return AgentSession(id=SESSION, status=status)

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


async def test_who_leaves_hears_nothing_any_more(rows: list[Status]) -> None:
    async with hints.listening(SESSION):
        assert get_channel_layer().groups[publish.group_of(SESSION)]
    assert publish.group_of(SESSION) not in get_channel_layer().groups
