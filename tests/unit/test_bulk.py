"""One action on many sessions: what is skipped and why, what a preview says, what is done."""

from typing import Any

import pytest

from sessions_app import bulk, callers, control, queries, services
from sessions_app.bulk import Outcome
from sessions_app.callers import Caller, Role, Via
from sessions_app.conf import Conf
from sessions_app.errors import Forbidden, Invalid
from sessions_app.filters import Filters
from sessions_app.models import AgentSession, AuditEvent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("conf")]

ANNA = Caller("anna", Role.OPERATOR, Via.SESSION)
VICTOR = Caller("victor", Role.VIEWER, Via.SESSION)
NOBODY = "00000000-0000-4000-8000-000000000000"


def results(
    action: str,
    ids: list[Any] | None = None,
    *,
    filters: Filters | None = None,
    dry_run: bool = False,
) -> dict[str, bulk.Result]:
    """What became of each."""
    texts = None if ids is None else [str(getattr(one, "id", one)) for one in ids]
    wish = bulk.wish(action, texts, filters, dry_run=dry_run)
    return {one.session_id: one for one in bulk.carry_out(wish) if one is not None}


def outcomes(found: dict[str, bulk.Result]) -> list[str]:
    return [one.outcome.value for one in found.values()]


def ended(task: str = "ended") -> AgentSession:
    """A session that was stopped before it ran."""
    return services.stop(services.create(task).id)


def test_a_preview_tells_of_each_and_changes_nothing() -> None:
    waits, over = services.create("waits\nand more"), ended()

    found = results("stop", [waits, over, NOBODY], dry_run=True)

    assert outcomes(found) == ["would", "skipped", "skipped"]
    first, second, third = found.values()
    assert (first.title, first.status) == ("waits", "created")
    assert first.detail == "it has not run, and never will"
    assert second.detail == "it has ended (failed)"
    assert third.detail == f"no session has the id {NOBODY!r}"
    assert services.get(waits.id).status == "created"


def test_each_is_done_by_itself() -> None:
    waits, over = services.create("waits"), ended()

    found = results("stop", [over, waits])

    assert found[str(waits.id)].outcome is Outcome.DONE
    assert found[str(waits.id)].detail == "stopped"
    assert found[str(over.id)].outcome is Outcome.SKIPPED
    assert services.get(waits.id).reason == "stopped"


def test_what_runs_is_asked_to_stop_once() -> None:
    runs = services.create("runs")
    AgentSession.objects.filter(id=runs.id).update(status="running")

    assert results("stop", [runs], dry_run=True)[str(runs.id)].detail == "its processes are ended"
    assert results("stop", [runs])[str(runs.id)].detail == "being stopped"
    assert results("stop", [runs])[str(runs.id)].detail == "it is being stopped already"


def test_retry_makes_new_sessions_and_starts_them() -> None:
    over, waits = ended("again"), services.create("waits")

    found = results("retry", [over, waits])

    made = found[str(over.id)]
    assert made.outcome is Outcome.DONE
    new = services.get(made.new)
    assert (new.task, new.status, new.parent) == ("again", "starting", over.id)
    assert found[str(waits.id)].outcome is Outcome.SKIPPED
    assert "is created" in found[str(waits.id)].detail


def test_pin_and_unpin() -> None:
    one, two = services.create("one"), services.create("two")
    control.pin(two.id)

    assert outcomes(results("pin", [one, two])) == ["done", "skipped"]
    assert outcomes(results("unpin", [one, two])) == ["done", "done"]
    assert not services.get(one.id).pinned


def test_cleanup_takes_what_has_ended_and_says_what_stays(conf: Conf) -> None:
    over, pinned, waits = ended(), ended("pinned"), services.create("waits")
    control.pin(pinned.id)
    directory = conf.sessions_dir / str(over.id)
    assert directory.is_dir()

    ahead = results("cleanup", [over, pinned, waits], dry_run=True)
    assert directory.is_dir()
    found = results("cleanup", [over, pinned, waits])

    assert ahead[str(over.id)].outcome is Outcome.WOULD
    assert "its outputs stay" in ahead[str(over.id)].detail
    assert found[str(over.id)].outcome is Outcome.DONE
    assert "it is pinned" in found[str(pinned.id)].detail
    assert "once it has ended" in found[str(waits.id)].detail
    assert not directory.exists()
    assert {row.id for row in AgentSession.objects.all()} == {pinned.id, waits.id}


def test_a_failure_of_one_is_told_and_the_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    lost, over = ended("of a profile that is gone"), ended()
    AgentSession.objects.filter(id=lost.id).update(profile="gone")

    found = results("retry", [lost, over])

    assert outcomes(found) == ["failed", "done"]
    assert "gone" in found[str(lost.id)].detail


def test_everybody_acts_on_what_is_theirs() -> None:
    with callers.acting(ANNA):
        hers = services.create("hers")
    other = services.create("not hers")

    with callers.acting(ANNA):
        ahead = results("stop", [hers, other], dry_run=True)
        found = results("stop", [hers, other])
        with pytest.raises(Forbidden):
            results("cleanup", [hers])
    with callers.acting(VICTOR), pytest.raises(Forbidden):
        results("pin", [hers], dry_run=True)

    assert outcomes(ahead) == ["would", "skipped"]
    assert outcomes(found) == ["done", "skipped"]
    assert "your own only" in found[str(other.id)].detail
    assert services.get(other.id).status == "created"
    trail = AuditEvent.objects.filter(principal="anna", action="failed")
    assert [event.session_id for event in trail] == [hers.id]


def test_a_filter_names_the_newest_that_match(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [services.create(f"{n}", priority="high") for n in range(4)]
    services.create("low", priority="low")
    wish = bulk.wish("pin", None, Filters(priority="high"), dry_run=False)
    assert wish.ids == tuple(str(session.id) for session in reversed(made))
    assert not wish.more

    monkeypatch.setattr(bulk, "MOST", 3)
    bounded = bulk.wish("pin", None, Filters(priority="high"), dry_run=False)

    assert bounded.more
    assert bounded.ids == wish.ids[:3]
    assert results("pin", filters=Filters(priority="high")).keys() == set(bounded.ids)
    assert not services.get(made[0].id).pinned


def test_an_id_counts_once_in_whatever_case() -> None:
    one = services.create("one")
    found = results("pin", [one, str(one.id).upper(), f" {one.id} "])
    assert outcomes(found) == ["done"]


@pytest.mark.parametrize(
    ("action", "ids", "filters"),
    [
        ("delete", ["x"], None),
        ("stop", None, None),
        ("stop", ["x"], Filters()),
        ("stop", [], None),
        ("stop", [f"{n}" for n in range(bulk.MOST + 1)], None),
        ("stop", None, Filters(status="bogus")),
    ],
)
def test_what_cannot_be_understood_is_refused(
    action: str, ids: list[str] | None, filters: Filters | None
) -> None:
    with pytest.raises(Invalid):
        bulk.wish(action, ids, filters, dry_run=True)


def test_what_matches_nothing_changes_nothing() -> None:
    assert results("stop", filters=Filters(status="running")) == {}
    assert queries.counts()["failed"] == 0
