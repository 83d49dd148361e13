"""Secrets of a profile: runs get them, and nobody else sees them anywhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.acting import ACTING, acting, begin, said
from tests.integration.api_client import API, Stream, fetch
from tests.integration.cli import DROP_IN, MANAGE, Door
from tests.integration.looking import ended, running
from tests.integration.viewers import view
from tests.support import Installation, Server, installation

LITERAL, FILED, MARKED, PASSED = (
    "lit-7d31f0a9c2",
    "fil-93bb1e44d0",
    "mar-5510c7aa1f",
    "pas-0e6ad9b3c8",
)
API_KEY, KEY_IN_FILE, IN_ADDRESS = (
    "sk-ant-api03-abcdef0123",
    "hive-secret-key-" + "k" * 50 + "1",
    "p%40ss-w0rd-1",
)
SECRETS = (LITERAL, FILED, MARKED, PASSED, API_KEY)
NAMES = ("LITERAL", "FILED", "MARKED", "PASSED", "ANTHROPIC_API_KEY")

PROFILES = f"""
[shy]
command = {json.dumps(ACTING)}
failure = ['gave up: .*']
usage_limit = ['quota exceeded']
environment = {{ MARKED = "{MARKED}", PLAIN = "plain-value-1" }}
pass_environment = ["PASSED"]
secret_environment = {{ LITERAL = "{LITERAL}", FILED = {{ file = "PLACE" }} }}
secrets = ["MARKED", "PASSED"]

[heir]
extends = "shy"
environment = {{ LITERAL = "another value" }}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with secrets of every kind."""
    base = tmp_path_factory.mktemp("secrets")
    (base / "filed").write_text(FILED + "\n")
    (base / "profiles.toml").write_text(PROFILES.replace("PLACE", str(base / "filed")))
    (base / "profiles.toml").chmod(0o600)
    settings = {"ANTHROPIC_API_KEY": API_KEY, "PASSED": PASSED}
    settings["HTTPS_PROXY"] = f"http://me:{IN_ADDRESS}@proxy:3128/"
    with installation(base / "site", HIVE_PROFILES=str(base / "profiles.toml"), **settings) as made:
        yield acting(made)


@pytest.fixture(scope="module")
def server(site: Installation) -> Server:
    """Its server."""
    return site.up()


@pytest.fixture(scope="module")
def told(site: Installation, server: Server) -> str:
    """A session whose run prints all of its secrets, long after the log's begin, and fails."""
    acts = ["fill", "131072", *(word for name in NAMES for word in ("env", name)), "env", "PLAIN"]
    acts += ["env", "HTTPS_PROXY", "env", "HIVE_MIND_TOKEN"]
    acts += ["run", json.dumps(["sh", "-c", "echo quota exceeded for $LITERAL"])]
    acts += ["run", json.dumps(["sh", "-c", "echo gave up: $PASSED is no good"])]
    session_id = begin(server, *acts, profile="shy")
    ended(server, session_id)
    server.request("DELETE", f"{API}/holds/shy")
    return session_id


def masked(site: Installation, session_id: str) -> bytes:
    """The log as it is to be shown. On the disk it is as the run wrote it."""
    log = site.log(session_id).read_bytes()
    token = log.partition(b"HIVE_MIND_TOKEN=")[2].partition(b"\n")[0]
    assert token.startswith(b"hiverun_")
    assert all(secret.encode() in log for secret in (*SECRETS, IN_ADDRESS))
    for secret in (*(text.encode() for text in (*SECRETS, IN_ADDRESS)), token):
        log = log.replace(secret, b"*" * len(secret))
    assert b"PLAIN=plain-value-1" in log
    return log


def test_the_api_shows_asterisks_at_every_offset(
    site: Installation, server: Server, told: str
) -> None:
    url, whole = f"{API}/sessions/{told}/log", masked(site, told)

    assert fetch(server, "GET", url).body == whole
    assert fetch(server, "GET", f"{url}?download=true").body == whole
    assert whole.endswith(fetch(server, "GET", f"{url}?tail=7").body)
    at = whole.index(b"LITERAL=*") + 8
    for begin_at, size in ((at, 5), (at + 3, 4), (at - 2, 9), (at + 13, 40)):
        part = fetch(server, "GET", f"{url}?offset={begin_at}&limit={size}")
        assert part.body == whole[begin_at : begin_at + size]
        asked = {"Range": f"bytes={begin_at}-{begin_at + size - 1}"}
        assert fetch(server, "GET", url, headers=asked).body == part.body
    with Stream(server, f"{url}/stream?offset={at + 2}") as stream:
        text = "".join(event.data["text"] for event in stream if event.kind == "log")
    assert text.encode() == whole[at + 2 :]


async def test_pages_show_asterisks(site: Installation, server: Server, told: str) -> None:
    whole = masked(site, told)
    async with view(server, f"/ws/sessions/{told}?offset=0") as viewer:
        frame = await viewer.frame("session")
        assert await viewer.log_of(len(whole)) == whole
    page = fetch(server, "GET", f"/sessions/{told}/").body + json.dumps(frame).encode()
    assert b"LITERAL=**************" in page
    assert b'"line": "gave up: ************** is no good"' in page
    assert not any(secret.encode() in page for secret in (*SECRETS, IN_ADDRESS, "hiverun_"))


@pytest.mark.parametrize("command", [DROP_IN, MANAGE], ids=["drop-in", "manage"])
def test_the_command_line_shows_asterisks(
    site: Installation, server: Server, told: str, command: list[str]
) -> None:
    door = Door(site, command)
    assert door("log", "--follow", told).stdout == masked(site, told)


def test_a_client_that_knows_nothing_learns_the_secrets_from_the_server(
    site: Installation, server: Server, told: str
) -> None:
    env = {k: v for k, v in site.env.items() if k not in ("ANTHROPIC_API_KEY", "PASSED")}
    done = Door(site, DROP_IN)("log", "--follow", told, env={**env, "HIVE_PROFILES": ""})
    assert API_KEY.encode() not in done.stdout
    assert b"ANTHROPIC_API_KEY=*****" in done.stdout


def test_what_is_written_down_about_a_run_has_asterisks(
    site: Installation, server: Server, told: str
) -> None:
    session = ended(server, told)
    assert session["detail"] == "quota exceeded for **************"
    for text in (json.dumps(session), server.output):
        assert not any(secret in text for secret in SECRETS), text
    for verb in ("get", "list", "queue", "doctor"):
        done = Door(site, DROP_IN)(*([verb, told] if verb == "get" else [verb]))
        assert not any(s.encode() in done.stdout + done.stderr for s in SECRETS), verb
    files = [path for path in site.base.rglob("*") if path.is_file()]
    assert len(files) > 10
    holders = {path for path in files if any(s.encode() in path.read_bytes() for s in SECRETS)}
    assert holders == {site.log(told)}


def test_no_argument_of_any_process_is_a_secret(site: Installation, server: Server) -> None:
    session_id = begin(server, "say", "ready", "sleep", "30", profile="shy")
    said(site, session_id, "ready")
    follower = Door(site, MANAGE).begin("log", "--follow", session_id)
    try:
        assert follower.stdout is not None
        assert follower.stdout.readline() == b"ready\n"
        for pid, words in site.processes().items():
            assert not any(secret in words for secret in SECRETS), (pid, words)
        environ = Path(f"/proc/{min(site.processes(session_id))}/environ").read_bytes()
        assert f"FILED={FILED}".encode() in environ.split(b"\0")
    finally:
        follower.kill()
        follower.communicate()
        server.request("POST", f"{API}/sessions/{session_id}/stop?wait=10", {})


async def test_a_secret_that_is_printed_in_pieces_is_not_shown_in_pieces(
    site: Installation, server: Server
) -> None:
    # given a run that writes a secret in two pieces, a second apart
    script = 'printf "key: %s" "${LITERAL%${LITERAL#??????}}"; sleep 1; echo "${LITERAL#??????}"'
    session_id = begin(server, "run", json.dumps(["sh", "-c", script]), "exit", "0", profile="shy")

    # when somebody watches all the time
    async with view(server, f"/ws/sessions/{session_id}?offset=0") as viewer:
        log = await viewer.log_of(30)

    assert log.startswith(b"key: **************\n"), log
    assert LITERAL.encode() in site.log(session_id).read_bytes()


def test_an_heir_may_replace_a_secret_and_a_missing_file_fails_the_launch(
    site: Installation, server: Server
) -> None:
    session_id = begin(server, "env", "LITERAL", "exit", "0", profile="heir")
    ended(server, session_id)
    assert site.log(session_id).read_text() == "LITERAL=another value\n"
    filed = site.base.parent / "filed"
    filed.rename(filed.with_suffix(".away"))
    try:
        session = ended(server, begin(server, "exit", "0", profile="shy"))
        doctor = Door(site, DROP_IN)("doctor", "--json")
    finally:
        filed.with_suffix(".away").rename(filed)
    assert session["reason"] == "launch_failed"
    assert f"the secret file {filed} cannot be read: No such file" in session["detail"]
    assert "secret_missing" in {p["code"] for p in json.loads(doctor.stdout)["problems"]}


def test_a_rotated_secret_is_masked_from_its_first_launch_on(
    site: Installation, server: Server
) -> None:
    filed = site.base.parent / "filed"
    filed.write_text("rotated-" + "0f" * 8)
    try:
        session_id = begin(server, "env", "FILED", "sleep", "20", profile="shy")
        running(server, session_id)
        said(site, session_id, "rotated-")
        shown = fetch(server, "GET", f"{API}/sessions/{session_id}/log").body
    finally:
        filed.write_text(FILED)
        server.request("POST", f"{API}/sessions/{session_id}/stop?wait=10", {})
    assert shown == b"FILED=" + b"*" * 24 + b"\n"


def test_the_doctor_tells_of_profiles_that_everybody_may_read(
    site: Installation, server: Server
) -> None:
    file = Path(site.env["HIVE_PROFILES"])
    file.chmod(0o644)
    done = Door(site, DROP_IN)("doctor", "--json", env={**site.env, "ANTHROPIC_AUTH_TOKEN": "x"})
    file.chmod(0o600)
    found = {p["code"]: p for p in json.loads(done.stdout)["problems"]}
    assert found["profiles_open"]["where"] == str(file)
    assert found["secret_short"]["where"] == "ANTHROPIC_AUTH_TOKEN"
