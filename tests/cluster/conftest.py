"""Fixtures: a cluster without hosts, for a test each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.hosts import Cluster, cluster
from tests.databases import PostgreSQL


@pytest.fixture
def hosts(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Cluster]:
    """One PostgreSQL database; hosts come with ``hosts.host(NAME)``."""
    with cluster(tmp_path, postgresql) as made:
        yield made


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The soak is for `make test-long` alone: it has no short form."""
    soak = collection_path.name == "test_soak.py" and not config.getoption("--run-long")
    return True if soak else None
