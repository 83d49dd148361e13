"""What this process counts of itself, for /metrics: plain numbers that cost nothing to keep.

Standard library only. They are changed by the event loop's thread alone.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

#: When this process began, as far as it can be told.
STARTED = datetime.now(UTC)


def _zeros(*keys: int) -> Counter[int]:
    return Counter(dict.fromkeys(keys, 0))  # whoever computes a rate needs the 0 it grows from


@dataclass(slots=True)
class Counted:
    """The numbers.

    Attributes:
        viewers: websockets that are open.
        given_up: websockets that we closed, by the code of their end.
        refused: requests and websockets that the guard refused, by HTTP status.
        readers: logs that are being followed, by websockets and streams.
        log_bytes: what their readers were handed.
        webhook_attempts: requests to webhooks, by their outcome.
        database_errors: work that the database did not do: locked, full, away.
    """

    viewers: int = 0
    given_up: Counter[int] = field(default_factory=lambda: _zeros(1011, 4400, 4404))
    refused: Counter[int] = field(default_factory=lambda: _zeros(400, 401, 403, 413, 429, 503))
    readers: int = 0
    log_bytes: int = 0
    webhook_attempts: Counter[str] = field(
        default_factory=lambda: Counter({"delivered": 0, "failed": 0})
    )
    database_errors: int = 0


ours = Counted()
