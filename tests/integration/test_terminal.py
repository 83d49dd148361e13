"""The command line on a real terminal: what a run prints cannot steer it. Pipes get every byte."""

import contextlib
import json
import os
import pty
import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.acting import ACTING
from tests.integration.cli import DROP_IN, MANAGE, Door, serve
from tests.support import Installation, installation

#: A title, a clipboard, a link, a cleared screen, a question, 8-bit and UTF-8 controls, bidi.
EVIL = (
    b"\x1b[32mgreen\x1b[0m \x1b]0;title\x07\x1b]52;c;cm0=\x1b\\\x1b]8;;http://x\x07link\x1b[2J\x1b[6n"
    b"\xc2\x9b2J\x9b2J\x1bP+q\x1b\\ \xe2\x80\xaegnp\x00\x08\x7f 10%\r20%\r\n"
)
SHOWN = "\x1b[32mgreen\x1b[0m link�2J gnp 10%\r20%\r\n".encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a server, whose run prints all that, in a place with an odd name."""
    base = tmp_path_factory.mktemp("terminal")
    (base / "evil").write_bytes(EVIL)
    command = [*ACTING, "run", json.dumps(["cat", str(base / "evil")]), "exit", "0"]
    odd = base / "w\x1b[2J"
    with installation(
        base / "site", HIVE_COMMAND=json.dumps(command), HIVE_WORKSPACE=str(odd)
    ) as made:
        made.workspace = odd
        serve(made)
        yield made


def on_terminal(door: Door, *words: str) -> bytes:
    """What a terminal is sent by a verb; the terminal itself changes nothing."""
    ours, theirs = pty.openpty()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        subprocess.run(["stty", "-F", os.ttyname(theirs), "raw"], check=True)
        process = subprocess.Popen(
            [*door.command, *words], env=door.site.env, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # EIO: everybody has left
            while data := os.read(ours, 65536):
                said += data
        process.wait(timeout=20)
    return said


def lost_directory(site: Installation) -> None:
    """A session's directory without a row, long untouched; its path has the odd name in it."""
    place = site.session_dir("11111111-1111-4111-8111-111111111111")
    place.mkdir(exist_ok=True)
    os.utime(place, (1_700_000_000, 1_700_000_000))


@pytest.mark.parametrize("command", [DROP_IN, MANAGE], ids=["drop-in", "manage"])
def test_a_log_on_a_terminal_has_colours_and_nothing_that_steers_it(
    site: Installation, command: list[str]
) -> None:
    door = Door(site, command)
    session_id = door.create()

    started = on_terminal(door, "start", session_id)
    followed = on_terminal(door, "log", "--follow", session_id)
    piped = door("log", "--follow", session_id).stdout

    assert piped.startswith(EVIL)
    assert piped == site.log(session_id).read_bytes()
    for said in (started, followed):
        assert said.startswith(SHOWN), said
        assert said.endswith(b"\x1b[0m"), said
        assert b"it exited with 0\n" in said


@pytest.mark.parametrize("command", [DROP_IN, MANAGE], ids=["drop-in", "manage"])
def test_no_verb_passes_on_what_a_task_or_a_name_says_to_a_terminal(
    site: Installation, command: list[str]
) -> None:
    door = Door(site, command)
    nasty = "\x1b]0;t\x07\x1b[2J\x9b2J\u202e end"
    session_id = door.create(nasty, "high", json.dumps({"note": nasty}))
    lost_directory(site)

    words_of_both = (
        ["create", nasty],
        ["cleanup", "--dry-run", "--orphans"],
        ["doctor"],
        ["backup", f"/nowhere/{nasty}"],
    )
    words_of_one = (
        ["get", session_id],
        ["list"],
        ["queue"],
        ["log", session_id],
        ["output-dir", session_id],
        ["metrics", session_id],
        ["performance"],
        ["status", nasty],
        ["get", nasty],
        [nasty],
        ["unhold", nasty],
        ["create", "--profile", nasty, "x"],
        ["create", "--nasty", nasty],
        ["import", f"/nowhere{nasty}"],
    )
    for words in (*words_of_both, *(words_of_one if command is DROP_IN else ())):
        said = on_terminal(door, *words).decode()
        assert said, words
        assert "\x1b" not in said, words
        assert not any("\x7f" <= c <= "\x9f" or c == "\u202e" for c in said), words


def test_what_a_cleanup_tells_people_is_spelled_out_everywhere(site: Installation) -> None:
    door = Door(site, DROP_IN)
    lost_directory(site)
    told = door("cleanup", "--dry-run", "--orphans").stderr.decode()
    assert "w\\x1b[2J/.swarm/sessions/11111111" in told
    assert "\x1b" not in told


def test_a_verb_is_exact_where_a_program_reads_it(site: Installation) -> None:
    door = Door(site, DROP_IN)
    nasty = "\x1b]0;t\x07 a task"
    session_id = door.create(nasty)
    assert door("output-dir", session_id).stdout.decode() == f"{site.output_dir(session_id)}/\n"
    assert door.get(session_id)["task"] == nasty
    assert json.loads(door("list").stdout)["sessions"][session_id]["task"] == nasty
