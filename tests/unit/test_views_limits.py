"""What pages show of limits and of what keeps sessions from starting; the form's limits."""

import html
import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from sessions_app import admission, services
from sessions_app.conf import Conf
from sessions_app.lifecycle import OnUsageLimit
from sessions_app.limits import Limits
from sessions_app.models import AgentSession, UsageHold
from tests.unit.pages import JSON, text_of

pytestmark = [pytest.mark.usefixtures("conf"), pytest.mark.django_db]


def test_a_held_profile_is_shown_with_the_way_out(client: Client) -> None:
    session = services.start(services.create("t", profile="sample").id)
    until = timezone.now() + timedelta(hours=2)
    admission.hold("sample", until, "You've hit your limit <b>", session.id)

    page = text_of(client.get("/"))

    assert 'data-hold="sample"' in page
    assert "You&#x27;ve hit your limit &lt;b&gt;" in page
    assert "place 1 in the queue: the usage limit of profile sample was reached" in page
    assert until.strftime("%Y-%m-%dT%H:%M:%S+00:00") in page
    assert "held until" not in page, "the time is shown apart, in the reader's zone"

    lifted = client.post("/holds/lift", {"profile": "sample"})

    assert lifted["Location"] == "/"
    assert not UsageHold.objects.exists()
    again = client.post("/holds/lift", {"profile": "sample"}, headers=JSON)
    assert again.status_code == 204, "held no longer is what was wanted"
    assert 'data-hold="sample"' not in text_of(client.get("/"))
    assert Client(enforce_csrf_checks=True).post("/holds/lift").status_code == 403


def test_what_the_machine_lacks_is_shown(
    client: Client, conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "HIVE", replace(conf, min_free_memory=2**60))
    services.start(services.create("t").id)

    page = text_of(client.get("/"))

    assert re.search(
        r"data-brake><strong>Nothing new is started now:</strong>.*memory is low", page
    )
    assert "place 1 in the queue: memory is low" in page


LIMITS = {"task": "t", "priority": "medium", "profile": "sample"}


def test_the_form_takes_limits_as_people_write_them(client: Client, conf: Conf) -> None:
    sent = {"run_time": "1h30m", "idle_time": "off", "log_size": "500MB", "memory": ""}

    client.post("/new", {**LIMITS, **sent, "on_usage_limit": "retry"})

    session = AgentSession.objects.get()
    inherited = conf.limits_of(conf.profile("sample"))
    assert session.limits == {
        "run_time": 5400.0,
        "idle_time": None,
        "log_size": 500_000_000,
        "memory": inherited.memory,
    }
    assert session.on_usage_limit == "retry"
    page = text_of(client.get(f"/sessions/{session.id}/"))
    assert "run time 90 min<br>log size 500 MB" in page
    assert "fail, and try again after the reset" in page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("run_time", "soon", "The limit run_time must be a time such as 90s, 15m, 2h or 1d"),
        ("idle_time", "-5", "must be a time"),
        ("log_size", "1kB", "must be at least 65,536 bytes"),
        ("memory", "2 bees\0", "The limit memory must be a size such as 500MB or 2GiB"),
        ("on_usage_limit", "wait", "Select a valid choice"),
    ],
)
def test_the_form_says_what_is_wrong_with_a_limit(
    client: Client, field: str, value: str, words: str
) -> None:
    response = client.post("/new", {**LIMITS, "run_time": "2h", field: value})

    page = text_of(response)
    assert response.status_code == 422
    assert f'id="id_{field}_error"' in page
    assert words in page
    assert '<details class="more" open>' in page
    assert field == "run_time" or 'value="2h"' in page
    assert not AgentSession.objects.exists()


def test_the_form_knows_what_each_profile_puts_into_empty_fields(
    client: Client, conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = replace(
        conf.profile("sample"),
        name="strict",
        limits={"run_time": "2h"},
        on_usage_limit=OnUsageLimit.RETRY,
        about="a harmless thing",
    )
    ours = replace(conf, limits=Limits(memory=10**9), profiles={**conf.profiles, "strict": strict})
    monkeypatch.setattr(settings, "HIVE", ours)

    page = text_of(client.get("/new"))

    assert '<option value="strict">strict: a harmless thing</option>' in page
    found = re.search(r'data-defaults="([^"]*)"', page)
    assert found is not None
    defaults = json.loads(html.unescape(found[1]))
    assert defaults["strict"] == {
        "run_time": "2 h",
        "idle_time": "no limit",
        "log_size": "no limit",
        "memory": "1 GB",
        "on_usage_limit": "fail, and try again after the reset",
        "about": "a harmless thing",
    }
    assert defaults["sample"]["run_time"] == "no limit"
