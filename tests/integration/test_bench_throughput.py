"""The bench of sessions a second works; what it measures is not judged here."""

import json

from tests.integration.benches import run_bench


def test_every_session_of_the_bench_lives_and_is_counted() -> None:
    text = run_bench("bench.throughput", "--quick", "--json", "--sessions", "20")
    found = json.loads(text)
    assert found["sessions"] == 20
    assert found["lives"] == found["completed"] > 0
    assert found["ratio"] > 0
    assert found["cpu"]["server"] > 0
