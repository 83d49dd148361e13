"""A session's log: deleted, or replaced by something else."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sessions_app import workspace
from sessions_app.conf import Conf
from sessions_app.doctor.findings import Finding
from sessions_app.doctor.runs import marked_processes
from sessions_app.identity import run_user
from sessions_app.models import AgentSession

_BLOCK = 1024 * 1024
_NOTE = "this log was deleted and has been made anew"


def check(conf: Conf, session: AgentSession) -> Iterator[Finding]:
    """Whether the log is there."""
    log = Path(session.log_file)
    if session.log_removed or (log.is_file() and not log.is_symlink()):
        return
    where = f"session {session.id}"
    if os.path.lexists(log):
        what = f"its log {log} is a link or no file"
        yield Finding("log_replaced", where, what, "move it away, then look again")
        return
    source = None if session.finished else _deleted(conf, session)
    if source is None:
        todo = "make an empty one, and say so in it"
    else:
        todo = (
            f"copy what process {source.parts[2]} has printed until now; what it prints from now "
            "on still goes to the deleted file"
        )
    yield Finding("log_missing", where, "its log was deleted", todo, lambda: _mend(conf, session))


def _deleted(conf: Conf, session: AgentSession) -> Path | None:
    """The descriptor in /proc through which a process of the session still writes to its log."""
    log = Path(session.log_file)
    target = f"{log.parent.resolve() / log.name} (deleted)"
    for session_id, process in marked_processes(conf):
        if session_id == session.id:
            with contextlib.suppress(OSError):
                for descriptor in sorted(Path(f"/proc/{process.pid}/fd").iterdir()):
                    if str(descriptor.readlink()) == target:
                        return descriptor
    return None


def _mend(conf: Conf, session: AgentSession) -> str:
    """Put a log in place, whole: with what can still be had of the old one."""
    log = Path(session.log_file)
    with workspace.locked(conf, session.id):
        if os.path.lexists(log) or not AgentSession.objects.filter(id=session.id).exists():
            return ""
        source = None if session.finished else _deleted(conf, session)
        draft = log.with_name(f".{log.name}.{os.getpid()}")
        try:
            _write(draft, source, conf)
            os.link(draft, log)  # a command that starts now may have made it: then that counts
        except FileExistsError:
            return ""
        finally:
            draft.unlink(missing_ok=True)
    return ""


def _write(draft: Path, source: Path | None, conf: Conf) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    user = run_user(conf.run_as)
    with open(os.open(draft, flags, 0o640), "wb") as target:  # noqa: PTH123 - by descriptor
        if user.switch:
            os.fchown(target.fileno(), -1, user.gid)
        text = _NOTE
        if source is not None:
            last = b""
            with source.open("rb") as reader:
                while block := reader.read(_BLOCK):
                    last = block[-1:]
                    if block.count(0) == len(block):  # the middle that a limit has taken out
                        target.seek(len(block), os.SEEK_CUR)
                    else:
                        target.write(block)
            text = f"{_NOTE}; what is printed from here on is lost with the deleted file"
            if last != b"\n":
                target.write(b"\n")
        target.write(f"hiveweb: {text}\n".encode())
