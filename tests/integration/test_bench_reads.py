"""The measurement of reads works; what it measures is for ``make bench`` to say."""

from tests.integration.benches import run_bench


def test_the_measurement_of_reads_works() -> None:
    text = run_bench("bench.reads", "--quick")
    head, _, *rows = text.splitlines()
    assert head.startswith("daphne, 16 connections; targets: 0.6 of the raw rate")
    names = [row.partition("  ")[0] for row in rows]
    assert names == [
        f"{what}, {whose}"
        for whose in ("16 sessions", "each with a log of 1 GB", "1,000 sessions, the same 16")
        for what in ("get", "status")
    ] + [f"{what}, 1,000 sessions, ever another one" for what in ("get", "status")]
    for row in rows:
        rate, raw, ratio = (float(word.replace(",", "")) for word in row[44:].split()[:3])
        assert rate > 0
        assert raw > 0
        assert abs(ratio - rate / raw) < 0.1 * ratio + 0.1
