"""Running a measurement as people do; what it measures is not judged by tests."""

import subprocess

from tests.support import PYTHON, ROOT


def run_bench(module: str, *words: str) -> str:
    """What ``python -m MODULE WORDS`` prints; the test fails if it does not end well in time."""
    command = [PYTHON, "-m", module, *words]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
