"""A small process's standard streams and its end: kept open, written whole, left at once.

Standard library only, as sessions_app.client and sessions_app.follower are; not even ``os``, whose
import takes a millisecond.
"""

from __future__ import annotations

import posix as os

from hiveweb.env import EnvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

#: Exit codes: 128 and the signal, as a shell has it; sysexits.h's EX_TEMPFAIL.
INTERRUPTED, BROKEN_PIPE, TEMPORARY_FAILURE = 130, 141, 75


def leave(action: Callable[[], int]) -> NoReturn:
    """Run ``action`` and exit with its code at once; finalising Python takes milliseconds."""
    repair_streams()
    try:
        code = action()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = BROKEN_PIPE
    except (OSError, EnvError) as error:
        complain(str(error))
        code = 2 if isinstance(error, EnvError) else 1
    os._exit(code)


def repair_streams() -> None:
    """Open /dev/null where a standard stream is closed, or our next file would take its place."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open("/dev/null", os.O_RDWR), True)


def complain(detail: str) -> None:
    """One line on standard error; let go if nobody can read it."""
    try:  # noqa: SIM105 - contextlib costs as much as all we import
        show(2, f"hive: {detail}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def show(fd: int, data: bytes) -> None:
    """Write all of ``data``, a terminal only what it may be shown of it.

    Raises:
        OSError: as for :func:`write_all`.
    """
    if os.isatty(fd):
        from sessions_app.terminal import harmless  # noqa: PLC0415 - programs never need it

        data = harmless(data)
    write_all(fd, data)


def write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``, also where the caller left the descriptor non-blocking.

    Raises:
        OSError: it cannot be written; BrokenPipeError when the reader is gone.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            import select  # noqa: PLC0415 - rarely needed

            select.select([], [fd], [])
