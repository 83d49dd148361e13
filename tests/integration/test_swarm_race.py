"""Reading beside a process that writes all the time: no moment mixed, nothing changed, no lock."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessions_app.conf import Conf
from sessions_app.telemetry import snapshot, swarm
from tests import hive_databases
from tests.support import PYTHON, ROOT, eventually
from tests.unit.test_swarm import of

#: For so long each (s), or so many copies.
SECONDS, COPIES = 1.5, 1000


@contextmanager
def writer(
    directory: Path, mode: str, uid: int = 0, *, new: bool = True
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of a user that writes to a session's hive.db until the end of the block."""
    if new:
        db = hive_databases.make_hive(directory, wal=mode != "delete")
        db.execute("DELETE FROM tasks")
        db.execute("UPDATE swarms SET objective = '0'")
        db.close()
    for path in (directory / ".hive-mind", hive_databases.hive_db(directory)):
        os.chown(path, uid, -1)
    program = [PYTHON, "-I", "-S", str(ROOT / "tests" / "hive_databases.py")]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([*program, str(directory), mode, str(uid)], stderr=errors)
        try:
            first = snapshot.look(str(directory), swarm.HIVE_DB).stamps
            eventually(lambda: _stamps(directory) != first, "the writer to write")
            yield process
            errors.seek(0)
            assert process.poll() is None, errors.read().decode()
        finally:
            process.kill()
            process.wait()


def everything(directory: Path) -> dict[str, tuple[int, ...]]:
    """Each name below a directory, and what a change of it would change."""
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(directory.rglob("*")):
        info = path.lstat()
        found[path.name] = (
            info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_uid,
        )  # fmt: skip
    return found


def _stamps(directory: Path) -> snapshot.Stamps | None:
    try:
        return snapshot.look(str(directory), swarm.HIVE_DB).stamps
    except snapshot.NotTaken:
        return None


@pytest.mark.parametrize("mode", ["wal", "short", "delete"])
def test_every_copy_is_of_one_moment(
    conf: Conf, tmp_path: Path, mode: str, tell: Callable[[str], None]
) -> None:
    # given somebody who writes all the time, and gives up at the first "database is locked"
    counts: Counter[str] = Counter()
    moments = set()
    with writer(tmp_path, mode) as process:
        # when it is read again and again
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and counts.total() < COPIES:
            try:
                with snapshot.opened(
                    str(tmp_path), swarm.HIVE_DB, conf.state_dir / "snapshots", os.geteuid()
                ) as copy:
                    [objective] = copy.execute("SELECT objective FROM swarms").fetchone()
                    query = "SELECT status, count(*) FROM tasks GROUP BY status"
                    by_status = dict(copy.execute(query))
            except snapshot.NotTaken as error:
                counts[error.state] += 1
                continue
            # then each time what must hold after every transaction holds
            half = int(objective) // 2
            assert by_status == ({"completed": half, "pending": half} if half else {})
            counts["read"] += 1
            moments.add(objective)
    assert set(counts) <= {"read", "busy"}
    assert counts["read"] > 20
    assert len(moments) > 5
    tell(f"{mode}: {counts['read']} copies, {counts['busy']} times busy")
    assert process.returncode == -signal.SIGKILL


def test_nothing_in_the_directory_changes_and_the_runs_user_is_not_locked_out(conf: Conf) -> None:
    assert os.geteuid() == 0, "run the tests as root: they change users, as the container does"
    # given a session's directory of another user, whose run was killed and left a log
    directory = Path(tempfile.mkdtemp(prefix="hiveweb-"))
    directory.chmod(0o755)
    log = directory / ".hive-mind" / "hive.db-wal"
    try:
        nobody = pwd.getpwnam("nobody").pw_uid
        with writer(directory, "wal", nobody):
            eventually(lambda: log.exists() and log.stat().st_size > 1000, "a log")
        log.with_name("hive.db-shm").unlink(missing_ok=True)
        before = everything(directory)
        # when root reads it
        found = swarm.read(of(directory))
        # then it has all of it, and nothing was made, changed or taken over
        assert found["sources"]["hive_db"]["state"] == "ok"
        assert found["progress"]["total"] == int(found["swarms"][0]["objective"])
        assert everything(directory) == before
        # and its user goes on writing
        with writer(directory, "wal", nobody, new=False):
            eventually(lambda: everything(directory) != before, "it to write")
    finally:
        shutil.rmtree(directory)
