"""Searching a whole log for a text, in a bounded process of its own (log_finder.py)."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from sessions_app import log_finder
from sessions_app.errors import TooManyRequests, Unavailable
from sessions_app.masking import Mask

logger = logging.getLogger(__name__)
#: A search says after so many seconds how far it got, and is killed after that many.
SECONDS, KILL_SECONDS = 5.0, 10.0
#: So many searches at once in an installation; another waits for its turn so long (s).
AT_ONCE, PATIENCE = 2, 5.0
_LOOK_AGAIN = 0.05
_ROOT = str(Path(__file__).resolve().parent.parent)


async def search(fd: int, state_dir: Path, mask: Mask, wish: dict[str, Any]) -> dict[str, Any]:
    """Have a log searched. The process is killed when this is cancelled.

    Args:
        fd: the log; stays open.
        state_dir: where the installation's searches take turns.
        mask: what is not to be found.
        wish: the other arguments of :func:`sessions_app.log_finder.search` but ``seconds``.

    Returns:
        What that function does.

    Raises:
        TooManyRequests: too many searches are under way.
        Unavailable: the search failed, or took too long.
    """
    secrets = [needle.hex() for needle in mask.needles]
    asked = json.dumps({**wish, "seconds": SECONDS, "secrets": secrets}).encode()
    async with _turn(state_dir) as turn:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", log_finder.BOOT, _ROOT, str(fd)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(fd, turn),  # it has its turn until it ends, even if we do before
            env={"LANG": "C.UTF-8"},
        )
        try:
            async with asyncio.timeout(KILL_SECONDS):
                out, complaint = await process.communicate(asked)
        except TimeoutError:
            raise Unavailable("the search took too long; look in a part of the log") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())
    if process.returncode != 0:
        logger.error("a search failed: %s", complaint.decode("utf-8", "replace")[-2000:])
        raise Unavailable("the search broke off; try again, or look in a part of the log")
    found: dict[str, Any] = json.loads(out)
    return found


@contextlib.asynccontextmanager
async def _turn(state_dir: Path) -> AsyncGenerator[int, None]:
    """A descriptor with one of the locks that searches take."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    # A host that runs nothing has none yet.
    await asyncio.to_thread(state_dir.mkdir, mode=0o700, parents=True, exist_ok=True)
    while True:
        for number in range(AT_ONCE):
            path = state_dir / f"search-{number}.lock"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            try:
                yield fd
            finally:
                os.close(fd)
            return
        if loop.time() >= deadline:
            raise TooManyRequests(
                f"{AT_ONCE} searches are under way already; try again in a moment", 2.0
            )
        await asyncio.sleep(_LOOK_AGAIN)
