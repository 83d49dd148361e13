"""Times that cannot be: the clock has jumped."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Q
from django.utils import timezone

from sessions_app import bell, claims, workspace
from sessions_app.clock import wire_time
from sessions_app.doctor.findings import Examination, Finding
from sessions_app.lifecycle import EventKind, Status
from sessions_app.models import AgentSession

#: Clocks are this precise (s): less is no jump.
SLACK = timedelta(seconds=60)
_TIMES = ("created", "queued_at", "started_at", "ended_at", "updated")


def check(examination: Examination) -> Iterator[Finding]:
    """Rows that have happened in the future."""
    del examination
    edge = timezone.now() + SLACK
    late = Q()
    for name in _TIMES:
        late |= Q(**{f"{name}__gt": edge})
    for session in AgentSession.objects.filter(late).order_by("created", "id"):
        names = [name for name in _TIMES if (_time(session, name) or edge) > edge]
        what = ", ".join(f"{name} {wire_time(_time(session, name))}" for name in names)
        yield Finding(
            "future",
            f"session {session.id}",
            f"the clock has jumped: it is {wire_time(timezone.now())}, and the row says {what}",
            "look at the clock first; then set these to now, the latest that they can be",
            partial(_mend, session, names),
            writes_rows=True,
        )


def _time(session: AgentSession, name: str) -> datetime | None:
    found: datetime | None = getattr(session, name)
    return found


def _mend(session: AgentSession, names: list[str]) -> str:
    now = timezone.now()
    changes: dict[str, Any] = dict.fromkeys(set(names) - {"updated"}, now)
    if "queued_at" in changes:
        changes["queue_key"] = claims.queue_key(now, session.priority)
    AgentSession.objects.advance(
        session.id,
        EventKind.UPDATED,
        when=[*Status],
        guard={name: _time(session, name) for name in names},
        data={name: wire_time(_time(session, name)) for name in names},
        **changes,
    )
    workspace.project(session.id)
    bell.announce()
    return ""
