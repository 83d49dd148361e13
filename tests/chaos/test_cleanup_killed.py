"""SIGKILL of a cleanup before each change it makes: whole or not at all, and the next goes on."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support import PYTHON, ROOT, installation


def test_killed_before_each_change_it_leaves_nothing_half_done(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    settings = {"HIVE_KEEP_SESSIONS": "80h", "HIVE_KEEP_LOGS": "10h", "HIVE_KEEP_OUTPUTS": "20h"}
    with installation(tmp_path / "site", HIVE_AUTOSPAWN="0", **settings) as site:
        env = {**site.env, "DJANGO_SETTINGS_MODULE": "hiveweb.settings", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [PYTHON, "-m", "tests.chaos.kill_cleanup"], env=env, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        kills = int(done.stdout)
        tell(f"{kills} kills")
        assert kills > 20
