"""Fixtures of faults: mounts that vanish with the test, a command that ends when it is told to."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.support import Mounts, gated_command
from tests.support import Installation

CLONE_NEWNS = 0x0002_0000


@pytest.fixture(scope="session")
def _own_mounts() -> None:
    """The tests get a mount namespace of their own: nothing of it outlives them."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNS) == 0, (
        f"run the tests as root: {os.strerror(ctypes.get_errno())}"
    )
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@pytest.fixture
def mounts(_own_mounts: None) -> Iterator[Mounts]:
    """Small file systems; ask for them before ``site``, so that they go after it."""
    made = Mounts()
    yield made
    made.close()


@pytest.fixture
def gated(site: Installation) -> Installation:
    """``site``, whose command waits for the file its task names and exits with the code in it."""
    site.env["HIVE_COMMAND"] = gated_command()
    return site


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file that ends a session of ``gated``: see :func:`tests.chaos.support.open_gate`."""
    return tmp_path / "gate"
