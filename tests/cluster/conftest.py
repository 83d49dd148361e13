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
