"""What a page says while the database cannot be used."""

import pytest
from django.db import InterfaceError, OperationalError
from django.test import AsyncClient, Client

from sessions_app import services
from sessions_app.conf import Conf

pytestmark = pytest.mark.django_db
FORM = {"task": "t", "priority": "medium", "profile": "sample", "on_usage_limit": ""}


@pytest.mark.parametrize("error", [OperationalError("database is locked"), InterfaceError("gone")])
async def test_a_page_that_cannot_be_made_now_says_so(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def away(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(services, "create", away)
    reply = await AsyncClient().post("/new", FORM)
    assert (reply.status_code, reply["Retry-After"]) == (503, "2")
    page = reply.content.decode()
    assert "nothing was changed" in page
    assert str(error) not in page


def test_another_mistake_stays_one(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(services, "create", broken)
    with pytest.raises(RuntimeError, match="a mistake"):
        Client().post("/new", FORM)
