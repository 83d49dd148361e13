"""SIGKILL of the server in the middle of pauses: the last wish comes true, and stays true."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.integration.acting import acting, begin, post, said, states
from tests.integration.looking import get, running
from tests.support import Installation, eventually

TREE = ("child", '["count", "9999", "0.05"]', "orphan", '["sleep", "100"]')
COUNT = ("say", "all are there", "count", "9999", "0.05")


@pytest.mark.timeout(900)
def test_the_server_killed_in_the_middle_of_pauses_leaves_them_true(
    site: Installation, rounds: int, tell: Callable[[str], None]
) -> None:
    acting(site)
    session_ids: list[str] = []
    for number in range(max(3, rounds // 2)):
        server = site.up()
        session_ids = session_ids or [begin(server, *TREE, *COUNT) for _ in range(3)]
        for session_id in session_ids:
            running(server, session_id)
            post(server, session_id, "resume" if number % 2 else "pause")
        server.kill()
    tell(f"{number + 1} rounds")
    server = site.up()

    for session_id in session_ids:
        wanted = number % 2 == 0
        eventually(
            lambda s=session_id, w=wanted: get(server, s)["paused"] is w,  # type: ignore[misc]
            "the last wish to come true",
        )
        assert (set(states(site, session_id)) == {"T"}) is wanted


def test_a_pause_that_was_interrupted_and_taken_back_is_undone(site: Installation) -> None:
    server = acting(site).up()
    session_id = begin(server, *TREE, *COUNT)
    said(site, session_id, "all are there")
    server.kill()
    for pid in site.processes(session_id):  # as a pause does before it writes down that it did
        os.kill(pid, signal.SIGSTOP)
    eventually(lambda: set(states(site, session_id)) == {"T"}, "the tree to stand still")

    site.up()

    eventually(lambda: "T" not in states(site, session_id), "the tree to go on")
