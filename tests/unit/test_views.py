"""The pages' answers: status codes, what is on them, what forms do."""

import re
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client

from sessions_app import callers, queries, services
from sessions_app.callers import Caller, Role, Via
from sessions_app.conf import Conf
from sessions_app.errors import Unavailable
from sessions_app.models import AgentSession
from sessions_app.views.session import PLAIN_LOG_LINES
from tests.unit.pages import JSON, text_of

pytestmark = pytest.mark.usefixtures("conf")

#: An id that no session has.
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _rows(db: None) -> None:
    """A database."""


def test_the_list_is_rendered_with_the_cursor_of_before_its_rows(client: Client) -> None:
    session = services.create("<b>a task</b>\nand more", priority="high")

    page = text_of(client.get("/"))

    assert "&lt;b&gt;a task&lt;/b&gt;" in page
    assert "<b>a task" not in page
    assert f'data-event-cursor="{queries.latest_event()}"' in page
    assert f'href="/sessions/{session.id}/"' in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 3),
        ("?status=failed", 1),
        ("?priority=high", 2),
        ("?priority=high&status=created", 1),
        ("?q=ONE", 1),
        ("?q=%25", 0),
        ("?status=", 3),
    ],
)
def test_the_list_is_filtered(client: Client, query: str, found: int) -> None:
    services.create("one", priority="high")
    services.create("two")
    services.stop(services.create("three", priority="high").id)

    assert text_of(client.get(f"/{query}")).count("<tr data-id") == found + 1  # and the template


@pytest.mark.parametrize("query", ["?status=x", "?priority=x", "?cursor=x", "?q=%00"])
def test_a_filter_that_makes_no_sense_is_answered_with_400(client: Client, query: str) -> None:
    response = client.get(f"/{query}")

    assert response.status_code == 400
    assert 'role="alert"' in text_of(response)


def test_a_page_of_the_list_takes_a_bounded_number_of_queries(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        services.start(services.create(str(number)).id)

    with django_assert_max_num_queries(7):
        page = text_of(client.get("/"))

    assert page.count("in the queue") == 50


def test_a_session_is_rendered_whole(client: Client, conf: Conf) -> None:
    session = services.create("line 1\nline 2", metadata={"a": "</script>"}, args=["--x", "a b"])
    services.stop(session.id)

    page = text_of(client.get(f"/sessions/{session.id}/"))

    for part in (
        "line 1\nline 2",
        "&quot;a&quot;: &quot;&lt;/script&gt;&quot;",
        "<code>a b</code>",
    ):
        assert part in page
    for path in (session.working_dir, session.output_dir, session.log_file, session.database):
        assert path in page
    assert "Failed: <span data-ending>stopped before it ran</span>" in page


def test_a_readers_log_without_scripts_is_plain(client: Client) -> None:
    session = services.create("t")
    with open(session.log_file, "ab") as log:  # noqa: PTH123 - a log's path is text
        log.write(b"first\n" + b"many\n" * 300 + b"\x1b[31m<red>\x1b[0m\xff\n")

    page = text_of(client.get(f"/sessions/{session.id}/"))

    plain = re.search(r'<pre class="log plain"[^>]*>(.*?)</pre>', page, re.S)
    assert plain is not None
    assert plain[1].count("many") == PLAIN_LOG_LINES - 1
    assert plain[1].rstrip().endswith("&lt;red&gt;\ufffd")


def test_output_files_are_listed_with_links_that_hold_any_name(client: Client, conf: Conf) -> None:
    session = services.create("t")
    output = conf.outputs_dir / str(session.id)
    (output / "a dir").mkdir()
    (output / "a dir" / "50%?#.txt").write_bytes(b"x" * 1500)
    (output / b"\xff.bin".decode("utf-8", "surrogateescape")).write_bytes(b"")
    (output / "link").symlink_to("/etc/passwd")

    page = text_of(client.get(f"/sessions/{session.id}/"))

    base = f"/api/v1/sessions/{session.id}/outputs"
    assert f'href="{base}/a%20dir/50%25%3F%23.txt"' in page
    assert "1.5 kB" in page
    assert f'href="{base}/%FF.bin"' in page
    assert "passwd" not in page


@pytest.mark.parametrize("unknown", [NOBODY, "x", "{" + NOBODY + "}", "<b>"])
@pytest.mark.parametrize("verb", ["", "start", "stop"])
def test_an_unknown_session_is_answered_with_404(client: Client, unknown: str, verb: str) -> None:
    url = f"/sessions/{unknown}/{verb}"

    response = client.post(url) if verb else client.get(url)

    assert response.status_code == 404
    assert "No session has the id" in text_of(response)
    assert "<b>" not in text_of(response).replace("&lt;b&gt;", "")


def test_an_unknown_address_is_answered_with_404(client: Client) -> None:
    response = client.get("/nowhere/at/all")

    assert response.status_code == 404
    assert "There is nothing here" in text_of(response)


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_pages_take_only_the_methods_they_know(client: Client, method: str) -> None:
    session = services.create("t")
    for path in ("/", "/new", f"/sessions/{session.id}/", f"/sessions/{session.id}/stop"):
        assert getattr(client, method)(path).status_code == 405
    assert client.get(f"/sessions/{session.id}/stop").status_code == 405


def test_the_form_creates_and_starts(client: Client) -> None:
    response = client.post(
        "/new",
        {
            "task": "two\r\nlines",
            "priority": "low",
            "profile": "sample",
            "args": "--x 'y z'",
            "metadata": '{"k": 1}',
            "start": "now",
        },
    )

    session = AgentSession.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"/sessions/{session.id}/"
    assert (session.task, session.args, session.metadata) == (
        "two\nlines",
        ["--x", "y z"],
        {"k": 1},
    )
    assert (session.priority_word, session.profile, session.status) == ("low", "sample", "starting")


FORM = {"task": "t", "priority": "medium", "profile": "sample", "args": "", "metadata": ""}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("task", "", "The task is empty"),
        ("task", "a\0b", "The task contains a NUL byte"),
        ("task", "x" * 128_001, "at most 128,000 are allowed"),
        ("priority", "urgent", "Select a valid choice"),
        ("profile", "nope", "Select a valid choice"),
        ("args", "a 'b", "The arguments cannot be split: no closing quotation"),
        ("args", "\0", "contains a NUL byte"),
        ("metadata", "{", "The metadata is not JSON"),
        ("metadata", "3", "must be a JSON object or null, not a number"),
    ],
)
def test_the_form_says_what_is_wrong(client: Client, field: str, value: str, words: str) -> None:
    response = client.post("/new", {**FORM, field: value})

    assert response.status_code == 422
    page = text_of(response)
    assert f'id="id_{field}_error"' in page
    assert words in page
    assert not AgentSession.objects.exists()


def test_the_form_is_refused_without_its_token() -> None:
    response = Client(enforce_csrf_checks=True).post("/new", FORM)

    assert response.status_code == 403
    assert "This form was not accepted" in text_of(response)
    assert not AgentSession.objects.exists()


def test_what_the_server_cannot_do_is_said_in_the_form(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(services, "create", full)

    response = client.post("/new", {**FORM, "task": "keep me"})

    assert "The disk is full" in text_of(response)
    assert "keep me" in text_of(response)


def test_a_session_that_cannot_be_started_is_shown_with_the_reason(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Unavailable("no spawner runs")

    monkeypatch.setattr(services, "start", refuse)

    response = client.post("/new", {**FORM, "start": "now"}, follow=True)

    assert "no spawner runs" in text_of(response)
    assert AgentSession.objects.get().status == "created"


def test_start_and_stop_answer_scripts_briefly(client: Client) -> None:
    session = services.create("t")
    headers = {"Accept": "application/json"}

    stopped = client.post(f"/sessions/{session.id}/stop", headers=headers)
    started = client.post(f"/sessions/{session.id}/start", headers=headers)
    unknown = client.post(f"/sessions/{uuid4()}/start", headers=headers)

    assert stopped.status_code == 204
    assert started.status_code == 409
    assert "cannot be started again" in started.json()["detail"]
    assert unknown.status_code == 404


def test_start_and_stop_lead_back_to_the_page(client: Client) -> None:
    session = services.create("t")

    stopped = client.post(f"/sessions/{session.id}/stop")
    started = client.post(f"/sessions/{session.id}/start", follow=True)

    assert stopped["Location"] == f"/sessions/{session.id}/"
    assert "cannot be started again" in text_of(started)


def test_the_form_is_filled_in_like_another_session(client: Client, conf: Conf) -> None:
    usual = {name: f"{n}h" for n, name in enumerate(("run_time", "idle_time"), 1)}
    limits = {**usual, "memory": 1_500_000_000, "log_size": None}
    session = services.create(
        "<task>", priority="low", profile="sample", args=["a b", "$x"], limits=limits
    )

    page = text_of(client.get(f"/new?like={session.id}"))

    assert "&lt;task&gt;</textarea>" in page
    assert 'value="low" selected' in page
    assert 'value="sample" selected' in page
    assert 'value="&#x27;a b&#x27; &#x27;$x&#x27;"' in page
    for name, value in (("run_time", "1h"), ("idle_time", "2h"), ("memory", "1500MB")):
        assert re.search(rf'name="{name}" value="{value}"', page), name
    assert re.search('name="log_size" (?!value)', page), "as its profile says anyway"
    assert client.get(f"/new?like={NOBODY}").status_code == 404
    assert client.get("/new?like=<b>").status_code == 404
    AgentSession.objects.update(profile="gone")
    gone = text_of(client.get(f"/new?like={session.id}"))
    assert "Its profile gone is not in the settings any more" in gone
    assert 'value="claude-flow" selected' in gone


def test_another_owners_session_is_nothing_to_be_like(client: Client, conf: Conf) -> None:
    session = services.create("secret plans")
    anna = Caller("anna", Role.OPERATOR, Via.SESSION)
    with pytest.MonkeyPatch.context() as patch, callers.acting(anna):
        patch.setattr(settings, "HIVE", replace(conf, private_sessions=True))
        response = client.get(f"/new?like={session.id}")

    assert response.status_code == 404
    assert "secret plans" not in text_of(response)


def test_profiles_are_offered_with_a_word_on_each(
    client: Client, conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = replace(conf.profile("sample"), name="told", about="Reads, <never> writes")
    plain = replace(told, name="plain", about="", argv=("/opt/secret=1/bin/mine", "--key", "hush"))
    profiles = {**conf.profiles, "told": told, "plain": plain}
    monkeypatch.setattr(settings, "HIVE", replace(conf, profiles=profiles))

    page = text_of(client.get("/new"))

    assert "told: Reads, &lt;never&gt; writes" in page
    assert "plain: runs mine" in page
    assert "hush" not in page
    assert "secret=1" not in page


def test_a_script_gets_the_address_or_the_mistakes_and_makes_one_session_a_key(
    client: Client,
) -> None:
    key = {"key": "k" * 32}

    wrong = client.post("/new", {**FORM, "task": ""}, headers=JSON)
    late = client.post("/new", {**FORM, "start": "later", "not_before": "1999-01-01T00:00"})
    first = client.post("/new", {**FORM, **key}, headers=JSON)
    again = client.post("/new", {**FORM, **key, "csrfmiddlewaretoken": "another"}, headers=JSON)
    other = client.post("/new", {**FORM, **key, "task": "other"}, headers=JSON)

    assert wrong.status_code == 422
    assert list(wrong.json()["errors"]) == ["task"]
    assert "This time is past" in text_of(late)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.json()["url"] == f"/sessions/{AgentSession.objects.get().id}/"
    assert other.status_code == 422
