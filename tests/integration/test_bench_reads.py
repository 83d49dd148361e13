"""The measurement of reads works; what it measures is for ``make bench`` to say."""

from tests.integration.benches import run_bench


def test_the_measurement_of_reads_works() -> None:
    text = run_bench("bench.reads", "--quick")
    head, _, *rows = text.splitlines()
    assert head.startswith("16 connections; targets: 0.6 of the raw rate of daphne, 0.55 of")
    few, many = ("16 sessions", "each with a log of 1 GB"), ("the same 16", "ever another one")
    sizes = (few, tuple(f"1,000 sessions, {which}" for which in many))
    names = [(row[:9].strip(), row[9:53].strip()) for row in rows]
    assert names == [
        (server, f"{what}, {whose}")
        for size in sizes
        for server in ("daphne", "uvicorn")
        for whose in size
        for what in ("get", "status")
    ]
    for row in rows:
        rate, raw, ratio = (float(word.replace(",", "")) for word in row[53:].split()[:3])
        assert rate > 0
        assert raw > 0
        assert abs(ratio - rate / raw) < 0.1 * ratio + 0.1
