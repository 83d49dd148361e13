"""The table of goals: tiny runs print their rows; what they measure is not judged here."""

import subprocess

import pytest

from bench.goals import Goal
from tests.integration.benches import run_bench
from tests.support import PYTHON, ROOT


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "cli",
            ["3 | drop-in, create, median", "2 | drop-in, create, then start, processor time"],
        ),
        (
            "viewers",
            ["4 | memory for a page that stops", "5 | 10 changes/s to 5 lists, lost or twice"],
        ),
        ("size", ["6 | text that no task has, p99", "6 | clean up a tenth"]),
        ("supervise", ["7 | server, idle; 5 sleep", "7 | status; 5 sleep"]),
    ],
)
def test_a_tiny_run_prints_its_rows(name: str, rows: list[str]) -> None:
    text = run_bench("bench", "--quick", name)
    printed = [line for line in text.splitlines() if line.startswith("| ")]
    for row in rows:
        assert any(line.startswith(f"| {row}") for line in printed), text
    lost = [line for line in printed if "lost or twice" in line]
    assert all(line.endswith(" yes |") for line in lost), text


def test_a_measurement_that_there_is_not_is_refused() -> None:
    done = subprocess.run(
        [PYTHON, "-m", "bench", "nonsense"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no measurement nonsense" in done.stderr


@pytest.mark.parametrize(
    ("goal", "met", "shown"),
    [
        (Goal(1, "a", 9, "ms", most=10), True, "| 1 | a | at most 10 ms | 9 ms |  |  | yes |"),
        (Goal(1, "a", 11, "ms", most=10), False, "at most 10 ms | 11 ms |  |  | NO |"),
        (
            Goal(2, "a", 1500, "/s", least=0.6, yard=2000, of_yard=True, yardstick="raw"),
            True,
            "at least 0.6 of the yardstick | 1,500 /s | raw: 2,000 /s | 0.75 | yes |",
        ),
        (Goal(2, "a", 900, "/s", least=0.6, yard=2000, of_yard=True), False, "0.45 | NO |"),
        (Goal(2, "a", 900, "/s", least=0.6, yard=0, of_yard=True), False, "| NO |"),
    ],
)
def test_a_goal_says_whether_it_is_met(goal: Goal, met: bool, shown: str) -> None:
    assert goal.met is met
    assert shown in str(goal)
