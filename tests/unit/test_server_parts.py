"""As whom the parts of a server act."""

import asyncio
from typing import Any

from sessions_app import callers, server
from sessions_app.callers import Caller
from sessions_app.conf import Conf


async def test_our_own_parts_act_as_ourselves_and_nothing_else_does(conf: Conf) -> None:
    callers.become(None)
    found: list[Caller | None] = []

    async def part() -> None:
        found.append(callers.known())

    no_web: Any = None
    made = server._Server(conf, no_web, stop_sessions=False)
    made._begin(asyncio.get_running_loop(), "part", part(), lambda: None)
    await asyncio.gather(*made._tasks)
    assert found == [callers.SYSTEM]
    assert callers.known() is None
