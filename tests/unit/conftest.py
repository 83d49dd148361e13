"""Fixtures: sample hives as processes; webhooks that are sent in this very process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sessions_app.webhooks import worker
from tests.unit.sample_hives import Hive, Start
from tests.unit.webhooks import in_a_file


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start sample hives in tmp_path, and kill what is left of them afterwards."""
    started: list[Hive] = []

    def start_one(*words: str | bytes, **environment: str) -> Hive:
        started.append(Hive(tmp_path, *words, **environment))
        return started[-1]

    yield start_one
    for hive in started:
        hive.kill()


@pytest.fixture(scope="module")
def webhooks_in_a_file(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: Any
) -> Iterator[None]:
    """The database of a whole file of tests, where threads may write at the same time."""
    with django_db_blocker.unblock(), in_a_file(tmp_path_factory.mktemp("webhooks")):
        yield


@pytest.fixture
def quick_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that looks for news all the time."""
    monkeypatch.setattr(worker, "TICK", 0.02)
