"""What of identities does not stay for ever, and what services refuse of whom."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from hiveweb.env import Env
from hiveweb.installation import build_conf
from sessions_app import (
    access,
    accounts,
    callers,
    cleanup,
    control,
    queries,
    services,
    tokens,
    trail,
)
from sessions_app.callers import Caller, Role, Via
from sessions_app.conf import Conf
from sessions_app.errors import Conflict, Forbidden, Unauthorized
from sessions_app.models import AgentSession, ApiToken, AuditEvent, OneTimeLink

pytestmark = pytest.mark.django_db


def person(name: str, role: Role, *, others: bool = False) -> Caller:
    return Caller(name, role, Via.SESSION, address="192.0.2.7", manages_others=others)


def test_what_is_too_old_is_forgotten(conf: Conf) -> None:
    now = timezone.now()
    fresh = access.make_link()
    access.make_link()
    OneTimeLink.objects.exclude(digest=tokens.digest(fresh)).update(created=now - timedelta(days=2))
    Session.objects.create(session_key="old", expire_date=now - timedelta(minutes=1))
    Session.objects.create(session_key="new", expire_date=now + timedelta(minutes=1))

    access.forget_expired()

    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert list(OneTimeLink.objects.values_list("digest", flat=True)) == [tokens.digest(fresh)]
    assert access.redeem(fresh)
    assert access.redeem(fresh) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda: services.create("t"),
        lambda: services.get(uuid.uuid4()),
        queries.find,
        queries.counts,
        cleanup.cleanup,
        access.make_link,
        lambda: tokens.create("x", Role.VIEWER),
        tokens.listed,
        accounts.listed,
        lambda: control.unhold("x"),
    ],
    ids=[
        "create",
        "get",
        "find",
        "counts",
        "cleanup",
        "link",
        "token",
        "tokens",
        "users",
        "unhold",
    ],
)
def test_where_nobody_has_said_who_asks_all_is_refused(
    conf: Conf, ask: Callable[[], object]
) -> None:
    callers.become(None)
    with pytest.raises(Unauthorized):
        ask()


def test_what_we_do_ourselves_is_no_news_and_what_others_do_is(conf: Conf) -> None:
    services.create("ours")
    assert not AuditEvent.objects.exists()
    with callers.acting(person("anna", Role.OPERATOR)):
        session = services.create("hers")
        services.stop(session.id)
    told = list(AuditEvent.objects.values_list("principal", "action", "address", "session_id"))
    assert told == [
        ("anna", "created", "192.0.2.7", session.id),
        ("anna", "failed", "192.0.2.7", session.id),
    ]


def test_an_action_that_fails_leaves_neither_a_change_nor_news(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    session = services.create("t")
    with callers.acting(person("anna", Role.ADMINISTRATOR)), monkeypatch.context() as patch:
        patch.setattr(AuditEvent.objects, "record_all", full)
        with pytest.raises(RuntimeError), transaction.atomic():  # as if it were the outermost
            services.stop(session.id)
    assert AgentSession.objects.get(id=session.id).status == "created"


def test_a_retry_by_ourselves_belongs_to_whose_session_it_was(conf: Conf) -> None:
    with callers.acting(person("anna", Role.OPERATOR)):
        session = services.create("t")
        services.stop(session.id)
    assert control.retry(session.id, start_now=False).owner == "anna"
    with callers.acting(person("chief", Role.OPERATOR, others=True)):
        assert control.retry(session.id, start_now=False).owner == "chief"


def test_nobody_gives_away_more_than_their_own(conf: Conf) -> None:
    anna = accounts.create("anna", Role.OPERATOR)
    bert = accounts.create("bert", Role.OPERATOR)
    with callers.acting(person("anna", Role.OPERATOR)):
        made, text = tokens.create("mine", Role.VIEWER, user=anna)
        assert tokens.looks_like(text)
        assert text not in repr(ApiToken.objects.values().get(id=made.id))
        for role, more in (
            (Role.ADMINISTRATOR, {"user": anna}),
            (Role.OPERATOR, {"user": bert}),
            (Role.OPERATOR, {"user": None}),
            (Role.OPERATOR, {"user": anna, "others": True}),
        ):
            with pytest.raises(Forbidden):
                tokens.create("more", role, **more)
    # a program cannot make further tokens either, even with its maker's rights
    with callers.acting(Caller("anna", Role.OPERATOR, Via.TOKEN)), pytest.raises(Forbidden):
        tokens.create("more", Role.OPERATOR, user=anna)


@pytest.mark.parametrize("cut", [0, 7, 8, 20, 50, 51, 58])
def test_a_token_with_a_typing_error_needs_no_query(conf: Conf, cut: int) -> None:
    _, text = tokens.create("x", Role.VIEWER)
    wrong = text[:cut] + ("A" if text[cut] != "A" else "B") + text[cut + 1 :]
    assert tokens.looks_like(text)
    assert not tokens.looks_like(wrong)
    assert tokens.caller_of(tokens.digest(wrong)) is None


def test_tokens_that_count_no_more_leave_room_and_a_user_has_only_so_many(conf: Conf) -> None:
    now = timezone.now()
    anna = accounts.create("anna", Role.VIEWER)

    def fill(count: int, name: str, **fields: object) -> None:
        common = {"role": Role.VIEWER, "created": now, "created_by": "t", **fields}
        ApiToken.objects.bulk_create(
            ApiToken(name=f"{name}-{n}", digest=f"{name}-{n}", hint="", **common)
            for n in range(count)
        )

    fill(tokens.MAX_TOKENS, "old", expires=now)
    fill(tokens.MAX_OF_USER - 1, "gone", revoked=now, user=anna)
    fill(tokens.MAX_OF_USER - 1, "hers", user=anna)

    with callers.acting(person("anna", Role.VIEWER)):
        tokens.create("last", Role.VIEWER, user=anna)
        with pytest.raises(Conflict, match="anna has 100 tokens"):
            tokens.create("more", Role.VIEWER, user=anna)
    tokens.create("for-others", Role.VIEWER)
    fill(tokens.MAX_TOKENS - tokens.MAX_OF_USER - 1, "all")
    with pytest.raises(Conflict, match="1,000 tokens"):
        tokens.create("too-many", Role.VIEWER)


def test_nobody_gets_a_link_that_leads_nowhere(conf: Conf) -> None:
    user = accounts.create("anna", Role.VIEWER)
    accounts.set_active("anna", active=False)
    user.refresh_from_db()
    with pytest.raises(Conflict, match="disabled"):
        access.make_link(user)
    user.is_active = True
    user.groups.clear()
    with pytest.raises(Conflict, match="no role"):
        access.make_link(user)


def test_the_audit_trail_is_kept_as_long_as_the_settings_say(conf: Conf) -> None:
    with callers.acting(person("anna", Role.OPERATOR)):
        for _ in range(3):
            services.create("t")
    oldest = AuditEvent.objects.earliest("id")
    AuditEvent.objects.filter(id=oldest.id).update(at=timezone.now() - timedelta(days=8))
    assert trail.forget(timedelta(days=7)) == 1
    assert AuditEvent.objects.count() == 2
    read = build_conf(Env(str(conf.root), {"HIVE_ENV_FILE": "/dev/null"}), conf.root).retention
    assert read.audit is None
    env = Env(str(conf.root), {"HIVE_ENV_FILE": "/dev/null", "HIVE_KEEP_AUDIT": "1w"})
    assert build_conf(env, conf.root).retention.audit == timedelta(days=7)
