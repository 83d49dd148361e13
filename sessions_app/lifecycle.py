"""The vocabulary of a session's life: states, transitions, reasons, priorities."""

from enum import IntEnum, StrEnum


class Status(StrEnum):
    """The states a caller sees."""

    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


#: What ``status`` prints for a session that does not exist. Never stored.
NOT_FOUND = "not_found"

FINISHED = frozenset({Status.COMPLETED, Status.FAILED})
#: States that occupy a slot once claimed, and that a start finds already under way.
ACTIVE = frozenset({Status.STARTING, Status.RUNNING})

#: Each state and the states that may precede it. Nothing leaves a finished state.
PREDECESSORS: dict[Status, frozenset[Status]] = {
    Status.CREATED: frozenset(),
    Status.STARTING: frozenset({Status.CREATED}),
    Status.RUNNING: frozenset({Status.STARTING}),
    Status.COMPLETED: frozenset({Status.RUNNING}),
    Status.FAILED: frozenset({Status.CREATED, Status.STARTING, Status.RUNNING}),
}


class Reason(StrEnum):
    """Why a session ended as it did."""

    REPORTED = "reported"
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"
    STALLED = "stalled"
    MEMORY_LIMIT = "memory_limit"
    USAGE_LIMITED = "usage_limited"
    OUTCOME_RULE = "outcome_rule"
    EXITED = "exited"
    LAUNCH_FAILED = "launch_failed"
    LOST = "lost"


class Priority(IntEnum):
    """Which waiting session runs first; a smaller number goes first."""

    HIGH = 0
    MEDIUM = 1
    LOW = 2

    @property
    def word(self) -> str:
        """The word on the wire."""
        return self.name.lower()

    @staticmethod
    def word_of(number: int) -> str:
        """The word of the nearest priority."""
        return _WORDS[min(max(number, 0), len(_WORDS) - 1)]


_WORDS = tuple(priority.word for priority in Priority)


class OnUsageLimit(StrEnum):
    """What follows when a run ends because the account's usage limit was reached."""

    FAIL = "fail"
    RETRY = "retry"


class OnLost(StrEnum):
    """What follows when the host that runs a session is lost."""

    FAIL = "fail"
    RETRY = "retry"


class NodeState(StrEnum):
    """Whether a host takes sessions."""

    ACTIVE = "active"
    DRAINING = "draining"
    LOST = "lost"


#: The pool of sessions that ask for none, and of hosts that name none.
DEFAULT_POOL = "default"


class EventKind(StrEnum):
    """What a row of the event log records."""

    CREATED = "created"
    STARTING = "starting"
    CLAIMED = "claimed"
    RELEASED = "released"
    RUNNING = "running"
    UPDATED = "updated"
    PAUSE_REQUESTED = "pause_requested"
    PAUSED = "paused"
    RESUME_REQUESTED = "resume_requested"
    RESUMED = "resumed"
    STALLED = "stalled"
    PROGRESSED = "progressed"
    LOG_CAPPED = "log_capped"
    LIMIT_REACHED = "limit_reached"
    USAGE_LIMITED = "usage_limited"
    STOP_REQUESTED = "stop_requested"
    REPORTED = "reported"
    OUTCOME = "outcome"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRIED = "retried"
    IMPORTED = "imported"
    RESTORED = "restored"
    PINNED = "pinned"
    UNPINNED = "unpinned"
    LOG_REMOVED = "log_removed"
    OUTPUTS_REMOVED = "outputs_removed"
    REMOVED = "removed"
