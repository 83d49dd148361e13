"""Webhooks with several processes that could send them."""

import asyncio

import pytest

from sessions_app import db
from sessions_app.conf import Conf
from tests import databases
from tests.receiver import receiver
from tests.unit.webhooks import happens, hook, sent_ids, until, working

pytestmark = pytest.mark.django_db(transaction=True)


async def test_one_sends_and_another_takes_over(conf: Conf) -> None:
    with receiver() as there:
        await db.call(hook, there.url)
        told: list[int] = []

        async def all_are_told() -> None:
            for _ in range(3):
                told.append(await db.call(happens))
            await until(lambda: len(there.requests) >= len(told), "the requests")
            assert sent_ids(there.requests) == told

        async with working(conf) as first, working(conf) as second:
            await all_are_told()
            # when the connection of the one whose turn it is is cut
            for _ in range(2):
                turn = next(each._turn for each in (first, second) if not each._idle)
                assert turn is not None
                end = f"SELECT pg_terminate_backend({turn._connection.info.backend_pid}, 5000)"
                await asyncio.to_thread(databases.shared().execute, end)
                await all_are_told()
        # and when both have left, a third goes on
        told.append(await db.call(happens))
        async with working(conf):
            await until(lambda: len(there.requests) >= len(told), "the request")
        assert sent_ids(there.requests) == told
