"""What callers are told when we fail ourselves: enough to act, nothing about our insides."""

import logging

import pytest
from django.db import InterfaceError, OperationalError
from django.test import AsyncClient

from sessions_app import health, services

#: A thread of ours may have a connection from before, which is closed after an error.
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "error", [OperationalError("database is locked"), InterfaceError("connection already closed")]
)
async def test_a_database_that_is_away_is_said_to_come_back(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def away(_: object) -> None:
        raise error

    monkeypatch.setattr(services, "get", away)
    reply = await AsyncClient().get("/api/v1/sessions/x")
    assert (reply.status_code, reply["Retry-After"]) == (503, "2")
    assert reply["Content-Type"] == "application/problem+json"
    assert reply.json()["code"] == "unavailable"
    assert str(error) not in reply.content.decode()


async def test_a_mistake_of_ours_is_logged_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(services, "get", broken)
    with caplog.at_level(logging.ERROR):
        reply = await AsyncClient(raise_request_exception=False).get("/api/v1/sessions/x")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "secret" not in reply.content.decode()
    assert "Traceback" not in reply.content.decode()
    assert "RuntimeError: the secret inside" in caplog.text


async def test_health_is_the_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(health, "_ask", away)
    reply = await AsyncClient().get("/healthz")
    assert (reply.status_code, reply.json()) == (503, {"status": "unavailable"})
