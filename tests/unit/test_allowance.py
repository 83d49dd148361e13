"""Processor time that may be spent: a share, saved up within bounds, owed when overspent."""

import time

from sessions_app.spawner.allowance import Allowance
from tests.support import eventually


def burn(seconds: float) -> None:
    """Use the processor."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_what_is_spent_is_gone_and_owed_and_comes_back() -> None:
    never, soon = Allowance(0.0, 0.05), Allowance(1.0, 0.05)
    assert never.left() == soon.left() == 0.05

    with never.spent():
        burn(0.02)
    assert 0 < never.left() <= 0.03
    with never.spent(), soon.spent():
        burn(0.06)

    assert never.left() == 0
    assert eventually(soon.left, "the share to come") <= 0.05


def test_waiting_costs_nothing_and_no_more_than_the_most_is_saved_up() -> None:
    allowance = Allowance(1.0, 0.02)

    with allowance.spent():
        time.sleep(0.05)

    assert allowance.left() == 0.02
