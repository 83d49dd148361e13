"""Fixtures of tests about who comes in: an installation that has no HIVE_TOKEN."""

from collections.abc import Iterator

import pytest

from tests.support import Installation, Server, installation


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation without HIVE_TOKEN."""
    with installation(tmp_path_factory.mktemp("house") / "site", HIVE_TOKEN="") as made:
        yield made


@pytest.fixture(scope="module")
def door(house: Installation) -> Server:
    """Its server."""
    return house.up()
