"""One session from its claim to its end: launch or adopt, watch, stop, collect, settle."""

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from sessions_app import claims, collect, db, workspace
from sessions_app.conf import Conf
from sessions_app.errors import Invalid, LaunchError
from sessions_app.identity import run_user
from sessions_app.launchers.base import Exit, Launcher, LaunchSpec, Run
from sessions_app.lifecycle import EventKind, Reason, Status
from sessions_app.models import AgentSession
from sessions_app.spawner.environment import child_environment
from sessions_app.spawner.verdict import outcome, read_outcome

logger = logging.getLogger(__name__)
#: After the line that says the job is done, the command may end by itself for this long (s).
FAREWELL = 1.0
#: After the command's own end, what it left running may go on for this long (s).
AFTERMATH = 2.0
_ENDED = {Status.COMPLETED: EventKind.COMPLETED, Status.FAILED: EventKind.FAILED}


class Supervisor:
    """Supervises one session. ``decided`` is set when its row got a verdict (stop, report)."""

    def __init__(
        self, conf: Conf, launcher: Launcher, session_id: UUID, changed: Callable[[], None]
    ) -> None:
        self._conf = conf
        self._launcher = launcher
        self._id = session_id
        self._changed = changed
        self.decided = asyncio.Event()

    async def run(self, *, adopt: bool) -> None:
        """Take the session to its end.

        Args:
            adopt: look for an earlier launch of the present attempt instead of launching. One
                that never happened is put back into the queue.
        """
        session = await self._row()
        if session is None or session.finished or not session.claimed_by:
            return
        try:
            run = await (self._find(session) if adopt else self._launch(session))
        except (LaunchError, Invalid) as error:
            await self._launch_failed(session, error.detail)
            return
        if run is None:
            await self._never_ran(session)
            return
        await self._mark_running(session, run)
        await self._watch(session, run)
        ended = await run.command_ended()
        await self._settle(run, ended)

    async def _row(self) -> AgentSession | None:
        return await db.call(AgentSession.objects.filter(id=self._id).first)

    # --- launching -----------------------------------------------------------------------

    async def _find(self, session: AgentSession) -> Run | None:
        return await self._launcher.find(session.id, session.attempt)

    async def _launch(self, session: AgentSession) -> Run | None:
        if session.verdict:
            return await self._find(session)  # stopped meanwhile: give the attempt up
        profile = self._conf.profile(session.profile)
        user = run_user(self._conf.run_as)
        try:
            await db.call(workspace.prepare, self._conf, session)
            log_fd = workspace.open_log(session, user)
        except OSError as error:
            raise LaunchError(f"cannot start: {error}") from error
        try:
            return await self._launcher.start(
                LaunchSpec(
                    session_id=session.id,
                    attempt=session.attempt,
                    argv=profile.command_line(session.task, session.args),
                    env=child_environment(session, self._conf, user),
                    cwd=session.working_dir,
                    log_fd=log_fd,
                    user=(user.uid, user.gid, user.groups) if user.switch else None,
                )
            )
        finally:
            os.close(log_fd)

    async def _launch_failed(self, session: AgentSession, detail: str) -> None:
        workspace.note_in_log(session, detail)
        await self._finish(
            [Status.STARTING],
            {"attempt": session.attempt},
            Status.FAILED,
            Reason.LAUNCH_FAILED,
            detail,
        )

    async def _never_ran(self, session: AgentSession) -> None:
        """The attempt was given up: back into the queue, or to the end if it was to be stopped."""
        released = await db.call(
            claims.release, session.id, session.attempt, "its launch was interrupted"
        )
        if not released:
            workspace.note_in_log(session, "stopped before it ran")
            await self._finish(
                [Status.STARTING],
                {"attempt": session.attempt},
                Status.FAILED,
                Reason.STOPPED,
                "stopped before it ran",
            )
        self._changed()

    async def _mark_running(self, session: AgentSession, run: Run) -> None:
        if session.status == Status.RUNNING:
            return
        at = datetime.fromtimestamp(run.launched_at, UTC)
        changed = await db.call(
            AgentSession.objects.advance,
            session.id,
            EventKind.RUNNING,
            when=[Status.STARTING],
            guard={"attempt": session.attempt},
            data={"pid": run.pid},
            status=Status.RUNNING,
            started_at=at,
            pid=run.pid,
        )
        if changed:
            await db.call(workspace.project, session.id)
            self._changed()

    # --- watching ------------------------------------------------------------------------

    async def _watch(self, session: AgentSession, run: Run) -> None:
        """Wait until the run is over and its whole tree has gone, whatever it takes."""
        profile = self._conf.profile(session.profile)
        ended = asyncio.create_task(run.command_ended(), name="command_ended")
        reading = asyncio.create_task(
            read_outcome(session, profile, ended, self._changed), name="read_outcome"
        )
        decided = asyncio.create_task(self.decided.wait(), name="decided")
        if session.verdict:
            self.decided.set()
        tasks: set[asyncio.Task[object]] = {ended, reading, decided}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and not decided.done():
                reading.result()
                await asyncio.wait(
                    {ended, decided}, timeout=FAREWELL, return_when=asyncio.FIRST_COMPLETED
                )
            await self._end_tree(run, ended)
            await ended
            await reading  # to the log's end: the command may have said the outcome last
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end_tree(self, run: Run, ended: "asyncio.Task[Exit | None]") -> None:
        if ended.done() and not self.decided.is_set():
            aftermath = asyncio.create_task(run.tree_ended(AFTERMATH))
            stopped = asyncio.create_task(self.decided.wait())
            await asyncio.wait({aftermath, stopped}, return_when=asyncio.FIRST_COMPLETED)
            gone = aftermath.done() and aftermath.result()
            for task in (aftermath, stopped):
                task.cancel()
            await asyncio.gather(aftermath, stopped, return_exceptions=True)
            if gone:
                return
        left = await run.end_tree(self._conf.stop_grace)
        if left:
            logger.error("session %s: processes %s survive SIGKILL", self._id, left)

    # --- the end -------------------------------------------------------------------------

    async def _settle(self, run: Run, ended: Exit | None) -> None:
        """Collect, then end the session by the first verdict there is; what comes later is late."""
        collected: collect.Collection | None = None
        while True:
            session = await self._row()
            if session is None or session.finished:
                return
            if collected is None:
                collected = await db.call(collect.collect, self._conf, session)
                if collected.error:
                    workspace.note_in_log(session, f"files not collected: {collected.error}")
            status, reason, detail = outcome(session, ended)
            if collected.error:
                detail = f"{detail}; files not collected: {collected.error}"
            code, number = (ended.code, ended.signal) if ended else (None, None)
            if session.verdict_code is not None:
                code, number = session.verdict_code, None
            settled = await self._finish(
                [Status.RUNNING],
                {"verdict": session.verdict, "attempt": session.attempt},
                status,
                reason,
                detail,
                at=datetime.fromtimestamp(ended.at, UTC) if ended else None,
                exit_code=code,
                exit_signal=number,
                collected_files=collected.files,
                collected_bytes=collected.bytes,
                collect_error=collected.error,
            )
            if settled:
                return

    async def _finish(
        self,
        when: list[Status],
        guard: dict[str, object],
        status: Status,
        reason: Reason,
        detail: str,
        at: datetime | None = None,
        **changes: object,
    ) -> bool:
        now = datetime.now(UTC)
        finished = await db.call(
            AgentSession.objects.advance,
            self._id,
            _ENDED[status],
            when=when,
            guard=guard,
            data={"reason": reason, "detail": detail[:500]},
            at=now,
            status=status,
            reason=reason,
            detail=detail,
            ended_at=min(at, now) if at else now,
            **changes,
        )
        if finished:
            await db.call(workspace.project, self._id)
            logger.info("session %s %s (%s): %s", self._id, status, reason, detail)
            self._changed()
        return finished
