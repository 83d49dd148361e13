"""Permits: sessions are spread by slots and pools, each runs once, and lost permits come again."""

from collections import Counter

from tests.cluster.hosts import Cluster


def test_sessions_are_spread_by_slots_and_pools(hosts: Cluster) -> None:
    hosts.host("a", HIVE_SLOTS="2")
    hosts.host("b", HIVE_SLOTS="3", HIVE_POOLS="default,gpu")

    hosts.begin(7, "sleep", "600")
    hosts.until("running", 5)
    assert Counter(row[2] for row in hosts.rows().values()) == {"a": 2, "b": 3, "": 2}
