"""The Rust client, built by Debian's rustc: over HTTP through restarts, and over docker exec."""

import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.container import SHIMS
from tests.integration.acting import acting
from tests.integration.cargo import CRATE, Cargo, tool
from tests.integration.cutting import Cutting
from tests.support import ROOT, SCRIPT, Installation, Server, eventually

DOCUMENTS = ("docs/rust.md", "README.md")
#: In the place of the crate that asynchronous programs have: the one function that is called.
TOKIO = """
mod tokio {
    pub mod task {
        pub async fn spawn_blocking<F, R>(work: F) -> Result<R, std::io::Error>
        where
            F: FnOnce() -> R + Send + 'static,
            R: Send + 'static,
        {
            Ok(work())
        }
    }
}
"""


@pytest.fixture(scope="module")
def cargo(tmp_path_factory: pytest.TempPathFactory) -> Cargo:
    """Cargo with the crate's tests and example compiled."""
    made = Cargo(tmp_path_factory.mktemp("rust"))
    made.run("test", "--locked", "--no-run")
    return made


class Followed:
    """The example at work: a session that it started, and the log as it prints it."""

    def __init__(self, cargo: Cargo, base: Path, env: dict[str, str], *words: str) -> None:
        self.path = base / "followed.log"
        self._said = base / "followed.err"
        with self.path.open("wb") as log, self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [cargo.target / "debug" / "examples" / "run_task", *words],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=said,
            )

    @property
    def log(self) -> bytes:
        """What it has printed of the log."""
        return self.path.read_bytes()

    @property
    def said(self) -> str:
        """What else it says."""
        return self._said.read_text()

    @property
    def session_id(self) -> str:
        """The session's id, once it has one."""
        found = eventually(lambda: re.match(r"session (\S{36})\n", self.said), "a session")
        return found[1]

    def end(self) -> int:
        """Wait for its end; returns the exit code."""
        return self.process.wait(timeout=60)


@pytest.fixture
def followed() -> Iterator[list[Followed]]:
    """Examples that a test started, ended with it."""
    started: list[Followed] = []
    yield started
    for one in started:
        one.process.kill()
        one.process.wait()


def grows(file: Path) -> None:
    """Wait until there is more in a file than now."""
    size = file.stat().st_size
    eventually(lambda: file.stat().st_size > size, f"more in {file.name}")


def over_http(site: Installation, server: Server, **more: str) -> dict[str, str]:
    """The example's environment for a server."""
    token = {name: site.env[name] for name in ("HIVE_TOKEN",) if name in site.env}
    return {"PATH": site.env["PATH"], "HIVE_URL": server.url, **token, **more}


def test_its_own_tests_pass_and_nothing_is_written_into_the_repository(cargo: Cargo) -> None:
    printed = cargo.run("test", "--locked")
    results = re.findall(r"test result: ok\. (\d+) passed; 0 failed; 0 ignored", printed)
    assert int(results[0]) > 60, printed
    assert int(results[-1]) > 0, printed  # the documentation's own
    assert sorted(CRATE.rglob("*")) == cargo.sources


def test_it_needs_nothing_but_the_standard_library_of_debians_rust() -> None:
    assert (CRATE / "Cargo.lock").read_text().count("[[package]]") == 1
    version = re.search(r'^rust-version = "(.+)"$', (CRATE / "Cargo.toml").read_text(), re.M)
    assert version
    assert version[1] == "1.63"


def test_it_is_formatted() -> None:
    sources = sorted(CRATE.glob("examples/*.rs"))
    words = [tool("rustfmt"), "--edition", "2021", "--check", "src/lib.rs", *map(str, sources)]
    done = subprocess.run(words, cwd=CRATE, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_what_the_documentation_shows_compiles(cargo: Cargo, tmp_path: Path) -> None:
    blocks = [
        block
        for name in DOCUMENTS
        for block in re.findall(r"^```rust\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S)
    ]
    assert len(blocks) >= 6
    # given every block of Rust as a module of one program
    modules = [
        f"mod block{number} {{ #[allow(unused_imports)] use crate::tokio;\n{block}}}\n"
        for number, block in enumerate(blocks)
    ]
    source = tmp_path / "blocks.rs"
    source.write_text("#![allow(dead_code)]\n" + TOKIO + "".join(modules) + "fn main() {}\n")
    # when it is compiled, then the compiler finds nothing wrong
    cargo.check_program(source)


def test_the_example_in_the_documentation_is_the_one_that_is_tested_here() -> None:
    page = (ROOT / "docs" / "rust.md").read_text()
    code = (CRATE / "examples" / "run_task.rs").read_text()
    shown = re.search(r"^(/// Start a session and print.*?)^```$", page, re.M | re.S)
    assert shown
    assert shown[1] in code


def test_a_log_is_followed_through_restarts_of_the_server_byte_for_byte(
    cargo: Cargo, site: Installation, followed: list[Followed], tmp_path: Path
) -> None:
    # given a run that prints until it is told to end, bytes that are no text among it
    enough = tmp_path / "enough"
    ticks = f"until [ -e {enough} ]; do printf 'tick \\351 \\360\\237\\220\\n'; sleep 0.02; done"
    leaves = 'for name in a b; do echo "$name" >"$HIVE_MIND_OUTPUT_DIR/$name ü.md"; done'
    acts = ["fill", "200000", "run", json.dumps(["sh", "-c", f"{ticks}; {leaves}"]), "exit", "0"]
    server = acting(site).up()
    words = ["--save", str(tmp_path / "saved"), "a task with 🐝", *acts]
    client = Followed(cargo, tmp_path, over_http(site, server), *words)
    followed.append(client)
    log = site.log(client.session_id)
    # when the server is killed in the middle of it, and comes back while the run goes on
    grows(client.path)
    server.kill()
    first = len(client.log)
    grows(log)
    server = site.up()
    # and once more, ended as an upgrade does it
    grows(client.path)
    server.stop()
    second = len(client.log)
    grows(log)
    server = site.up()
    grows(client.path)
    enough.touch()

    # then the client has all of the log, each byte once, and what the run has made
    assert client.end() == 0, client.said
    assert client.log == log.read_bytes()
    assert 0 < first < second < len(client.log)
    assert b"tick \xe9 \xf0\x9f\x90\n" in client.log
    assert "\ncompleted\n" in client.said
    made = site.output_dir(client.session_id)
    files = {path.relative_to(made): path.read_bytes() for path in made.rglob("*.md")}
    saved = tmp_path / "saved"
    assert len(files) == 2
    assert {p.relative_to(saved): p.read_bytes() for p in saved.rglob("*.md")} == files
    status, session = server.request("GET", f"/api/v1/sessions/{client.session_id}")
    assert (status, session["task"], session["args"]) == (200, "a task with 🐝", acts)


def test_a_create_whose_answer_is_lost_makes_one_session(
    cargo: Cargo,
    shared_site: Installation,
    shared_server: Server,
    followed: list[Followed],
    tmp_path: Path,
) -> None:
    # given a connection that breaks when the server has answered the first request
    archive = tmp_path / "all.zip"
    words = ["--save", str(archive), "make it once", "--seconds", "0", "--exit"]
    with Cutting(shared_server.port) as cutting:
        env = over_http(shared_site, shared_server, HIVE_URL=cutting.url)
        client = Followed(cargo, tmp_path, env, *words)
        followed.append(client)
        assert client.end() == 0, client.said
    assert cutting.cut == 1
    # then the next try was answered with the same session
    status, found = shared_server.request("GET", "/api/v1/sessions?q=make%20it%20once")
    assert status == 200
    assert [session["session_id"] for session in found["sessions"]] == [client.session_id]
    assert client.log == shared_site.log(client.session_id).read_bytes()
    # and all that it has made came as one archive
    with zipfile.ZipFile(archive) as opened:
        made = shared_site.output_dir(client.session_id)
        assert sorted(opened.namelist()) == sorted(
            str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()
        )
        assert "hive-summary.md" in opened.namelist()


def test_a_run_that_fails_is_told_with_its_reason(
    cargo: Cargo,
    shared_site: Installation,
    shared_server: Server,
    followed: list[Followed],
    tmp_path: Path,
) -> None:
    env = over_http(shared_site, shared_server)
    client = Followed(cargo, tmp_path, env, "x", "--seconds", "0", "--fail", "3")
    followed.append(client)
    assert client.end() == 1
    assert "\nfailed\n" in client.said
    refused = Followed(cargo, tmp_path, {**env, "HIVE_PROFILE": "none-such"}, "x")
    followed.append(refused)
    assert refused.end() == 2
    assert "refused with 422 invalid: " in refused.said
    assert "none-such" in refused.said


def test_the_same_runs_over_docker_exec(
    cargo: Cargo,
    shared_site: Installation,
    shared_server: Server,
    followed: list[Followed],
    tmp_path: Path,
) -> None:
    # given a `docker` that carries out right here what it is told
    env = {
        **shared_site.env,
        "PATH": f"{SHIMS}:{shared_site.env['PATH']}",
        "HIVE_CONTAINER": "multi-agent-container",
        "HIVE_SESSION_MANAGER": str(SCRIPT),
    }
    task = "--start `a` $(b) \"c\" 'd'\n🐝"
    run = ["--seconds", "1", "--lines", "100", "--binary", "--exit", "--"]
    client = Followed(cargo, tmp_path, env, task, *run)
    followed.append(client)

    # then it is the same session, log and ending
    assert client.end() == 0, client.said
    assert client.log == shared_site.log(client.session_id).read_bytes()
    assert b"\xff\xfe" in client.log
    made = shared_site.output_dir(client.session_id)
    assert client.said.splitlines()[1] == "completed"
    assert f"\noutput in {made}/\n" in client.said
    session = json.loads(shared_site.script("get", client.session_id).stdout)
    assert (session["task"], session["args"]) == (task, run)
