"""Slots, brakes, ageing and holds: what starts when, and what waiting sessions are told."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sessions_app import admission, claims, services
from sessions_app.conf import Conf
from sessions_app.models import AgentSession
from tests.integration.acting import acting, begin, post
from tests.integration.looking import ended, get, running
from tests.support import Installation, Server, eventually


def moment(text: str | None) -> datetime:
    """A time on the wire."""
    assert text is not None
    return datetime.fromisoformat(text)


@pytest.fixture
def acting_site(site: Installation) -> Installation:
    """Sessions do what their arguments say."""
    return acting(site)


@pytest.fixture(scope="module")
def _lasting(shared_site: Installation) -> Server:
    """A server of acting sessions that many tests share."""
    return acting(shared_site).up()


@pytest.fixture
def server(_lasting: Server) -> Iterator[Server]:
    """It again: no profile is held, and none will be when the test has ended."""
    yield _lasting
    assert _lasting.request("DELETE", "/api/v1/holds/claude-flow")[0] in (200, 404)
    assert _lasting.request("GET", "/api/v1/queue")[1]["holds"] == []


@pytest.mark.parametrize(
    ("setting", "reason"),
    [("HIVE_MIN_FREE_MEMORY", "memory is low"), ("HIVE_MIN_FREE_DISK", "is low: ")],
)
def test_a_brake_holds_new_sessions_back_and_lets_running_ones_go_on(
    acting_site: Installation, setting: str, reason: str
) -> None:
    server = acting_site.up()
    goes_on = begin(server, "count", "9999", "0.05")
    running(server, goes_on)
    server.stop()
    acting_site.env[setting] = "9999TB"
    server = acting_site.up()

    waits = begin(server, "sleep", "0")

    waiting = get(server, waits)["waiting"]
    assert reason in waiting["reason"]
    assert setting in waiting["reason"]
    assert (waiting["place"], waiting["until"]) == (1, None)
    assert server.request("GET", "/api/v1/queue")[1]["next"] == waiting["reason"]
    assert get(server, goes_on)["status"] == "running"
    server.stop()
    acting_site.env[setting] = "off"
    server = acting_site.up()
    assert ended(server, waits)["status"] == "completed"


def test_without_a_spawner_a_waiting_session_says_so(acting_site: Installation) -> None:
    acting_site.env["HIVE_AUTOSPAWN"] = "0"
    made = acting_site.hive("create", "--start", "x")

    waiting = json.loads(made.stderr)["waiting"]

    assert waiting["reason"] == "no spawner runs; start one with: hive up"


@pytest.mark.django_db(transaction=True)
def test_no_priority_starves_another(conf: Conf) -> None:
    low = services.start(services.create("low", priority="low").id)
    high = services.start(services.create("high", priority="high").id)
    later = services.start(services.create("much later", priority="high").id)
    assert later.queued_at
    moved = later.queued_at + timedelta(seconds=2 * conf.priority_aging + 60)
    AgentSession.objects.filter(id=later.id).update(
        queued_at=moved, queue_key=claims.queue_key(moved, later.priority)
    )

    order = [claims.claim_next("here", 3) for _ in range(3)]

    assert [session.id for session in order if session] == [high.id, low.id, later.id]


@pytest.mark.django_db(transaction=True)
def test_a_full_installation_starts_nothing_whatever_waits(conf: Conf) -> None:
    for number in range(3):
        services.start(services.create(f"task {number}").id)
    assert [claims.claim_next("here", 2) is not None for _ in range(3)] == [True, True, False]
    assert admission.slots_taken() == 2


def test_a_usage_limit_ends_a_session_and_holds_its_profile(acting_site: Installation) -> None:
    server = acting_site.up(HIVE_SLOTS="2")
    goes_on = begin(server, "sleep", "100")
    running(server, goes_on)
    resets = int(time.time()) + 3600

    limited = ended(server, begin(server, "limited", str(resets), "result", "sleep", "100"))
    waits = begin(server, "sleep", "0")
    other = begin(server, "--exit", "--seconds", "0", profile="sample")

    assert (limited["status"], limited["reason"]) == ("failed", "usage_limited")
    assert limited["detail"] == "the five_hour limit is used up"
    assert moment(limited["usage_limit"]["resets"]).timestamp() == resets
    assert ended(server, other)["status"] == "completed"
    waiting = get(server, waits)["waiting"]
    assert moment(waiting["until"]).timestamp() == resets
    assert "the usage limit of profile claude-flow was reached" in waiting["reason"]
    assert get(server, goes_on)["status"] == "running"
    queue = server.request("GET", "/api/v1/queue")[1]
    assert [(h["profile"], h["session"]) for h in queue["holds"]] == [
        ("claude-flow", limited["session_id"])
    ]
    assert (queue["slots"], queue["taken"], queue["waiting"]) == (2, 1, 1)

    assert server.request("DELETE", "/api/v1/holds/claude-flow")[0] == 200

    assert ended(server, waits)["status"] == "completed"
    assert server.request("DELETE", "/api/v1/holds/claude-flow")[0] == 404


def test_a_hold_ends_by_itself(server: Server) -> None:
    resets = int(time.time()) + 4
    ended(server, begin(server, "limited", str(resets), "exit", "1"))

    waits = begin(server, "sleep", "0")

    assert get(server, waits)["waiting"]["until"]
    session = ended(server, waits)
    assert session["status"] == "completed"
    assert moment(session["started"]).timestamp() >= resets


@pytest.mark.parametrize("ending", [("exit", "1"), ("claude", "1"), ("result",)])
def test_a_limit_in_words_counts_when_the_run_then_fails(
    server: Server, ending: tuple[str, ...]
) -> None:

    session = ended(server, begin(server, "limited-words", "2pm (Asia/Shanghai)", *ending))

    assert (session["status"], session["reason"]) == ("failed", "usage_limited")
    assert session["detail"] == "You've hit your limit · resets 2pm (Asia/Shanghai)"
    resets = moment(session["usage_limit"]["resets"])
    assert (resets.hour, resets.minute) == (6, 0)
    assert timedelta() < resets - datetime.now(UTC) <= timedelta(days=1)


@pytest.mark.parametrize(
    "acts", [("claude", "0"), ("exit", "0"), ("allowed", "claude", "7"), ("allowed", "exit", "7")]
)
def test_a_limit_that_the_run_gets_over_counts_for_nothing(
    server: Server, acts: tuple[str, ...]
) -> None:
    resets = str(int(time.time()) + 3600)

    session = ended(server, begin(server, "limited", resets, *acts))

    assert session["reason"] in ("exited", "outcome_rule")
    assert server.request("GET", "/api/v1/queue")[1]["holds"] == []


def test_a_limit_without_a_time_holds_for_half_an_hour(server: Server) -> None:
    ended(server, begin(server, "limited-words", "soon", "exit", "1"))

    held = server.request("GET", "/api/v1/queue")[1]["holds"][0]

    left = moment(held["until"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)


def children(server: Server, parent: str) -> list[dict[str, object]]:
    """The sessions that are another try of one."""
    found = server.request("GET", "/api/v1/sessions?limit=500")[1]["sessions"]
    return [session for session in found if session["parent"] == parent]


def retried(server: Server, parent: str) -> dict[str, Any]:
    """The one other try of a session, once it waits for its time."""
    eventually(lambda: [c for c in children(server, parent) if c["waiting"]], "the retry to wait")
    [child] = children(server, parent)
    return child


def test_a_limited_session_is_tried_once_more_after_the_reset(acting_site: Installation) -> None:
    server = acting_site.up()
    resets = int(time.time()) + 3600
    acts = ("limited", str(resets), "exit", "1")

    first = begin(server, *acts, on_usage_limit="retry", metadata={"n": 1})
    ended(server, first)

    again = retried(server, first)
    assert (again["status"], again["metadata"]) == ("starting", {"n": 1})
    waiting = get(server, str(again["session_id"]))["waiting"]
    assert 0 < moment(waiting["until"]).timestamp() - resets <= 61
    server.kill()
    server = acting_site.up()
    assert len(children(server, first)) == 1


def test_a_retry_that_is_limited_again_backs_off(acting_site: Installation) -> None:
    server = acting_site.up()
    acts = ("limited", str(int(time.time()) - 10), "exit", "1")

    first = begin(server, *acts, on_usage_limit="retry")
    second = retried(server, first)
    soon = moment(second["waiting"]["until"]) - datetime.now(UTC)
    code = (
        "from sessions_app.models import AgentSession as A;"
        f"A.objects.filter(id='{second['session_id']}').update(not_before=None)"
    )
    assert acting_site.manage("shell", "-c", code).returncode == 0
    ended(server, str(second["session_id"]))
    third = retried(server, str(second["session_id"]))
    later = moment(third["waiting"]["until"]) - datetime.now(UTC)

    assert timedelta() < soon <= timedelta(seconds=61)
    assert timedelta(minutes=9) < later <= timedelta(minutes=11, seconds=5)


def test_what_ends_otherwise_is_not_tried_again(server: Server) -> None:

    session = ended(server, begin(server, "exit", "1", on_usage_limit="retry"))
    stopped = begin(server, "limited", str(int(time.time()) + 99), "sleep", "100",
                    on_usage_limit="retry")  # fmt: skip
    eventually(lambda: get(server, stopped)["usage_limit"], "the notice")
    post(server, stopped, "stop?wait=10")

    assert session["reason"] == "exited"
    assert get(server, stopped)["reason"] == "stopped"
    begun = time.monotonic()
    eventually(lambda: time.monotonic() - begun > 1.5, "the spawner to have looked")
    assert children(server, str(session["session_id"])) == []
    assert children(server, stopped) == []


def test_the_command_line_shows_and_lifts_holds(server: Server, shared_site: Installation) -> None:
    ended(server, begin(server, "limited", str(int(time.time()) + 3600), "exit", "1"))

    shown = json.loads(shared_site.script("queue").stdout)

    assert shown["holds"][0]["profile"] == "claude-flow"
    assert shared_site.script("unhold", "claude-flow").returncode == 0
    assert shared_site.script("unhold", "claude-flow").returncode == 4
    assert json.loads(shared_site.script("queue").stdout)["holds"] == []


def test_a_hired_spawner_stays_for_a_retry(acting_site: Installation) -> None:
    made = acting_site.script("create", "--on-usage-limit", "retry", "act")
    session_id = made.stdout.decode().strip()
    resets = str(int(time.time()) - 10)

    done = acting_site.script("start", session_id, "limited", resets, "exit", "1")

    assert done.returncode == 1
    found = eventually(
        lambda: [
            entry
            for key, entry in json.loads(acting_site.script("list").stdout)["sessions"].items()
            if key != session_id and entry["status"] == "starting"
        ],
        "the retry to wait",
    )
    assert len(found) == 1
