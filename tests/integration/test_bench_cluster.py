"""The measurement of several hosts works; what it measures is not judged here."""

from tests.integration.benches import run_bench


def test_a_tiny_run_with_several_hosts_prints_its_figures() -> None:
    printed = run_bench("bench.cluster", "--quick").splitlines()
    firsts = [line.split(" | ")[0].removeprefix("| ") for line in printed if line[:2] == "| "]
    assert firsts == [
        "several hosts on this machine",
        "---",
        "started and ended, 1 host",
        "started and ended, 2 hosts",
        "request to running command, p50",
        "request to running command, p99",
        "a host that dies",
        "---",
        "its spawner returns and has adopted 3 sessions",
        "its sessions run on another, the last of 2",
    ]
    failover = float(printed[-1].split(" | ")[1].removesuffix(" s"))
    assert failover > 0.8 * 3, "nobody may be early"
