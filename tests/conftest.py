"""Fixtures for all tests: installations and servers of their own."""

import os
import signal
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from sessions_app import callers, workspace
from sessions_app.callers import Caller
from sessions_app.conf import Conf
from tests import databases
from tests.support import ON_POSTGRESQL, SAMPLE, TOKEN, Installation, Server, installation

#: Run by tests.on_postgresql, as `make test` does.
collect_ignore = [] if ON_POSTGRESQL in os.environ else ["postgresql"]

# Begun in the background by a shell, we would ignore this, and so would all that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _we_ask_ourselves() -> Iterator[None]:
    """In this very process nobody has said who asks: it is we, unless a test says otherwise."""
    unsaid: ContextVar[Caller | None] = ContextVar("unsaid", default=callers.SYSTEM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callers, "_caller", unsaid)
        yield


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose command is the sample hive; nothing of it runs yet."""
    with installation(tmp_path / "site") as made:
        yield made


@pytest.fixture
def server(site: Installation) -> Server:
    """A running server of ``site``."""
    return site.up()


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for a whole file of tests that do not disturb each other."""
    with installation(tmp_path_factory.mktemp("shared") / "site") as made:
        yield made


@pytest.fixture(scope="module")
def shared_server(shared_site: Installation) -> Server:
    """The server of ``shared_site``."""
    return shared_site.up()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.PostgreSQL]:
    """A PostgreSQL server, one for each process of the tests that asks for it (two seconds)."""
    with databases.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[databases.Redis]:
    """A Redis server, in the same way."""
    with databases.redis() as server:
        yield server


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conf:
    """Settings of an installation that is used in this very process, without a spawner."""
    base: Conf = settings.HIVE
    made = replace(
        base,
        workspace=tmp_path / "workspace",
        log_dir=tmp_path / "log",
        state_dir=tmp_path / "state",
        socket=tmp_path / "state" / "hive.sock",
        token=TOKEN,
        profiles={**base.profiles, "claude-flow": replace(base.profile(""), argv=tuple(SAMPLE))},
        autospawn=False,
    )
    monkeypatch.setattr(settings, "HIVE", made)
    workspace.initialise(made)
    return made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order in which workers are given the files: long ones first, and a mixture of them.

    The directories take turns, so that those with browsers, which need the processor, run beside
    those that mostly wait. The files of unit tests are short: they come last, so that no worker
    is left alone with a long one.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted({item.path for item in items}):
        files.setdefault(path.parent.name, []).append(path)
    turn = {
        path: (name == "unit", (number + 0.5) / len(paths), path)
        for name, paths in files.items()
        for number, path in enumerate(paths)
    }
    items.sort(key=lambda item: turn[item.path])


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--run-long``: the full-length runs (make test-long)."""
    parser.addoption("--run-long", action="store_true", help="full-length chaos and scale runs")
    parser.addoption("--soak", type=float, default=20.0, help="minutes of tests/cluster/test_soak")
    parser.addoption("--rounds", type=int, help="how many rounds a chaos test runs")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How many rounds a chaos test runs: 10, or 100 with ``--run-long``; ``--rounds`` says else."""
    given: int | None = request.config.getoption("--rounds")
    return given or (100 if request.config.getoption("--run-long") else 10)


_TOLD = "told"


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say something that the end of the test run repeats, whether or not the test passes."""
    return lambda text: record_property(_TOLD, text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many rounds ran, and the figures that were measured on the way."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call"
    ]
    told = [(r.nodeid, text) for r in reports for key, text in r.user_properties if key == _TOLD]
    if told:
        terminalreporter.section("rounds and figures")
        for nodeid, text in told:
            terminalreporter.line(f"{nodeid.rpartition('::')[2]}: {text}")
