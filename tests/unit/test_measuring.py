"""Counting over process trees whose parts come and go."""

from sessions_app.launchers.base import Total
from sessions_app.launchers.measuring import Counter, Known
from sessions_app.launchers.processes import TICKS, Process, Table


def row(pid: int, own: int, waited: int = 0, *, started: int = 1, ours: bool = False) -> Process:
    """A process with so many clock ticks of its own, and of children that it has waited for."""
    return Process(pid, 1, 1, started, "S", own + waited, 0, "", ours, waited)


def ticks(known: Known, *living: Process) -> float:
    """Processor time after a look at these."""
    known.count(living, Table(living, 0.0))
    assert known.cpu.total is not None
    return round(known.cpu.total.value * TICKS, 6)


def test_what_a_child_used_counts_once_when_it_is_waited_for() -> None:
    known = Known()
    assert ticks(known, row(1, 10), row(2, 50)) == 60
    assert ticks(known, row(1, 10), row(2, 80)) == 90

    assert ticks(known, row(1, 12, waited=85)) == (97)


def test_a_child_that_nobody_waits_for_takes_nothing_away() -> None:
    known = Known()
    assert ticks(known, row(1, 10), row(2, 500)) == 510

    assert ticks(known, row(1, 15)) == (515)
    assert ticks(known, row(1, 20)) == (520)


def test_children_between_two_looks_count() -> None:
    known = Known()
    assert ticks(known, row(1, 10)) == 10

    assert ticks(known, row(1, 10, waited=300)) == (310)


def test_an_orphan_is_counted_by_the_recorder_which_itself_is_not() -> None:
    known = Known()
    recorder = row(9, 7, ours=True)
    assert ticks(known, recorder, row(1, 10), row(2, 50)) == 60

    assert ticks(known, row(9, 8, waited=55, ours=True), row(1, 10)) == (65)


def test_a_number_that_another_process_has_now_is_another_process() -> None:
    known = Known()
    assert ticks(known, row(1, 10), row(2, 100)) == 110

    assert ticks(known, row(1, 10), row(2, 30, started=50)) == (140)


def test_a_process_that_is_no_part_of_the_run_for_a_moment_counts_once() -> None:
    known, both = Known(), Table([row(1, 10), row(2, 100)], 0.0)
    assert ticks(known, row(1, 10), row(2, 100)) == 110

    known.count([row(1, 10)], both)

    assert ticks(known, row(1, 10), row(2, 105)) == (115)


def test_a_counter_goes_on_where_another_stopped() -> None:
    first = Counter()
    first.look(100)
    first.look(60)  # 40 were lost with a child that nobody waited for
    first.look(70)
    assert first.total == Total(110, 40)

    # nothing was lost meanwhile, or more than was used: it goes on, and never falls
    for raw, value in ((75, 115), (10, 110)):
        second = Counter(first.total)
        second.look(raw)
        assert second.total is not None
        assert second.total.value == value
        second.look(raw + 5)
        assert second.total.value == value + 5
