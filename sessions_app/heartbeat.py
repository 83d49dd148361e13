"""That the spawner gets on with its work, for whoever asks how we are.

The lock (sessions_app.doorbell) says that a spawner lives; this says when it last looked at the
rows. It is a small file of ours in the state directory, written in place: a full disk takes it.
"""

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from sessions_app import doorbell
from sessions_app.clock import boot_clock

NAME = "spawner.json"
#: It is written this often (s) at most.
EVERY = 5.0
#: A spawner that has not looked for so long (s) hangs, or cannot read the rows.
LATE = 30.0
#: Bytes of the file, always: nothing is ever left of what stood there before.
_SIZE = 128


@dataclass(frozen=True, slots=True)
class Beat:
    """What a spawner said last.

    Attributes:
        pid: whose process it is.
        age: seconds since it looked at the rows.
        supervised: the sessions it had in hand.
    """

    pid: int
    age: float
    supervised: int


class Heart:
    """The spawner's end."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME
        self._due = 0.0

    def beat(self, supervised: int) -> None:
        """It has looked at the rows."""
        now = boot_clock()
        if now < self._due:
            return
        self._due = now + EVERY
        text = json.dumps({"pid": os.getpid(), "looked": round(now, 3), "supervised": supervised})
        with contextlib.suppress(OSError):
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(fd, text.ljust(_SIZE - 1).encode() + b"\n", 0)
            finally:
                os.close(fd)


def last(state_dir: Path) -> Beat | None:
    """The last beat since this machine started; None when there was none, or it cannot be read."""
    try:
        told = json.loads((state_dir / NAME).read_bytes())
        age = boot_clock() - float(told["looked"])
        return Beat(int(told["pid"]), age, int(told["supervised"])) if age >= 0 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def spawner(state_dir: Path) -> tuple[str, str]:
    """How the spawner fares: what is wrong with it (empty when it works), and else what it does."""
    holder = doorbell.spawner(str(state_dir))
    if holder is None:
        return "no spawner runs; start one with: hive up", ""
    pid, kind = holder
    beat = last(state_dir)
    who = f"{kind} {pid}"
    if beat is None or beat.pid != pid:
        return f"{who} has not looked at the rows yet", ""
    looked = f"{who} looked at the rows {beat.age:.1f} s ago"
    if beat.age > LATE:
        return looked, ""
    return "", f"{looked}, with {beat.supervised} sessions in hand"
