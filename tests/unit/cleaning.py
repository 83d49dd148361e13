"""Sessions that ended a while ago, and what a cleanup tells of them."""

import os
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from sessions_app import cleanup, services
from sessions_app.cleanup import Kind, Removal
from sessions_app.conf import Conf, Retention
from sessions_app.models import AgentSession


def finished(hours_ago: float = 0) -> AgentSession:
    """A session that ended some hours ago, though it was touched later."""
    session = services.create("a task")
    services.stop(session.id)
    AgentSession.objects.filter(id=session.id).update(
        ended_at=timezone.now() - timedelta(hours=hours_ago)
    )
    return services.get(session.id)


def told(hours: object = None, **options: Any) -> list[Removal]:
    """All that a cleanup tells."""
    return [step for step in cleanup.cleanup(hours, **options) if step is not None]


def removed(hours: object = None, kind: Kind = Kind.SESSION, **options: Any) -> list[uuid.UUID]:
    """The ids of what went, of one kind."""
    return [r.session_id for r in told(hours, **options) if r.kind == kind and not r.kept]


def kept(hours: object = None, **options: Any) -> dict[uuid.UUID, str]:
    """Why things stayed."""
    return {r.session_id: r.kept for r in told(hours, **options) if r.kept}


def keep(
    conf: Conf,
    monkeypatch: pytest.MonkeyPatch,
    **hours: float,
) -> None:
    """Set how many hours sessions, logs and outputs are kept."""
    ages = {name: timedelta(hours=age) for name, age in hours.items()}
    monkeypatch.setattr(settings, "HIVE", replace(conf, retention=Retention(**ages)))  # type: ignore[arg-type]  # by name


def make_old(path: Path, hours: float = 2) -> None:
    """Make a file, or a directory and all in it, look as if it was not touched for so long."""
    moment = timezone.now().timestamp() - hours * 3600
    inside = sorted(path.rglob("*"), reverse=True) if path.is_dir() else []
    for each in [*inside, path]:
        os.utime(each, (moment, moment), follow_symlinks=False)
