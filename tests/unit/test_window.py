"""How much a page is sent that it has not acknowledged."""

import asyncio

import pytest

from sessions_app.errors import Invalid
from sessions_app.viewer import COUNTED_BYTES, Window


def test_all_that_is_acknowledged_makes_room() -> None:
    window = Window(100)
    window.sent(10, 60)
    assert window.has_room(40)
    assert not window.has_room(41)
    window.acknowledge(10)
    assert window.has_room(1000)  # a first one always has


def test_many_small_frames_are_counted_together_and_none_is_forgotten() -> None:
    size, count = 100, 10_000
    window = Window(size * count)
    for number in range(count):
        assert window.has_room(size)
        window.sent(number, size)
    assert not window.has_room(size)
    assert len(window._unacknowledged) <= size * count / COUNTED_BYTES * 2

    window.acknowledge(count // 2)
    left = size * (count - count // 2)
    assert left - size <= window._bytes <= left + COUNTED_BYTES
    window.acknowledge(count - 1)
    assert window._bytes == 0


@pytest.mark.parametrize("mark", [-1, 8, True, "7", None, 7.0])
def test_what_was_not_sent_is_not_acknowledged(mark: object) -> None:
    window = Window()
    window.sent(7, 10)
    with pytest.raises(Invalid):
        window.acknowledge(mark)


async def test_who_waits_for_room_is_woken_by_it() -> None:
    window = Window(100)
    window.sent(1, 100)
    waits = asyncio.create_task(window.room(50))
    await asyncio.sleep(0)
    assert not waits.done()
    window.acknowledge(1)
    await waits
