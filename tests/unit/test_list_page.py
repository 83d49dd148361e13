"""The list's page without scripts: filters, sorts, figures, and actions on many sessions."""

import json
import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from django.test import Client

from sessions_app import presentation, services
from sessions_app.conf import Conf
from sessions_app.masking import Known
from sessions_app.models import AgentSession
from sessions_app.secret import Secret
from sessions_app.telemetry import listed, samples
from sessions_app.telemetry.samples import Head
from tests.unit.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("conf")]

GIBIBYTE = 1024**3


def titles(page: str) -> list[str]:
    """The tasks in the rows, from the top."""
    return [unescape(title) for title in re.findall(r"data-title>([^<]+)</a>", page)]


def attribute(page: str, name: str) -> Any:
    """A JSON attribute of the list."""
    found = re.search(rf'{name}="([^"]*)"', page)
    assert found
    return json.loads(unescape(found[1]))


def measured(session: AgentSession, **fields: Any) -> AgentSession:
    """A session in another state, as a run would have left it."""
    AgentSession.objects.filter(id=session.id).update(**fields)
    return services.get(session.id)


def test_every_filter_stands_in_the_address_and_in_the_form(client: Client) -> None:
    services.create("fits <b>", metadata={"team": 'a"b'}, priority="high")
    services.create("other", metadata={"team": "c"})

    query = '?meta=team%3Da"b&created_since=2h&priority=high&sort=-updated'
    page = text_of(client.get(f"/{query}"))

    assert titles(page) == ["fits <b>"]
    assert 'name="meta" value="team=a&quot;b"' in page
    assert 'name="created_since" value="2h"' in page
    assert '<option value="-updated" selected>' in page
    assert attribute(page, "data-filter") == {
        "priority": "high",
        "meta": ['team=a"b'],
        "created_since": "2h",
    }
    told = attribute(page, "data-told")
    assert told["metadata"] == [["team", 'a"b']]
    assert told["times"] == [{"of": "created", "lower": True, "ago": 7_200_000.0, "at": None}]
    chip = re.search(r'href="(/\?[^"]*status=failed[^"]*)" data-status="failed"', page)
    assert chip
    assert "sort=-updated" in chip[1]
    assert "created_since=2h" in chip[1]


def test_heads_sort_the_useful_way_first_and_then_the_other_way(client: Client) -> None:
    services.create("first")
    services.create("second")

    page = text_of(client.get("/"))
    assert (
        '<th scope="col" class="col-created" aria-sort="descending"><a href="/?sort=created">'
        in page
    )
    page = text_of(client.get("/?sort=created"))
    assert titles(page) == ["first", "second"]
    assert '<th scope="col" class="col-created" aria-sort="ascending"><a href="/">' in page


@pytest.mark.parametrize(
    "query",
    ["?sort=x", "?meta=%3D", "?reason=x", "?created_since=x", "?owner=%00", "?meta=%00&q=%00"],
)
def test_what_makes_no_sense_is_answered_with_400(client: Client, query: str) -> None:
    response = client.get(f"/{query}")
    assert response.status_code == 400
    assert 'role="alert"' in text_of(response)


def test_a_row_tells_what_a_session_used_and_wrote(client: Client, conf: Conf) -> None:
    runs = measured(services.create("runs"), status="running")
    over = measured(
        services.create("over"),
        status="completed",
        measured={
            "resources": {
                "peak": {"memory_bytes": GIBIBYTE},
                "total": {"cpu_seconds": 30.0, "run_seconds": 60.0},
            },
            "activity": {"last_line": "done <i>", "last_output": "2026-11-22T20:59:46+00:00"},
        },
    )
    waits = services.create("waits")
    run_dir = conf.runs_dir / str(runs.id)
    run_dir.mkdir(parents=True)
    series = samples.Series(run_dir, 1.0, 100.0)
    series.head = Head(1.0, 100.0, at=101.0, cpu_percent=42.4, memory=5_000_000)
    series.add()

    found = listed.figures([runs, over, waits])

    assert found[runs.id] == listed.Figures(42.4, 5_000_000)
    assert found[over.id] == listed.Figures(50.0, GIBIBYTE, "2026-11-22T20:59:46+00:00", "done <i>")
    assert waits.id not in found
    assert presentation.figure_words(found[over.id]) == {"cpu": "50 %", "memory": "1.1 GB"}
    page = text_of(client.get("/"))
    assert ">42 %</span>" in page
    assert "done &lt;i&gt;" in page
    told = client.get(f"/sessions/figures?ids={runs.id},{waits.id},nonsense").json()
    assert told == {str(runs.id): {"cpu": "42 %", "memory": "5.0 MB", "output_at": "", "line": ""}}


@pytest.mark.parametrize(
    "broken", [{}, [], {"resources": 5, "activity": []}, {"resources": {"total": None}}]
)
def test_figures_that_are_not_there_are_none(broken: Any) -> None:
    over = measured(services.create("over"), status="failed", measured=broken)
    assert listed.figures([over]) == {over.id: listed.Figures()}


def test_secrets_do_not_stand_in_a_last_line(conf: Conf, settings: Any) -> None:
    settings.HIVE = replace(conf, secrets=Known([Secret("hidden-by-the-mask-1234")]))
    told = {"activity": {"last_line": "the token is hidden-by-the-mask-1234"}}

    over = measured(services.create("over"), status="completed", measured=told)

    line = listed.figures([over])[over.id].line
    assert line.startswith("the token is ")
    assert "hidden-by" not in line


@pytest.mark.django_db(transaction=True)  # its work is done by other threads
def test_many_are_asked_about_and_then_done_without_scripts(client: Client) -> None:
    one, two = services.create("one <b>"), services.create("two")
    over = services.stop(services.create("over").id)
    form = {"action": "stop", "id": [one.id, two.id, over.id], "filter": "status=created"}

    asked = text_of(client.post("/sessions/bulk", form))

    assert "Stop these sessions?" in asked
    assert "2 of 3 will be changed" in asked
    assert "one &lt;b&gt;" in asked
    assert "it has ended (failed)" in asked
    assert 'href="/?status=created">Change nothing' in asked
    assert services.get(one.id).status == "created"
    ids = re.search(r'name="ids" value="([^"]*)"', asked)
    assert ids
    assert str(over.id) not in ids[1]

    done = text_of(
        client.post("/sessions/bulk", {"action": "stop", "ids": ids[1], "confirmed": "yes"})
    )

    assert "Stopped: 2" in done
    assert services.get(one.id).status == services.get(two.id).status == "failed"


@pytest.mark.django_db(transaction=True)  # its work is done by other threads
def test_all_that_match_are_asked_about_without_scripts(client: Client) -> None:
    high, low = services.create("high", priority="high"), services.create("low", priority="low")

    asked = text_of(
        client.post(
            "/sessions/bulk", {"action": "pin", "all": "yes", "filter": "priority=high&sort=x"}
        )
    )

    assert str(high.id) in asked
    assert str(low.id) not in asked


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"action": "stop"}, "Choose from 1 to 1,000 sessions"),
        ({"action": "burn", "id": "x"}, "The action must be one of"),
        ({"action": "pin", "all": "yes", "filter": "status=x"}, "The status must be one of"),
    ],
)
def test_a_refusal_is_told_on_a_page(client: Client, form: dict[str, str], says: str) -> None:
    response = client.post("/sessions/bulk", form)
    assert response.status_code == 422
    assert says in text_of(response)


def test_many_are_changed_by_post_only(client: Client) -> None:
    assert client.get("/sessions/bulk").status_code == 405
