"""Hosts as rows, who may see and drain them, and what sessions say of them."""

import errno
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client
from django.utils import timezone

from hiveweb.cluster_settings import read
from hiveweb.env import Env, EnvError
from sessions_app import callers, claims, control, services
from sessions_app.callers import Caller, Role, Via
from sessions_app.clock import boot_clock
from sessions_app.cluster import forgetting, nodes, standing, whereabouts
from sessions_app.cluster.lease import Lease, was_fenced
from sessions_app.conf import Cluster, Conf
from sessions_app.errors import Conflict, Forbidden, Invalid, NotFound
from sessions_app.forms import like
from sessions_app.lifecycle import NodeState, OnLost, Reason, Status
from sessions_app.mcp import arguments, making
from sessions_app.models import AgentSession, AuditEvent, Node, Rounds
from sessions_app.projection import session_json
from sessions_app.spawner import retries
from tests.unit.pages import text_of
from tests.unit.verb_steps import hive

pytestmark = pytest.mark.django_db
ADMINISTRATOR = Caller("anna", Role.ADMINISTRATOR, Via.TOKEN)
OPERATOR = Caller("emil", Role.OPERATOR, Via.TOKEN)
_TABLES = {model._meta.db_table: model for model in apps.get_models()}


def test_a_host_arrives_is_heard_of_and_is_lost_when_it_is_silent(conf: Conf) -> None:
    assert not nodes.arrive(conf)
    assert nodes.beat(conf) is NodeState.ACTIVE
    assert nodes.lose_silent(60) == []

    long_ago = timezone.now() - timedelta(seconds=61)
    Node.objects.update(heartbeat=long_ago)
    assert nodes.lose_silent(60) == [], "nobody has looked for so long: it may have been heard of"
    Rounds.objects.update(since=long_ago)
    assert nodes.lose_silent(60) == [conf.cluster.node]
    assert nodes.beat(conf) is NodeState.LOST
    assert not nodes.may_claim(conf.cluster.node)

    assert nodes.arrive(conf), "it is told that it was lost"
    assert nodes.beat(conf) is NodeState.ACTIVE


def test_nobody_is_lost_because_the_database_was_away(conf: Conf) -> None:
    nodes.arrive(conf)
    nodes.lose_silent(60)
    away = timezone.now() - timedelta(seconds=120)
    Node.objects.update(heartbeat=away)
    Rounds.objects.update(since=away - timedelta(hours=1), last=away)
    assert nodes.lose_silent(60) == []
    assert nodes.lose_silent(60) == []


def test_a_second_host_of_the_same_name_is_refused_while_the_first_lives(conf: Conf) -> None:
    nodes.arrive(conf)
    Node.objects.update(instance="another")
    with pytest.raises(Conflict, match="HIVE_NODE"):
        nodes.arrive(conf)

    Node.objects.update(lost_at=timezone.now())
    assert nodes.arrive(conf)


def test_who_leaves_nothing_behind_is_lost_at_once_and_who_does_is_not(conf: Conf) -> None:
    nodes.arrive(conf)
    session = services.create("x", start=True)
    assert claims.claim_next(conf.cluster.node, 1)
    nodes.depart(conf)
    assert nodes.beat(conf) is NodeState.ACTIVE

    services.stop(session.id)
    AgentSession.objects.update(status=Status.FAILED)
    nodes.depart(conf)
    assert nodes.beat(conf) is NodeState.LOST
    assert [node["state"] for node in nodes.everybody()] == ["left"], "nobody need look for it"
    long_ago = timezone.now() - timedelta(seconds=2 * conf.cluster.lease)
    Node.objects.update(heartbeat=long_ago)
    assert [node["state"] for node in nodes.everybody()] == ["lost"]


def test_administrators_drain_hosts_and_it_is_in_the_audit_trail(conf: Conf) -> None:
    nodes.arrive(conf)
    name = conf.cluster.node
    with callers.acting(ADMINISTRATOR):
        for _ in range(2):
            assert nodes.drain(name)["state"] == "draining"
        assert not nodes.may_claim(name)
        assert nodes.drain(name, wanted=False)["state"] == "active"
        with pytest.raises(NotFound, match="hive nodes"):
            nodes.drain("nobody")
    told = [(event.action, event.principal, event.data) for event in AuditEvent.objects.all()]
    assert list(told) == [
        ("drained", "anna", {"node": name}),
        ("uncordoned", "anna", {"node": name}),
    ]

    with callers.acting(OPERATOR), pytest.raises(Forbidden):
        nodes.drain(name)


def test_whoever_reads_sees_hosts_and_administrators_their_addresses(conf: Conf) -> None:
    nodes.arrive(conf)
    Node.objects.update(address="http://10.0.0.5:8766")
    with callers.acting(ADMINISTRATOR):
        [shown] = nodes.everybody()
    assert shown["address"] == "http://10.0.0.5:8766"
    with callers.acting(OPERATOR):
        [seen] = nodes.everybody()
    assert {name for name in shown if shown[name] != seen[name]} <= {"address", "silent_seconds"}
    assert seen["address"] is None


def test_a_host_that_is_gone_for_ever_is_forgotten_and_its_sessions_say_so(conf: Conf) -> None:
    name = conf.cluster.node
    nodes.arrive(conf)
    session = services.create("x", start=True)
    assert claims.claim_next(name, 1)
    AgentSession.objects.filter(id=session.id).update(status=Status.FAILED)
    with callers.acting(OPERATOR), pytest.raises(Forbidden):
        forgetting.forget(name)
    with callers.acting(ADMINISTRATOR):
        # one that is heard of, and one that left only just now, may be there still
        for changes in ({}, {"lost_at": timezone.now()}):
            Node.objects.update(**changes)
            with pytest.raises(Conflict, match="stop its spawner"):
                forgetting.forget(name)
        Node.objects.update(heartbeat=timezone.now() - timedelta(seconds=61))
        told = json.loads(hive("forget", name).out)
        assert (told["name"], told["sessions"]) == (name, 1)
        assert (standing.lost(), set(standing.counts().values())) == ([], {0})
        assert nodes.everybody() == []
        with pytest.raises(NotFound):
            forgetting.forget(name)
    with pytest.raises(whereabouts.Elsewhere, match=f"removed on {told['removed'][:10]}"):
        whereabouts.address(name)
    assert AuditEvent.objects.get().action == "removed_host"

    nodes.arrive(conf)  # after all
    assert [told["name"] for told in nodes.everybody()] == [name]


def test_the_command_line_prints_hosts_for_people_and_for_programs(conf: Conf) -> None:
    assert b"no host" in hive("nodes").out
    nodes.arrive(conf)
    name = conf.cluster.node

    head, row = hive("nodes").out.decode().splitlines()
    assert head.split()[:3] == ["HOST", "STATE", "TAKEN"]
    assert row.split()[:3] == [name, "active", f"0/{conf.slots}"]
    assert [n["name"] for n in json.loads(hive("nodes", "--json").out)["nodes"]] == [name]
    assert json.loads(hive("drain", name).out)["state"] == "draining"
    assert json.loads(hive("uncordon", name).out)["state"] == "active"
    assert hive("drain").code == 2
    assert hive("uncordon", "nobody").code == 4


def test_a_session_says_its_pool_and_its_host(conf: Conf) -> None:
    session = services.create("x", pool=conf.cluster.node, on_lost="retry", start=True)
    assert session_json(session)["pool"] == conf.cluster.node
    assert session_json(session)["node"] is None
    claimed = claims.claim_next("here", 1)
    assert claimed
    assert session_json(claimed)["node"] == "here"
    claims.release(claimed.id, claimed.attempt, "interrupted")
    assert services.get(session.id).node == ""

    with pytest.raises(Invalid, match="a pool has"):
        services.create("x", pool="../x")
    with pytest.raises(Invalid, match="fail or retry"):
        services.create("x", on_lost="maybe")


def test_whoever_makes_a_session_says_its_pool_and_another_try_keeps_it(
    conf: Conf, client: Client
) -> None:
    asked = {"pool": conf.cluster.node, "on_lost": "retry"}
    form = {"task": "x", "priority": "low", "profile": "sample", "start": "no", **asked}
    assert client.post("/new", form).status_code == 302
    made = AgentSession.objects.get()
    services.stop(made.id)
    again = control.retry(made.id, start_now=False)
    making._create_once(arguments.Create.model_validate({"task": "x", **asked}))
    making._orchestrate_once(arguments.Orchestrate.model_validate({"task": "x", **asked}))
    assert AgentSession.objects.filter(**asked).count() == 4
    values = like(again)
    assert (values["pool"], values["on_lost"]) == (conf.cluster.node, "retry")

    refused = client.post("/new", {**form, "pool": "../x"})
    assert refused.status_code == 422
    assert "a pool has 1 to 40" in text_of(refused).lower()


@pytest.mark.sqlite
def test_where_one_host_is_all_there_is_its_pools_are_all_there_are(conf: Conf) -> None:
    with pytest.raises(Invalid, match="no pool 'gpu' here; choose from default"):
        services.create("x", pool="gpu")


def test_what_was_lost_is_made_again_once_but_not_for_ever(conf: Conf) -> None:
    session = services.create("x", on_lost="retry")
    for tries in range(1, retries.MAX_LOST + 2):
        changes = retries.consequences(session, Reason.LOST)
        AgentSession.objects.filter(id=session.id).update(
            status=Status.FAILED, reason=Reason.LOST, **changes
        )
        retries.queue_retries()
        retries.queue_retries()
        found = list(AgentSession.objects.filter(parent=session.id))
        assert len(found) == (tries <= retries.MAX_LOST)
        if found:
            session = found[0]
            assert (session.status, session.on_lost) == (Status.STARTING, OnLost.RETRY)
    assert AgentSession.objects.count() == retries.MAX_LOST + 1
    assert retries.consequences(services.create("y"), Reason.LOST) == {}


def test_a_process_of_the_version_before_writes_beside_the_new_tables() -> None:
    # given what a version knew that had no hosts
    loader = MigrationLoader(connection)
    before = loader.project_state(("sessions_app", "0009_ended_indexes")).apps
    # when it writes a row, without the columns that it does not know
    now = timezone.now()
    old = before.get_model("sessions_app", "AgentSession")
    assert not {"pool", "node", "on_lost"} & {field.name for field in old._meta.fields}
    made = old.objects.create(task="x", created=now, updated=now)
    # then it is one of the new version's sessions
    session = services.get(made.id)
    assert (session.pool, session.node, session.on_lost) == ("default", "", "fail")
    # and nothing else of what came since keeps such a process from writing
    for model in before.get_models():
        columns = {field.column for field in model._meta.concrete_fields}
        table = model._meta.db_table
        if table in _TABLES:
            added = [f for f in _TABLES[table]._meta.concrete_fields if f.column not in columns]
            assert [f.name for f in added if not (f.null or f.has_db_default())] == []


def test_a_lease_names_what_is_to_be_fenced(conf: Conf) -> None:
    lease = Lease(conf)
    session = services.create("x", on_lost="retry")
    assert not lease.holds
    now = boot_clock()
    lease.renew(now)
    assert lease.holds
    lease.renew(now - 0.81 * conf.cluster.lease)
    assert not lease.holds

    lease.guard(session.id, 1)
    assert lease.guarded() == {str(session.id)}
    (conf.state_dir / "fence" / f".{session.id}").mkdir()  # nothing can be written there now
    lease.guard(session.id, 1)
    with pytest.raises(OSError, match="directory"):
        lease.guard(session.id, 2)
    (conf.state_dir / "fence" / f"{session.id}.stopped").touch()
    assert was_fenced(conf, session.id)
    lease.forget(str(session.id))
    assert lease.guarded() == set()
    assert not was_fenced(conf, session.id)


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("HIVE_NODE", "a/b", "1 to 40"),
        ("HIVE_NODE", "x" * 41, "1 to 40"),
        ("HIVE_POOLS", "gpu, ,zone a", "a pool must be"),
        ("HIVE_LEASE", "1", "from 3 s to 1 h"),
        ("HIVE_LEASE", "soon", "HIVE_LEASE"),
        ("HIVE_NODE_ADDRESS", "10.0.0.5:8765", "such as"),
        ("HIVE_NODE_ADDRESS", "http://[", "such as"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(
    tmp_path: Path, name: str, value: str, refused: str
) -> None:
    with pytest.raises(EnvError, match=refused):
        read(Env(str(tmp_path), {"HIVE_ENV_FILE": "/dev/null", name: value}))


def test_settings_of_a_host(tmp_path: Path) -> None:
    given = {
        "HIVE_ENV_FILE": "/dev/null",
        "HIVE_NODE": "h1",
        "HIVE_POOLS": "gpu, default,gpu",
        "HIVE_LEASE": "2m",
        "HIVE_NODE_ADDRESS": "http://10.0.0.5:8765/",
    }
    found = read(Env(str(tmp_path), given))
    assert found == Cluster("h1", ("gpu", "default"), 120.0, "http://10.0.0.5:8765")
    assert found.serves == ("gpu", "default", "h1")
    assert read(Env(str(tmp_path), {"HIVE_ENV_FILE": "/dev/null"})).pools == ("default",)


def test_a_retry_that_fails_for_the_moment_is_made_later(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = services.create("x", on_lost="retry")
    changes = retries.consequences(session, Reason.LOST)
    AgentSession.objects.filter(id=session.id).update(
        status=Status.FAILED, reason=Reason.LOST, **changes
    )

    def no_descriptor_left(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(services, "start", no_descriptor_left)
        assert retries.queue_retries()
    assert not retries.queue_retries()
    [made] = AgentSession.objects.filter(parent=session.id)
    assert made.status == Status.STARTING
