"""Sessions that are claimed by whoever starts them, beside a spawner that looks at the queue."""

import asyncio
from dataclasses import replace

import pytest

from sessions_app import admission, at_once, claims, services
from sessions_app.conf import Conf
from sessions_app.models import AgentSession

pytestmark = pytest.mark.django_db(transaction=True)


def started(task: str) -> AgentSession:
    """A session that has been started, as its row is."""
    return AgentSession.objects.get(id=services.create(task, start=True).id)


async def test_who_need_not_wait_is_claimed_and_handed_over_once(conf: Conf) -> None:
    launched: list[AgentSession] = []
    taker = at_once.Taker("here", replace(conf, slots=1), launched.append)
    with taker.taking():
        # when two are started and there is one slot
        first, second = [await asyncio.to_thread(started, task) for task in ("one", "two")]
        await asyncio.sleep(0)  # what was handed over arrives
        # then the first is claimed and launched, and the other waits
        assert (first.claimed_by, first.attempt) == ("here", 1)
        assert (second.claimed_by, second.attempt) == ("", 0)
        assert [session.id for session in launched] == [first.id]
        assert taker.coming == set()
    # and afterwards nothing is claimed
    assert (await asyncio.to_thread(started, "three")).claimed_by == ""


async def test_a_second_start_leaves_the_first_ones_claim_alone(conf: Conf) -> None:
    # given a session whose first start has been committed and not yet handed over
    taker = at_once.Taker("here", conf, lambda session: None)
    with taker.taking():
        session = await asyncio.to_thread(services.create, "a task")
        taker.coming.add(session.id)

        def start_again() -> dict[str, object]:
            with at_once.starting() as place:
                return place.claim(session, None)

        # when it is started once more, then that claims nothing and forgets nothing
        assert await asyncio.to_thread(start_again) == {}
        assert taker.coming == {session.id}


def test_a_slot_that_is_taken_before_a_look_gets_to_write_is_not_taken_twice(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two that wait, and a look that has found the one slot free
    first, second = started("one"), started("two")
    count = admission.slots_taken

    def taken_meanwhile(node: str = "") -> int:
        found = count(node)
        AgentSession.objects.filter(id=first.id).update(claimed_by="here", node="here", attempt=1)
        return found

    monkeypatch.setattr(admission, "slots_taken", taken_meanwhile)
    # when the slot is taken before it writes, then it claims nobody
    assert claims.claim_next("here", 1) is None
    assert AgentSession.objects.get(id=second.id).claimed_by == ""
