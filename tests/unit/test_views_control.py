"""The pages' buttons and small forms: what they ask for, and what is said when they cannot."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from sessions_app import cleanup, control, services
from sessions_app.lifecycle import EventKind, Status
from sessions_app.models import AgentSession, SessionEvent
from tests.unit.pages import JSON, text_of

pytestmark = [pytest.mark.usefixtures("conf"), pytest.mark.django_db]


def running(**fields: Any) -> AgentSession:
    """A session as the spawner leaves it once its command runs."""
    session = services.create("t", **fields)
    now = timezone.now()
    AgentSession.objects.filter(id=session.id).update(status=Status.RUNNING, started_at=now)
    return services.get(session.id)


def test_pause_and_resume_are_asked_for_and_offered_in_turn(client: Client) -> None:
    session = running()
    url = f"/sessions/{session.id}/"

    assert client.post(f"{url}pause")["Location"] == url
    session.refresh_from_db()
    assert session.pause_wanted
    page = text_of(client.get(url))
    assert "Being paused" in page
    assert 'data-action="pause" hidden' in page
    assert 'data-action="resume">' in page

    assert client.post(f"{url}resume", headers=JSON).status_code == 204
    session.refresh_from_db()
    assert not session.pause_wanted


def test_a_paused_session_is_shown_as_one(client: Client) -> None:
    session = running()
    began = timezone.now() - timedelta(hours=3)
    AgentSession.objects.filter(id=session.id).update(
        started_at=began,
        pause_wanted=True,
        paused_at=began + timedelta(minutes=5),
        paused_mark=1.0,
        stalled_since=began,
    )

    page, rows = text_of(client.get(f"/sessions/{session.id}/")), text_of(client.get("/"))

    assert "<title>paused · t · hiveweb</title>" in page
    assert 'data-banner="paused" data-mark="paused">Paused since' in page
    assert 'data-mark="stalled" hidden' in page
    for shown in (page, rows):
        assert ">5m 00s</span>" in shown
    assert 'data-mark="paused">paused' in rows


def test_what_cannot_be_done_is_said_and_changes_nothing(client: Client) -> None:
    session = services.create("t")
    url = f"/sessions/{session.id}/"
    for verb in ("pause", "resume", "retry"):
        refused = client.post(f"{url}{verb}", headers=JSON)
        assert refused.status_code == 409
        assert "is created" in refused.json()["detail"]
        assert "is created" in text_of(client.post(f"{url}{verb}", follow=True))
    assert AgentSession.objects.count() == 1


def test_a_retry_that_is_repeated_with_its_key_makes_one_session(client: Client) -> None:
    old = services.stop(services.create("t").id)
    url = f"/sessions/{old.id}/retry"
    page = text_of(client.get(f"/sessions/{old.id}/"))
    [key, other] = re.findall(r'name="key" value="(\w+)"', page)

    plain = client.post(url, {"key": key})["Location"]
    again = client.post(url, {"key": key}, headers=JSON)

    assert key == other  # whichever button of the page is pressed
    assert (again.status_code, again.json()["url"]) == (201, plain)
    assert AgentSession.objects.filter(parent=old.id).count() == 1
    for no_key in ({}, {"key": ""}, {"key": "x" * 101}, {"key": "\n"}):
        assert client.post(url, no_key, headers=JSON).json()["url"] != plain
    assert AgentSession.objects.filter(parent=old.id).count() == 5
    services.stop(plain.split("/")[2])
    list(cleanup.chosen([services.get(plain.split("/")[2])]))
    gone = client.post(url, {"key": key}, headers=JSON)
    assert (gone.status_code, "use another key" in gone.json()["detail"]) == (409, True)


@pytest.mark.django_db(transaction=True)  # its work is done by other threads
def test_many_are_retried_once_however_often_that_is_confirmed(client: Client) -> None:
    ids = " ".join(str(services.stop(services.create("t").id).id) for _ in range(2))
    page = text_of(client.post("/sessions/bulk", {"action": "retry", "ids": ids}))
    found = re.search(r'name="key" value="(\w+)"', page)
    assert found
    confirmed = {"action": "retry", "ids": ids, "key": found[1], "confirmed": "yes"}

    for _ in range(2):
        done = text_of(client.post("/sessions/bulk", confirmed))
        assert done.count("the new session") == 2

    assert AgentSession.objects.exclude(parent=None).count() == 2


@pytest.mark.django_db(transaction=True)  # its work is done by other threads
@pytest.mark.parametrize(
    ("fields", "why"),
    [({}, "it is created"), ({"status": "failed", "pinned": True}, "it is pinned")],
    ids=["unfinished", "pinned"],
)
def test_what_is_not_cleaned_up_says_why(client: Client, fields: dict[str, Any], why: str) -> None:
    session = services.create("t")
    AgentSession.objects.filter(id=session.id).update(**fields)
    url = f"/sessions/{session.id}/cleanup"

    refused = client.post(url, headers=JSON)

    assert (refused.status_code, why in refused.json()["detail"]) == (409, True)
    assert why in text_of(client.post(url, follow=True))
    assert AgentSession.objects.count() == 1


@pytest.mark.parametrize("verb", ["pause", "resume", "retry", "pin", "unpin", "update", "cleanup"])
def test_buttons_of_unknown_sessions_are_answered_with_404(client: Client, verb: str) -> None:
    url = f"/sessions/{uuid4()}/{verb}"

    assert client.get(url).status_code == 405
    assert client.post(url).status_code == 404
    assert client.post(url, headers=JSON).json()["detail"].startswith("no session has the id")


@pytest.mark.parametrize("verb", ["pause", "pin", "retry", "update", "cleanup"])
def test_buttons_are_refused_without_their_token(verb: str) -> None:
    session = running()

    refused = Client(enforce_csrf_checks=True).post(f"/sessions/{session.id}/{verb}")

    assert refused.status_code == 403
    session.refresh_from_db()
    assert not session.pinned
    assert not session.pause_wanted


def test_a_retry_leads_to_the_new_session_which_names_the_old_one(client: Client) -> None:
    old = services.create("again", priority="high", metadata={"k": 1}, args=["--x"])
    services.stop(old.id)

    answer = client.post(f"/sessions/{old.id}/retry", headers=JSON)

    assert answer.status_code == 201
    new = AgentSession.objects.exclude(id=old.id).get()
    assert answer.json() == {"url": f"/sessions/{new.id}/"}
    assert (new.task, new.args, new.parent, new.status) == ("again", ["--x"], old.id, "starting")
    short = f"<code>{str(old.id)[:8]}</code>"
    assert f'Another try of <a href="/sessions/{old.id}/">{short}' in text_of(
        client.get(f"/sessions/{new.id}/")
    )
    assert f'<a href="/sessions/{new.id}/"><code>' in text_of(client.get(f"/sessions/{old.id}/"))
    plain = client.post(f"/sessions/{old.id}/retry")
    assert plain.status_code == 302
    assert str(new.id) not in plain["Location"]
    assert str(old.id) not in plain["Location"]


def test_a_session_is_pinned_and_unpinned(client: Client) -> None:
    session = services.create("t")
    url = f"/sessions/{session.id}/"

    client.post(f"{url}pin")

    assert services.get(session.id).pinned
    assert 'data-mark="pinned" title="Kept by every cleanup">pinned' in text_of(client.get(url))
    client.post(f"{url}unpin")
    assert not services.get(session.id).pinned


FORM = {
    "priority": "medium",
    "initial-priority": "medium",
    "metadata": '{\r\n  "k": 1\r\n}',
    "initial-metadata": '{\r\n  "k": 1\r\n}',
}


def changes_of(session: AgentSession) -> list[str]:
    """What its events say was changed."""
    events = SessionEvent.objects.filter(session_id=session.id, kind=EventKind.UPDATED)
    return [event.data["changed"] for event in events]


def test_only_what_the_reader_has_changed_is_changed(client: Client) -> None:
    session = services.create("t", metadata={"k": 1})
    control.update(session.id, metadata={"k": "changed by somebody else"})

    client.post(f"/sessions/{session.id}/update", {**FORM, "priority": "high"})

    session.refresh_from_db()
    assert session.priority_word == "high"
    assert session.metadata == {"k": "changed by somebody else"}
    assert changes_of(session) == ["metadata", "priority"]


def test_a_priority_that_somebody_else_has_changed_stays(client: Client) -> None:
    session = services.create("t", metadata={"k": 1})
    control.update(session.id, priority="high")

    client.post(f"/sessions/{session.id}/update", {**FORM, "metadata": '{"k": 2}'})

    session.refresh_from_db()
    assert (session.priority_word, session.metadata) == ("high", {"k": 2})


def test_a_form_that_changes_nothing_leaves_no_trace(client: Client) -> None:
    session = services.create("t", metadata={"k": 1})

    same = {**FORM, "metadata": '{"k":1}'}
    answer = client.post(f"/sessions/{session.id}/update", same, headers=JSON)

    assert answer.status_code == 204
    assert changes_of(session) == []


def test_metadata_can_be_taken_away(client: Client) -> None:
    session = services.create("t", metadata={"k": 1})

    client.post(f"/sessions/{session.id}/update", {**FORM, "metadata": " "})

    assert services.get(session.id).metadata is None


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("metadata", "[1]", "must be a JSON object or null, not an array"),
        ("metadata", "\0", "contains a NUL byte"),
        ("priority", "urgent", "Select a valid choice"),
    ],
)
def test_mistakes_are_told_beside_the_field_and_entries_are_kept(
    client: Client, field: str, value: str, words: str
) -> None:
    session = services.create("t", metadata={"k": 1})
    url = f"/sessions/{session.id}/update"
    sent = {**FORM, "priority": "low", field: value}

    plain, script = client.post(url, sent), client.post(url, sent, headers=JSON)

    assert (plain.status_code, script.status_code) == (422, 422)
    assert f'id="change_{field}_error"' in text_of(plain)
    assert words in text_of(plain)
    assert words in script.json()["errors"][field][0]
    assert field != "metadata" or '<option value="low" selected>' in text_of(plain)
    assert services.get(session.id).priority_word == "medium"


def test_a_session_that_runs_by_now_is_not_changed(client: Client) -> None:
    session = running()
    url = f"/sessions/{session.id}/update"
    sent = {"priority": "high", "initial-priority": "medium", "metadata": ""}

    refused = client.post(url, sent, headers=JSON)

    assert refused.status_code == 409
    assert "while it waits" in refused.json()["detail"]
    assert "while it waits" in text_of(client.post(url, sent, follow=True))
