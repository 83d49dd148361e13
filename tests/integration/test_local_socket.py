"""The operator's door: who comes in, and what is taken for a request."""

import asyncio
import grp
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sessions_app import client, doorbell, local_socket
from sessions_app.conf import Conf
from sessions_app.errors import Unavailable
from sessions_app.local_socket import LocalServer
from sessions_app.verb_steps import Exit, Follow, Print
from tests.integration.door import Steps, ask, connect, frames_of, request, serve_verb, serving
from tests.support import TOKEN, Installation, eventually


async def test_a_verb_is_carried_out_and_its_exit_code_comes_last(conf: Conf) -> None:
    async with serving(conf):
        helped = await ask(conf, "status", "--help")
        unknown = await ask(conf, "destroy", "ü\udcff")

    assert helped[0] == (b"a", b"")
    assert helped[1][0] == b"o"
    assert helped[1][1].startswith(b"usage: hive status")
    assert helped[2:] == [(b"x", b"0")]
    assert [kind for kind, _ in unknown] == [b"a", b"e", b"x"]
    assert unknown[-1] == (b"x", b"2")


async def test_words_arrive_as_they_were(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sequence[str]] = []

    def verb(words: Sequence[str]) -> Steps:
        seen.append(words)
        yield Follow("/a b/session.json", "/log\n", True)
        yield Print(b"x" * 200_000)
        yield Exit(7)

    serve_verb(monkeypatch, verb)
    words = ["start", "", "a\nb", "--", "ü\udcff", "x" * 500_000]

    async with serving(conf):
        frames = await ask(conf, *words)
        assert await ask(conf) == frames

    assert seen == [words, []]
    told = [frame for frame in frames if frame[0] in (b"m", b"f")]
    known = conf.secrets.mask().needles  # we are the server's own user
    assert told[:-1] == [(b"m", secret) for secret in (b"", *known)]
    assert told[-1] == (b"f", b"1\0/a b/session.json\0/log\n")
    assert b"".join(payload for kind, payload in frames if kind == b"o") == b"x" * 200_000
    assert max(len(payload) for _, payload in frames) <= local_socket.MAX_FRAME
    assert frames[-1] == (b"x", b"7")


async def test_the_socket_is_for_its_owner_and_goes_with_the_server(
    conf: Conf, tmp_path: Path
) -> None:
    # given a directory that does not exist yet, and a path longer than the kernel's 107 bytes
    conf = replace(conf, socket=tmp_path / ("d" * 120) / "hive.sock")

    # when a server listens there
    async with serving(conf):
        # then it is in a directory for our user only, whatever the umask
        assert stat.S_IMODE(conf.socket.stat().st_mode) == 0o660
        assert stat.S_IMODE(conf.socket.parent.stat().st_mode) == 0o700
        assert (await ask(conf, "--help"))[-1] == (b"x", b"0")
    assert not conf.socket.exists()


async def test_a_dead_servers_socket_is_replaced(conf: Conf) -> None:
    dead = socket.socket(socket.AF_UNIX)
    with doorbell.unix_address(str(conf.socket)) as address:
        dead.bind(address)
    dead.close()

    async with serving(conf):
        assert (await ask(conf, "--help"))[-1] == (b"x", b"0")


async def test_a_living_server_is_not_displaced(conf: Conf) -> None:
    async with serving(conf):
        with pytest.raises(Unavailable, match="another server answers there"):
            await LocalServer(conf).start()
        assert (await ask(conf, "--help"))[-1] == (b"x", b"0")


async def test_a_stopping_server_leaves_its_successors_socket(conf: Conf) -> None:
    old = LocalServer(conf)
    await old.start()
    conf.socket.unlink()
    async with serving(conf):
        await old.stop()
        assert (await ask(conf, "--help"))[-1] == (b"x", b"0")


async def test_a_directory_that_is_a_file_is_said(conf: Conf, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot listen on the local socket"):
        await LocalServer(replace(conf, socket=tmp_path / "file" / "hive.sock")).start()


async def test_what_is_no_complete_request_is_not_carried_out(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried_out: list[Sequence[str]] = []

    def verb(words: Sequence[str]) -> Steps:
        carried_out.append(words)
        yield Exit(0)

    serve_verb(monkeypatch, verb)
    whole = request("create", "a task", "high", "{}")
    async with serving(conf):
        # when a client leaves at any point before the end
        for cut in range(1, len(whole)):
            frames = await frames_of(await connect(conf, whole[:cut]))
            assert (b"a", b"") not in frames
        # or sends something else, or too much
        garbage = await frames_of(await connect(conf, b"GET / HTTP/1.1\r\n\r\n"))
        large = await frames_of(await connect(conf, request("x" * local_socket.MAX_REQUEST)))

    # then nothing has been done, and the last two have been told why
    assert carried_out == []
    assert b"hive-session-manager.sh" in garbage[0][1]
    assert b"larger than 1,048,576 bytes" in large[0][1]
    assert garbage[1] == large[1] == (b"x", b"2")


async def test_a_client_that_sends_nothing_is_let_go(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local_socket, "REQUEST_TIMEOUT", 0.05)
    async with serving(conf):
        reader, writer = await connect(conf)
        writer.write(client.MAGIC)
        assert await reader.read() == b""
        writer.close()
    assert caplog.records == []


async def test_another_user_is_refused(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_socket._Frames, "peer", lambda _: (os.geteuid() + 1, {0}))
    async with serving(conf):
        frames = await ask(conf, "--help")

    assert b"for root and the user" in frames[0][1]
    assert frames[1:] == [(b"x", b"5")]


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that everybody may enter."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


async def as_nobody(socket: Path, *words: str, groups: tuple[int, ...] = ()) -> bytes:
    """What the user nobody (65534), a member of further groups, hears on the socket."""
    code = (
        "import os, socket, sys; os.setgroups([int(g) for g in sys.argv[3].split()]);"
        "os.setgid(65534); os.setuid(65534);"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(bytes.fromhex(sys.argv[2])); s.shutdown(1); print(s.makefile('rb').read())"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [
            *(sys.executable, "-I", "-S", "-c", code, str(socket), request(*words).hex()),
            " ".join(map(str, groups)),
        ],
        capture_output=True,
        timeout=20,
        check=False,
    )
    return done.stdout + done.stderr


async def test_the_kernel_says_who_it_is(conf: Conf, open_directory: Path) -> None:
    # given a socket that everybody may write to
    conf = replace(conf, socket=open_directory / "hive.sock")
    async with serving(conf):
        conf.socket.chmod(0o666)
        # when nobody asks, then the answer is a refusal
        assert b"for root and the user 0 only" in await as_nobody(conf.socket, "--help")


async def test_a_configured_group_comes_in_as_operators(
    site: Installation, open_directory: Path
) -> None:
    # given a server whose socket is for the group games as well
    door, games = open_directory / "door" / "hive.sock", grp.getgrnam("games").gr_gid
    site.up(ready=False, HIVE_SOCKET=str(door), HIVE_SOCKET_GROUP="games")
    await asyncio.to_thread(eventually, door.exists, "the socket")
    info, parent = door.stat(), door.parent.stat()
    assert (stat.S_IMODE(info.st_mode), info.st_gid) == (0o660, games)
    assert (stat.S_IMODE(parent.st_mode), parent.st_gid) == (0o750, games)
    # when others ask, they do not reach it
    assert b"Permission denied" in await as_nobody(door, "--help", groups=(games + 1,))
    # when members ask, they are operators, and no administrators
    assert b'"owner": "local:nobody"' in await as_nobody(door, "create", "t", groups=(1, games))
    assert b"Cleaned up" in await as_nobody(door, "cleanup", groups=(games,))
    # nor are they told the secrets that the server's own user is to mask
    made = await as_nobody(door, "create", "t", groups=(games,))
    found = re.search(rb"[0-9a-f]{8}-[0-9a-f-]{27}", made)
    assert found is not None
    answer = await as_nobody(door, "log", "--follow", found[0].decode(), groups=(games,))
    assert b"session.json" in answer
    assert TOKEN.encode() not in answer
    for words in (("link",), ("token", "create", "--name", "x"), ("user", "list"), ("audit",)):
        answer = await as_nobody(door, *words, groups=(games,))
        assert b"administrator" in answer, answer


def test_the_group_must_not_reach_the_state_directory(site: Installation) -> None:
    for group, said in (("games", b"HIVE_SOCKET"), ("nonesuch", b"there is no group 'nonesuch'")):
        done = site.hive("list", env={**site.env, "HIVE_SOCKET_GROUP": group})
        assert (done.returncode, done.stdout) == (2, b""), done
        assert said in done.stderr
