"""The measurements run to their end: small ones, of which no time is looked at."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = "--sessions 200 --log-bytes 4000000 --seconds 0.2 --rate 10 --opens 1 --lists 1"


@pytest.mark.parametrize(
    ("command", "rows"),
    [
        (
            f"dashboard {DASHBOARD}",
            [
                "yardstick: an empty page in the burst",
                "the list as it opens",
                "the log, opened at its end",
                "the log, jumps to lines, parts, bytes",
                "the log, scrolled up",
                "the log, searched for its last line",
            ],
        ),
        (
            "overview --sessions 200 --seconds 0.1",
            ["GET /api/v1/overview, one after the other", "(in the last day"],
        ),
    ],
    ids=["dashboard", "overview"],
)
def test_a_small_measurement_prints_its_figures(command: str, rows: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *f"bench.{command}".split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.splitlines()
    assert printed[0].startswith("200 sessions")
    for row in rows:
        line = next(line for line in printed if line.startswith(row))
        assert any(character.isdigit() for character in line.removeprefix(row)), line
