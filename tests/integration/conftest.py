"""Fixtures: an installation that has no HIVE_TOKEN; a place where what is written is counted."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sessions_app.conf import SERVERS, Conf
from tests.integration.doctoring import Case, made_case
from tests.integration.edges import LIMIT
from tests.support import ROOT, Installation, Server, installation


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation without HIVE_TOKEN."""
    with installation(tmp_path_factory.mktemp("house") / "site", HIVE_TOKEN="") as made:
        yield made


@pytest.fixture(scope="module")
def door(house: Installation) -> Server:
    """Its server."""
    return house.up()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory on a file system that counts what is written to it; a tmpfs does not."""

    def written() -> int:
        return int(Path("/proc/self/io").read_text().split("\nwrite_bytes: ")[1].split()[0])

    size = 1024 * 1024
    for parent in (tmp_path_factory.getbasetemp(), ROOT / "var", Path("/var/tmp")):
        parent.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=parent) as made:
            before = written()
            Path(made, "probe").write_bytes(bytes(size))
            if written() - before >= size:
                yield Path(made)
                return
    pytest.fail("no file system here counts what is written to storage")


@pytest.fixture(scope="module", params=SERVERS)
def hasty_site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """An installation that waits for nobody for longer than a second, on each web server."""
    limits = dict.fromkeys(("HEADER", "BODY", "IDLE", "SEND"), str(LIMIT))
    settings = {f"HIVE_{name}_TIMEOUT": value for name, value in limits.items()}
    settings["HIVE_SERVER"] = request.param
    settings |= {"HIVE_MAX_CONNECTIONS": "30", "HIVE_MAX_CONNECTIONS_PER_ADDRESS": "20"}
    with installation(tmp_path_factory.mktemp("hasty") / "site", **settings) as made:
        yield made


@pytest.fixture(scope="module")
def hasty(hasty_site: Installation) -> Server:
    """The server of ``hasty_site``."""
    return hasty_site.up()


@pytest.fixture
def case(conf: Conf) -> Case:
    """A healthy installation in this process, to call the doctor to."""
    return made_case(conf)
