"""The measurements run to their end: small ones, of which no time is looked at."""

import pytest

from tests.integration.benches import run_bench

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
    module, *words = command.split()
    printed = run_bench(f"bench.{module}", *words).splitlines()
    assert printed[0].startswith("200 sessions")
    for row in rows:
        line = next(line for line in printed if line.startswith(row))
        assert any(character.isdigit() for character in line.removeprefix(row)), line
