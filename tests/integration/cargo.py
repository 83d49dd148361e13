"""Debian's Rust for tests: the crate of clients/rust, built outside the repository."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

CRATE = ROOT / "clients" / "rust"
#: A build, its tests and all else that is compiled, on a machine that is busy.
BUILD_TIMEOUT = 110


def tool(name: str) -> str:
    """The program of Debian's package, else the first on PATH; the test fails where there is none.

    Newer compilers that a developer has beside them would not notice what Debian's lacks.
    """
    found = f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else shutil.which(name)
    if not found:
        pytest.fail(f"{name} is missing; scripts/install-test-tools.sh installs it")
    return found


class Cargo:
    """Cargo with directories of its own, so that nothing is written into the repository."""

    def __init__(self, base: Path) -> None:
        #: The files of the crate before anything was built.
        self.sources = sorted(CRATE.rglob("*"))
        self.target = base / "target"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "TMPDIR": str(base),
            "CARGO_HOME": str(base / "cargo"),
            "CARGO_TARGET_DIR": str(self.target),
            "CARGO_INCREMENTAL": "0",
            "CARGO_NET_OFFLINE": "true",
            "CARGO_PROFILE_DEV_CODEGEN_UNITS": "16",
            "CARGO_PROFILE_DEV_DEBUG": "0",
            "CARGO_PROFILE_TEST_DEBUG": "0",
            "RUSTC": tool("rustc"),
            "RUSTDOC": tool("rustdoc"),
            "RUSTFLAGS": "-D warnings",
            "RUSTDOCFLAGS": "-D warnings",
        }

    def run(self, *words: str) -> str:
        """Run cargo on the crate; returns what it printed. It must succeed."""
        return self._run(tool("cargo"), *words)

    def check_program(self, source: Path) -> None:
        """Compile a program that uses the crate, which must have been built, as far as errors."""
        (library,) = (self.target / "debug" / "deps").glob("libhiveweb_client-*.rlib")
        self._run(
            tool("rustc"),
            *("--edition", "2021", "--emit", "metadata", "-D", "warnings"),
            *("--extern", f"hiveweb_client={library}", "-o", f"{source}.rmeta", str(source)),
        )

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            words,
            cwd=CRATE,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT,
            check=False,
        )
        printed = done.stdout.decode(errors="replace")
        assert done.returncode == 0, printed
        return printed
