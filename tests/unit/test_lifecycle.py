"""No order of calls brings a session into a state that the lifecycle does not know."""

import contextlib
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from sessions_app import claims, services
from sessions_app.conf import Conf
from sessions_app.errors import HiveError
from sessions_app.lifecycle import ACTIVE, FINISHED, PREDECESSORS, EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent

EVENT_OF = {
    Status.CREATED: EventKind.CREATED,
    Status.STARTING: EventKind.STARTING,
    Status.RUNNING: EventKind.RUNNING,
    Status.COMPLETED: EventKind.COMPLETED,
    Status.FAILED: EventKind.FAILED,
}


class Sessions(RuleBasedStateMachine):
    """Callers and a spawner at work on one session, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[str] = []

    @initialize()
    def create(self) -> None:
        self.id = services.create("a task").id
        self.states = [self.row.status]

    @property
    def row(self) -> AgentSession:
        return AgentSession.objects.get(id=self.id)

    def _call(self, action: Callable[[], object]) -> None:
        with contextlib.suppress(HiveError):
            action()
        if self.row.status != self.states[-1]:
            self.states.append(self.row.status)

    @rule()
    def start(self) -> None:
        self._call(lambda: services.start(self.id))

    @rule()
    def stop(self) -> None:
        self._call(lambda: services.stop(self.id))

    @rule(word=st.sampled_from([*Status, "not_found", "paused", ""]))
    def report(self, word: str) -> None:
        self._call(lambda: services.report(self.id, word))

    @rule(slots=st.integers(0, 2))
    def claim(self, slots: int) -> None:
        self._call(lambda: claims.claim_next("here", slots))

    @rule()
    def release(self) -> None:
        self._call(lambda: claims.release(self.id, self.row.attempt, "test"))

    @rule()
    def launched(self) -> None:
        if self.row.claimed_by:
            self._advance(EventKind.RUNNING, [Status.STARTING], status=Status.RUNNING)

    @rule(status=st.sampled_from(sorted(FINISHED)))
    def settle(self, status: Status) -> None:
        self._advance(
            EVENT_OF[status],
            [Status.RUNNING],
            status=status,
            reason=Reason.EXITED,
            ended_at=timezone.now(),
        )

    def _advance(self, kind: EventKind, when: list[Status], **changes: Any) -> None:
        self._call(lambda: AgentSession.objects.advance(self.id, kind, when=when, **changes))

    @invariant()
    def only_known_transitions(self) -> None:
        for before, after in zip(self.states, self.states[1:], strict=False):
            assert before in PREDECESSORS[Status(after)], self.states

    @invariant()
    def one_event_a_state_change(self) -> None:
        if self.states:
            kinds = list(
                SessionEvent.objects.filter(
                    session_id=self.id, kind__in=list(EVENT_OF.values())
                ).values_list("kind", flat=True)
            )
            assert kinds == [EVENT_OF[Status(state)] for state in self.states]

    @invariant()
    def an_end_has_its_time_and_reason(self) -> None:
        if self.states and self.row.finished:
            assert self.row.ended_at
            assert self.row.reason


@pytest.mark.django_db(transaction=False)
def test_no_order_of_calls_reaches_a_forbidden_state(conf: Conf) -> None:
    run_state_machine_as_test(
        Sessions,
        settings=settings(
            max_examples=60,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db
def test_a_transition_the_lifecycle_does_not_know_is_a_mistake(conf: Conf) -> None:
    session = services.create("a task")
    with pytest.raises(ValueError, match="no transition"):
        AgentSession.objects.advance(
            session.id, EventKind.COMPLETED, when=[Status.CREATED], status=Status.COMPLETED
        )
    assert services.get(session.id).status == Status.CREATED


@pytest.mark.django_db
def test_a_change_that_comes_second_changes_nothing_and_leaves_no_event(conf: Conf) -> None:
    session = services.create("a task")
    services.stop(session.id)
    events = SessionEvent.objects.count()

    changed = AgentSession.objects.advance(
        session.id, EventKind.STARTING, when=[Status.CREATED], status=Status.STARTING
    )

    assert not changed
    assert SessionEvent.objects.count() == events


@pytest.mark.django_db
def test_advancing_an_unknown_session_changes_nothing(conf: Conf) -> None:
    assert not AgentSession.objects.advance(
        uuid.uuid4(), EventKind.STOP_REQUESTED, when=ACTIVE, verdict=Reason.STOPPED
    )
