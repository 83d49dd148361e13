"""The bench of sessions a second works; what it measures is not judged here."""

import json
import subprocess
import sys

from tests.support import ROOT


def test_every_session_of_the_bench_lives_and_is_counted() -> None:
    command = [sys.executable, "-m", "bench.throughput", "--quick", "--json", "--sessions", "20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sessions"] == 20
    assert found["lives"] == found["completed"] > 0
    assert found["ratio"] > 0
    assert found["cpu"]["server"] > 0
