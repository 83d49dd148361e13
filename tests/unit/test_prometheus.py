"""Counters from the event log, the form of the answer, and the alert rules."""

import asyncio
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.test import AsyncClient
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from hiveweb import VERSION
from sessions_app import callers, cleanup, counted, doorbell, heartbeat, services
from sessions_app.callers import Caller, Role, Via
from sessions_app.cleanup import Removal
from sessions_app.conf import Conf
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession, SessionEvent, UsageHold
from sessions_app.prometheus import history
from sessions_app.prometheus.exporter import Exporter
from sessions_app.prometheus.history import History
from sessions_app.shared import Shared
from tests.support import PYTHON, ROOT

DEPLOY = ROOT / "deploy" / "prometheus"
NOW = datetime(2026, 11, 22, 20, 59, 46, tzinfo=UTC)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def read(registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch) -> History:
    """A history that begins now, in pages of three events."""
    monkeypatch.setattr(history, "PAGE", 3)
    monkeypatch.setattr(counted, "STARTED", datetime.now(UTC))
    return History(registry)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    found = registry.get_sample_value(name, labels)
    assert found is not None, (name, labels)
    return found


def end(status: Status, reason: str, **fields: Any) -> AgentSession:
    """A session that ended, as the spawner writes it down."""
    session = services.create("x")
    values = {"status": status, "reason": reason, "ended_at": NOW, **fields}
    AgentSession.objects.filter(id=session.id).update(**values)
    AgentSession.objects.note(session.id, EventKind(status), reason=reason, detail="d")
    return session


@pytest.mark.django_db
def test_each_event_is_counted_once(conf: Conf, registry: CollectorRegistry, read: History) -> None:
    for _ in range(2):
        end(Status.COMPLETED, Reason.EXITED)
    for _ in range(5):
        end(Status.FAILED, Reason.STOPPED)
    read.read_on()
    read.read_on()
    end(Status.FAILED, Reason.STOPPED)
    read.read_on()

    ended = "hive_sessions_ended_total"
    assert value(registry, "hive_sessions_created_total") == 8
    assert value(registry, ended, status="completed", reason="exited") == 2
    assert value(registry, ended, status="failed", reason="stopped") == 6
    assert value(registry, ended, status="failed", reason="lost") == 0


@pytest.mark.django_db
def test_what_was_before_this_process_is_not_counted(
    conf: Conf, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.create("before")
    monkeypatch.setattr(counted, "STARTED", datetime.now(UTC))
    services.create("since")
    History(registry).read_on()
    assert value(registry, "hive_sessions_created_total") == 1


@pytest.mark.django_db
def test_a_cleanup_takes_nothing_back(
    conf: Conf, registry: CollectorRegistry, read: History
) -> None:
    end(Status.COMPLETED, Reason.EXITED)
    read.read_on()
    removed = [item for item in cleanup.cleanup(0.0) if isinstance(item, Removal)]
    assert len(removed) == 1
    read.read_on()
    assert value(registry, "hive_sessions_created_total") == 1
    labels = {"status": "completed", "reason": "exited"}
    assert value(registry, "hive_sessions_ended_total", **labels) == 1


@pytest.mark.django_db
def test_times_leave_pauses_out(conf: Conf, registry: CollectorRegistry, read: History) -> None:
    queued, started = NOW - timedelta(seconds=110), NOW - timedelta(seconds=100)
    session = end(
        Status.COMPLETED,
        Reason.EXITED,
        queued_at=queued,
        started_at=started,
        paused_seconds=30.0,
    )
    AgentSession.objects.note(session.id, EventKind.RUNNING, pid=1)
    end(Status.FAILED, Reason.STOPPED)  # it never ran: no run time
    read.read_on()

    assert value(registry, "hive_start_latency_seconds_sum") == 10
    assert value(registry, "hive_run_seconds_sum", status="completed") == 70
    assert value(registry, "hive_run_seconds_count", status="failed") == 0


@pytest.mark.django_db
def test_labels_have_known_values_only(
    conf: Conf, registry: CollectorRegistry, read: History
) -> None:
    session = end(Status.FAILED, "what somebody wrote by hand")
    SessionEvent.objects.create(
        session_id=session.id, kind=EventKind.FAILED, at=datetime.now(UTC), data=["no object"]
    )
    read.read_on()
    labels = {"status": "failed", "reason": "other"}
    assert value(registry, "hive_sessions_ended_total", **labels) == 2


@pytest.mark.django_db
def test_retries_and_usage_limits(conf: Conf, registry: CollectorRegistry, read: History) -> None:
    session = services.create("x")
    AgentSession.objects.note(session.id, EventKind.USAGE_LIMITED, line="l")
    AgentSession.objects.note(session.id, EventKind.RETRIED, session="an id")
    AgentSession.objects.note(session.id, EventKind.RETRIED, why="not tried again: ...")
    read.read_on()
    assert value(registry, "hive_usage_limits_total") == 1
    assert value(registry, "hive_sessions_retried_total") == 1


@pytest.mark.django_db
def test_another_database_is_read_from_where_it_is(
    conf: Conf, registry: CollectorRegistry, read: History
) -> None:
    services.create("x")
    read.read_on()
    SessionEvent.objects.all().delete()
    read.read_on()
    SessionEvent.objects.create(
        id=1, session_id=AgentSession().id, kind=EventKind.CREATED, at=NOW, data={}
    )
    read.read_on()
    assert value(registry, "hive_sessions_created_total") == 2


@pytest.fixture
def samples(conf: Conf, transactional_db: None) -> Iterator[Any]:
    """The metrics as one who scrapes has them, while a spawner is there, and their form."""
    lock = doorbell.SpawnerLock(str(conf.state_dir), "spawner")
    assert lock.acquire()
    heartbeat.Heart(conf.state_dir).beat(0)

    async def scrape(accept: str = "") -> tuple[str, str]:
        text, content_type = await Exporter().text(accept)
        return text.decode(), content_type

    yield scrape
    lock.release()


def parsed(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_who_waits_and_who_is_held(conf: Conf, samples: Any) -> None:
    def rows() -> None:
        ago = datetime.now(UTC) - timedelta(hours=1)
        free, held, put_off = (services.start(services.create("x").id) for _ in range(3))
        AgentSession.objects.filter(id=free.id).update(queued_at=ago)
        profiles = {"profile": "sample", "queued_at": ago - timedelta(hours=5)}
        AgentSession.objects.filter(id=held.id).update(**profiles)
        later = datetime.now(UTC) + timedelta(hours=1)
        AgentSession.objects.filter(id=put_off.id).update(not_before=later)
        UsageHold.objects.create(profile="sample", until=later, session_id=held.id)

    await asyncio.to_thread(rows)
    found = parsed((await samples())[0])

    assert found["hive_sessions_waiting", frozenset({("why", "slot")})] == 1
    assert found["hive_sessions_waiting", frozenset({("why", "held")})] == 2
    assert 3600 <= found["hive_queue_oldest_seconds", frozenset()] < 3700
    assert found["hive_slots_taken", frozenset()] == 0
    assert 3500 < found["hive_usage_hold_seconds", frozenset({("profile", "sample")})] <= 3600
    assert found["hive_usage_hold_seconds", frozenset({("profile", "claude-flow")})] == 0


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(
    ("role", "others", "sees_all"),
    [
        (Role.VIEWER, False, False),
        (Role.OPERATOR, False, False),
        (Role.OPERATOR, True, True),
        (Role.ADMINISTRATOR, False, True),
    ],
)
async def test_figures_of_everybody_are_for_who_may_see_everybody(
    conf: Conf,
    samples: Any,
    monkeypatch: pytest.MonkeyPatch,
    private: bool,
    role: Role,
    others: bool,
    sees_all: bool,
) -> None:
    monkeypatch.setattr(settings, "HIVE", replace(conf, private_sessions=private))
    caller = Caller("anna", role, Via.TOKEN, manages_others=others)
    with callers.acting(caller):
        reply = await AsyncClient().get("/metrics")
    assert reply.status_code == (200 if sees_all or not private else 403)
    assert (b"hive_sessions{" in reply.content) is (reply.status_code == 200)


async def test_where_nobody_has_said_who_asks_there_is_nothing(samples: Any) -> None:
    callers.become(None)
    assert (await AsyncClient().get("/metrics")).status_code == 401


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; "),
        ("application/openmetrics-text; version=1.0.0; q=0.5", "application/openmetrics-text; "),
        ("application/openmetrics-text; version=abc", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=٣.٠", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=99.0.0, text/plain", "text/plain; version=0.0.4"),
        (", ;;=,version=", "text/plain; version=0.0.4"),
    ],
)
async def test_the_form_is_one_that_was_asked_for(samples: Any, accept: str, form: str) -> None:
    text, content_type = await samples(accept)
    assert content_type.startswith(form)
    assert text.endswith("# EOF\n") is form.startswith("application/")


async def test_every_metric_has_a_help_that_teaches_and_a_name_of_the_kind(samples: Any) -> None:
    for family in text_string_to_metric_families((await samples())[0]):
        assert len(family.documentation) > 20, family.name
        assert family.type in ("gauge", "counter", "histogram"), family.name
        assert re.fullmatch(r"(hive|process|python)_[a-z_]+", family.name), family.name
        for sample in family.samples:
            assert "" not in sample.labels.values()


def test_the_scrape_example_reads_the_rules_that_are_there() -> None:
    example = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert [(DEPLOY / name).is_file() for name in example["rule_files"]] == [True]
    [job] = example["scrape_configs"]
    assert (job["metrics_path"], job["authorization"]["type"]) == ("/metrics", "Bearer")


def test_the_documentation_names_every_metric_and_no_other(registry: CollectorRegistry) -> None:
    text = (ROOT / "docs" / "telemetry.md").read_text()
    section = text.partition("\n## Prometheus")[2].partition("\n## ")[0]
    told = set(re.findall(r"`(hive_\w+)", section))
    told |= {f"hive_database{rest}" for rest in re.findall(r"`(_\w+)", section)}
    code = "".join(p.read_text() for p in (ROOT / "sessions_app/prometheus").glob("*.py"))
    made = set(re.findall(r'"(hive_\w+)"', code)) | {"hive_info"}
    assert {name.removesuffix("_total") for name in told} == made


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_what_is_not_scraped_does_not_load_the_library(tmp_path: Path) -> None:
    code = (
        "import django, sys; django.setup(); import hiveweb.asgi, hiveweb.urls;"
        "import sessions_app.server; sys.exit('prometheus_client' in sys.modules)"
    )
    env = {**os.environ, "HIVE_STATE_DIR": str(tmp_path)}
    env["DJANGO_SETTINGS_MODULE"] = "hiveweb.settings"
    assert subprocess.run([PYTHON, "-c", code], cwd=ROOT, env=env, check=False).returncode == 0


async def test_who_asks_at_the_same_time_gets_the_same_reading() -> None:
    readings = 0
    go_on = asyncio.Event()

    async def read() -> int:
        nonlocal readings
        readings += 1
        assert callers.current() is callers.SYSTEM
        await go_on.wait()
        return readings

    shared = Shared(read, fresh=0.2)
    callers.become(None)
    # who has no patience leaves, and the reading goes on for the others
    with pytest.raises(TimeoutError):
        await shared.get(0.01)
    asked = [asyncio.create_task(shared.get(10)) for _ in range(5)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*asked) == [1] * 5
    assert await shared.get(10) == 1
    await asyncio.sleep(0.25)  # until it is not fresh any more
    assert await shared.get(10) == 2
