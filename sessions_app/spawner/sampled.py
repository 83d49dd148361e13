"""One run that is sampled: what it uses and says, until what both came to at its end."""

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from sessions_app import log_tail
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.launchers.base import Exit, Run
from sessions_app.models import AgentSession
from sessions_app.telemetry.activity import Follower
from sessions_app.telemetry.recording import Recording
from sessions_app.telemetry.samples import Head
from sessions_app.telemetry.summary import Measured

logger = logging.getLogger(__name__)


class Activity(Protocol):
    """Follows what one run says; blocking, for one thread at a time."""

    @property
    def swarm_id(self) -> str:
        """The swarm that it says it is; empty until it does."""

    def look(self, now: float) -> None:
        """Read what is new, within a bound of its own. ``now``: seconds of a clock that runs on."""

    def finish(self, seconds: float) -> dict[str, Any]:
        """Read to the log's end, for so long; what the run has said and done altogether."""


def follow(session: AgentSession, run_dir: Path, log: log_tail.Log) -> Activity | None:
    """Who follows a run's output."""
    return Follower(run_dir, log, [session.task, *session.args])


class Sampled:
    """One run that is sampled. Blocking, but for its making."""

    def __init__(self, conf: Conf, session: AgentSession, run: Run, log: log_tail.Log) -> None:
        run_dir = conf.runs_dir / str(session.id)
        step = conf.telemetry.sample_every or 0.0
        self.run = run
        # Its own descriptor: the supervisor closes the other one while we may be reading.
        self.log = os.dup(log) if isinstance(log, int) else log
        self.recording = Recording(session, run_dir, run.launched_at, step)
        self.trouble = Complaint(logger, f"session {session.id} cannot be sampled")
        self.resumed = False
        #: When it was followed last (``time.monotonic``).
        self.followed = 0.0
        self.head: Head | None = None
        self._activity = follow(session, run_dir, self.log)
        self._turn = threading.Lock()

    def say(self) -> None:
        """Follow what it says."""
        with self._turn:
            self.followed = time.monotonic()
            if self._activity is not None:
                self._activity.look(self.followed)

    @property
    def swarm_id(self) -> str:
        """The swarm that it says it is; empty until it does."""
        activity = self._activity  # another thread may be about to take it away
        return activity.swarm_id if activity is not None else ""

    def finish(self, exited: Exit | None, seconds: float) -> Measured:
        """It has ended: what it used and did altogether, as far as can be seen in so long."""
        with self._turn:
            self.head = self.recording.finish(exited, self.log, seconds)
            activity, self._activity = self._activity, None
            said = activity.finish(seconds) if activity is not None else {}
            try:
                self.recording.write_end()
            except OSError as error:
                self.trouble.say(error)
            return Measured(self.head, said, activity.swarm_id if activity is not None else "")

    def close(self) -> None:
        """Nothing more will be asked of it."""
        with self._turn:
            self._activity = None
            self.recording.disk.close()
            log, self.log = self.log, ""
            if isinstance(log, int):
                os.close(log)
