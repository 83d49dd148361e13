"""Token buckets: what passes, what waits, what is remembered, and what a decision costs."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiveweb.rates import FAILURE_BURST, Limiter, Rates, bucket_of


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """It stands still until it is turned."""
    return Clock()


def count(take: Callable[[], float]) -> int:
    """How often something passes before it has to wait."""
    passed = 0
    while not take():
        passed += 1
        assert passed < 100_000
    return passed


def test_a_burst_passes_and_then_the_rate(clock: Clock) -> None:
    limiter = Limiter(rate=2, burst=5, clock=clock)
    assert count(lambda: limiter.take("anna")) == 5
    assert limiter.take("anna") == pytest.approx(0.5)
    clock.now += 0.49
    assert limiter.take("anna") == pytest.approx(0.01)
    clock.now += 0.01
    assert limiter.take("anna") == 0.0
    clock.now += 1000
    assert count(lambda: limiter.take("anna")) == 5


def test_waiting_as_long_as_told_is_enough(clock: Clock) -> None:
    limiter = Limiter(rate=3, burst=7, clock=clock)
    for cost in (7, 1, 3, 7, 2):
        while wait := limiter.take("anna", cost):
            clock.now += wait
            assert limiter.wait("anna", cost) == 0.0


def test_one_key_does_not_pay_for_another(clock: Clock) -> None:
    limiter = Limiter(rate=1, burst=1, clock=clock)
    assert [limiter.take("anna"), limiter.take("ben")] == [0.0, 0.0]
    assert limiter.take("anna") > 0
    assert limiter.wait("ben") > 0
    assert limiter.wait("carl") == 0.0
    limiter.forget("anna")
    assert limiter.take("anna") == 0.0


def test_looking_takes_nothing_and_remembers_nobody(clock: Clock) -> None:
    limiter = Limiter(rate=1, burst=2, clock=clock)
    assert [limiter.wait("anna") for _ in range(9)] == [0.0] * 9
    assert limiter.buckets == 0
    assert count(lambda: limiter.take("anna")) == 2
    assert limiter.wait("anna") == pytest.approx(1.0)


def test_the_number_of_buckets_is_bounded_and_the_busy_ones_stay(clock: Clock) -> None:
    # given somebody who has nothing left, and asks again and again
    limiter = Limiter(rate=0.001, burst=1, most=100, clock=clock)
    limiter.take("guesser")
    # when ten times as many others come as can be remembered
    for other in range(1000):
        limiter.take(other)
        assert limiter.take("guesser") > 0
    assert limiter.buckets == 100


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 4)), max_size=60),
    st.floats(0.5, 20),
    st.integers(4, 50),
)
def test_no_time_lets_more_pass_than_burst_and_rate(
    asked: list[tuple[float, int]], rate: float, burst: int
) -> None:
    clock = Clock()
    limiter = Limiter(rate, burst, clock=clock)
    passed = 0
    for pause, cost in asked:
        clock.now += pause
        if not limiter.take("anna", cost):
            passed += cost
    assert passed <= burst + rate * (clock.now - 1000.0) + 1e-3


def test_an_address_is_a_bucket_and_so_is_a_network_of_ipv6() -> None:
    assert bucket_of(("192.0.2.1", 5)) == bucket_of(["192.0.2.1", 6])
    assert bucket_of(("192.0.2.1", 5)) == bucket_of(("::ffff:192.0.2.1", 5))
    assert bucket_of(("192.0.2.1", 5)) != bucket_of(("192.0.2.2", 5))
    assert bucket_of(("2001:db8::1", 5)) == bucket_of(("2001:db8:0:0:ffff::9%eth0", 5))
    assert bucket_of(("2001:db8::1", 5)) != bucket_of(("2001:db8:0:1::1", 5))
    assert bucket_of(None) == bucket_of(("", 0)) == "local"


def test_wrong_attempts_of_an_address_run_out(clock: Clock) -> None:
    rates = Rates(None, clock=clock)

    def guess() -> float:
        wait = rates.attempt("192.0.2.1", f"guess {clock.now}", guessable=True)
        return wait or rates.wrong("192.0.2.1")

    # when they come in one burst, then a thousand a second for a minute
    assert count(guess) == FAILURE_BURST
    looked_at = 0
    for _ in range(60_000):
        clock.now += 0.001
        looked_at += not guess()
    # then one a second was looked at, and others are not held up
    assert 58 <= looked_at <= 61
    assert rates.attempt("192.0.2.2", "x", guessable=True) == 0.0


def test_who_was_let_in_before_is_not_locked_out_by_others(clock: Clock) -> None:
    rates = Rates(None, clock=clock)
    rates.right("127.0.0.1", "good")
    count(lambda: rates.wrong("127.0.0.1"))
    assert rates.attempt("127.0.0.1", "good", guessable=True) == 0.0
    assert rates.attempt("127.0.0.1", "other", guessable=True) > 0
    assert rates.attempt("127.0.0.1", "long and random", guessable=False) == 0.0
    # and: somebody elsewhere who found the token out has no more attempts for that
    count(lambda: rates.wrong("192.0.2.1"))
    assert rates.attempt("192.0.2.1", "good", guessable=True) > 0


def test_credentials_that_cannot_be_guessed_cost_no_more_than_requests(clock: Clock) -> None:
    rates = Rates(100.0, clock=clock)
    assert count(lambda: rates.attempt("192.0.2.1", "x", guessable=False)) == 100
    assert rates.anonymous("192.0.2.1") > 0
    rates.right("192.0.2.1", "x")
    assert rates.attempt("192.0.2.1", "x", guessable=False) == 0.0


def test_identities_have_a_rate_of_their_own_or_none(clock: Clock) -> None:
    rates = Rates(10.0, clock=clock)
    assert count(lambda: rates.identity("anna")) == 50
    assert rates.identity("ben") == 0.0
    assert count(lambda: rates.anonymous("192.0.2.1")) == 10
    off = Rates(None, clock=clock)
    assert not any(off.identity("anna") or off.anonymous("x") for _ in range(100_000))


def test_known_credentials_are_bounded(clock: Clock) -> None:
    rates = Rates(None, most=10, clock=clock)
    count(lambda: rates.wrong("a"))
    for number in range(100):
        rates.right("a", f"token {number}")
    assert rates.attempt("a", "token 99", guessable=True) == 0.0
    assert rates.attempt("a", "token 89", guessable=True) > 0


def test_a_decision_costs_less_than_two_microseconds(tell: Callable[[str], None]) -> None:
    limiter = Limiter(1000, 5000)
    keys = [f"token:{number}" for number in range(1000)]

    def best() -> float:
        begun = time.perf_counter()
        for _ in range(20):
            for key in keys:
                limiter.take(key)
        return (time.perf_counter() - begun) / 20_000

    took = min(best() for _ in range(5))
    tell(f"{took * 1e6:.2f} microseconds")
    assert took < 2e-6
