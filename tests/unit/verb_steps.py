"""Running a verb in this process, and playing the spawner's part in a session's life."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from sessions_app import verbs
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession
from sessions_app.verb_steps import Exit, Follow, Pause, Print


@dataclass
class Result:
    """What a verb did, all steps taken together."""

    code: int
    out: bytes = b""
    err: bytes = b""
    follow: Follow | None = None
    paused: float = 0.0


def hive(*words: str) -> Result:
    """Run a verb to its end without waiting where it pauses."""
    result = Result(code=-1)
    for step in verbs.run(words):
        assert result.code == -1, "a step after the last"
        match step:
            case Print(data, to_stderr):
                if to_stderr:
                    result.err += data
                else:
                    result.out += data
            case Pause(seconds):
                result.paused += seconds
            case Follow():
                result.follow = step
            case Exit(code):
                result.code = code
    return result


def create(*words: str) -> str:
    """A new session's id."""
    return hive("create", *(words or ("a task",))).out.decode().strip()


def set_running(session_id: str) -> None:
    """What a spawner does when it launches a session."""
    objects, key = AgentSession.objects, uuid.UUID(session_id)
    objects.advance(key, EventKind.STARTING, when=[Status.CREATED], status=Status.STARTING)
    assert objects.advance(
        key,
        EventKind.RUNNING,
        when=[Status.STARTING],
        status=Status.RUNNING,
        claimed_by="a spawner",
    )


def set_ended(session_id: str, hours_ago: float = 0.0) -> None:
    """What a spawner does when a session has completed."""
    assert AgentSession.objects.advance(
        uuid.UUID(session_id),
        EventKind.COMPLETED,
        when=[Status.RUNNING],
        status=Status.COMPLETED,
        reason=Reason.EXITED,
        ended_at=timezone.now() - timedelta(hours=hours_ago),
    )
