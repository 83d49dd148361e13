"""Attacks through output files and logs: a run makes its directory whatever it likes.

Each one is refused with 404 (or 403 for what may not be read), and a listing does not show it.
"""

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from sessions_app import outputs
from sessions_app.errors import FileMissing
from tests.integration.api_client import API, create, fetch, raw
from tests.support import BEARER, Installation, Server

SECRET = b"the secret of somebody else"


@contextlib.contextmanager
def over_and_over(*steps: Callable[[], object]) -> Iterator[list[int]]:
    """A thread that takes these steps until the block ends; yields how many rounds it made."""
    done, rounds = threading.Event(), [0]

    def work() -> None:
        while not done.is_set():
            for step in steps:
                step()
            rounds[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield rounds
    finally:
        done.set()
        thread.join()


def swaps(place: Path, *others: Path) -> list[Callable[[], object]]:
    """Steps that put something else at a place again and again, each by one rename."""

    def put(other: Path) -> Callable[[], object]:
        parked = place.with_name(f"{place.name}.parked")

        def step() -> None:
            place.rename(parked)
            other.rename(place)
            place.rename(other)
            parked.rename(place)

        return step

    return [put(other) for other in others]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An output directory with ``dir/file`` in it; beside it a directory with a secret ``file``."""
    (tmp_path / "root" / "dir").mkdir(parents=True)
    (tmp_path / "root" / "dir" / "file").write_bytes(b"public")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(SECRET)
    return tmp_path / "root"


def attack(root: Path) -> list[Path]:
    """What the attacker puts into the places: links to a directory, to a file, to itself."""
    traps = [root / "to-dir", root / "up", root / "magic", root / "file-instead"]
    traps[0].symlink_to(root.parent / "elsewhere")
    traps[1].symlink_to("..")
    traps[2].symlink_to("/proc/self/cwd")
    traps[3].write_text("no directory")
    return traps


def test_a_directory_swapped_while_it_is_opened_leads_nowhere(root: Path) -> None:
    read: set[bytes] = set()
    listed: set[tuple[str, int]] = set()
    with over_and_over(*swaps(root / "dir", *attack(root))) as rounds:
        for _ in range(4000):
            with contextlib.suppress(FileMissing), outputs.open_file(str(root), "dir/file") as file:
                read.add(file.read())
        for _ in range(400):
            listed.update((file.path, file.size) for file in outputs.listing(str(root)).files)
    assert rounds[0] > 100
    assert read == {b"public"}
    assert not any(size == len(SECRET) for _, size in listed), listed
    assert not any(
        part in ("..", "cwd", "elsewhere") for name, _ in listed for part in Path(name).parts
    )


def test_a_file_swapped_while_it_is_opened_leads_nowhere(root: Path) -> None:
    place = root / "dir" / "file"
    link, up, magic, fifo = (root / "dir" / name for name in ("link", "up", "magic", "fifo"))
    link.symlink_to(root.parent / "elsewhere" / "file")
    up.symlink_to("../../elsewhere/file")
    magic.symlink_to("/proc/self/environ")
    os.mkfifo(fifo)
    read = set()
    with over_and_over(*swaps(place, link, up, magic, fifo)) as rounds:
        for _ in range(6000):
            with contextlib.suppress(FileMissing), outputs.open_file(str(root), "dir/file") as file:
                read.add(file.read())
    assert rounds[0] > 100
    assert read == {b"public"}


def test_the_output_directory_itself_swapped_for_a_link_leads_nowhere(root: Path) -> None:
    (root.parent / "elsewhere" / "dir").mkdir()
    (root.parent / "elsewhere" / "dir" / "file").write_bytes(SECRET)
    trap = root.parent / "trap"
    trap.symlink_to(root.parent / "elsewhere")
    read: set[bytes] = set()
    listed: set[tuple[str, int]] = set()
    with over_and_over(*swaps(root, trap)) as rounds:
        for _ in range(4000):
            with contextlib.suppress(FileMissing), outputs.open_file(str(root), "dir/file") as file:
                read.add(file.read())
            listed.update((file.path, file.size) for file in outputs.listing(str(root)).files)
    assert rounds[0] > 100
    assert (read, listed) == ({b"public"}, {("dir/file", 6)})


@pytest.fixture
def place(shared_site: Installation, shared_server: Server) -> tuple[str, Path]:
    """The URL of a session's outputs, and the directory."""
    session_id = create(shared_server)["session_id"]
    return f"{API}/sessions/{session_id}/outputs", shared_site.output_dir(session_id)


def test_nothing_outside_comes_over_http_while_things_are_swapped(
    shared_server: Server, place: tuple[str, Path]
) -> None:
    url, directory = place
    (directory.parent / "elsewhere").mkdir(exist_ok=True)
    (directory.parent / "elsewhere" / "file").write_bytes(SECRET)
    (directory / "dir").mkdir()
    (directory / "dir" / "file").write_bytes(b"public")
    bodies, statuses = set(), set()
    with over_and_over(*swaps(directory / "dir", *attack(directory))) as rounds:
        for _ in range(150):
            reply = fetch(shared_server, "GET", f"{url}/dir/file")
            statuses.add(reply.status)
            bodies.add(reply.body if reply.status == 200 else b"public")
            sizes = {file["size"] for file in fetch(shared_server, "GET", url).json["files"]}
            assert len(SECRET) not in sizes
    assert rounds[0] > 100
    assert bodies == {b"public"}
    assert statuses <= {200, 404}


@pytest.mark.parametrize(
    "path",
    [
        "..%2felsewhere%2ffile",
        "..%252felsewhere%252ffile",
        "%2e%2e%2felsewhere%2ffile",
        "%2E%2E/elsewhere/file",
        "..%5celsewhere%5cfile",
        "..\\elsewhere\\file",
        "dir/..;/..;/elsewhere/file",
        "dir%00/../../elsewhere/file",
        "file%00.txt",
        "%c0%ae%c0%ae/elsewhere/file",
        "..%c0%afelsewhere%c0%affile",
        "%ef%bc%8e%ef%bc%8e/elsewhere/file",
        "//elsewhere/file",
        "/proc/self/environ",
        "%2fproc%2fself%2fenviron",
        "~/elsewhere/file",
        "file:///etc/passwd",
        "dir/%2e",
        "dir%2f%2e%2e%2f%2e%2e%2felsewhere%2ffile",
        "magic",
        "magic/status",
        "descriptor",
        "console",
        "fifo",
        "socket",
        "up/elsewhere/file",
        "loop/loop/file",
        "mail-link",
    ],
)
def test_no_path_leaves_the_directory(
    shared_server: Server, place: tuple[str, Path], path: str
) -> None:
    url, directory = place
    (directory.parent / "elsewhere").mkdir(exist_ok=True)
    (directory.parent / "elsewhere" / "file").write_bytes(SECRET)
    (directory / "dir").mkdir()
    for name, target in {
        "magic": "/proc/self",
        "descriptor": "/proc/self/fd/0",
        "up": "..",
        "loop": ".",
        "mail-link": "/etc/passwd",
    }.items():
        (directory / name).symlink_to(target)
    os.mkfifo(directory / "fifo")
    os.mknod(directory / "console", stat.S_IFCHR | 0o666, os.makedev(5, 1))
    with socket.socket(socket.AF_UNIX) as unix, contextlib.chdir(directory):
        unix.bind("socket")

    headers = {"Host": "127.0.0.1", "Connection": "close", **BEARER}
    lines = [f"GET {url}/{path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    answer = raw(shared_server, "\r\n".join([*lines, "", ""]).encode())

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"404", b"400"), answer
    assert SECRET not in body
    assert b"root:" not in body
    assert fetch(shared_server, "GET", url).json == {"files": [], "truncated": False}


def test_a_hard_link_to_another_users_file_is_not_shown(
    shared_server: Server, place: tuple[str, Path]
) -> None:
    # given a file of another user that got a second name here, as fs.protected_hardlinks forbids
    url, directory = place
    theirs, ours = directory.parent / "theirs", directory / "ours"
    theirs.write_bytes(SECRET)
    os.link(theirs, directory / "linked")
    os.chown(theirs, 4242, 4242)
    # and a file with two names of the directory's owner's own, and another user's that lies here
    ours.write_text("fine")
    os.link(ours, directory / "again")
    (directory / "visitor").write_text("fine")
    os.chown(directory / "visitor", 4242, 4242)

    listed = fetch(shared_server, "GET", url).json["files"]

    assert [file["path"] for file in listed] == ["again", "ours", "visitor"]
    fetch(shared_server, "GET", f"{url}/linked").problem(404, "file_not_found")
    for name in ("again", "ours", "visitor"):
        assert fetch(shared_server, "GET", f"{url}/{name}").body == b"fine"
    theirs.unlink()


@pytest.mark.parametrize(
    "name",
    [
        'x"; filename="evil.html',
        "x\r\nX-Injected: 1\r\n\r\n<script>alert(1)<",
        "x\nSet-Cookie: a=b",
        "<script>alert(1)<",
        "'><img src=x onerror=alert(1)>.html",
        "..%2f..%2fetc%2fpasswd",
        "back\\slash\\..\\x",
        "C:\\x.exe",
        "\x1b]0;title\x07",
        "\u202egpj.exe",
        "semi;colon,comma",
        "%0d%0aX-Injected: 1",
        "🐝.svg",
    ],
)
@pytest.mark.parametrize("directory_too", [False, True])
def test_a_name_is_data_in_the_header_and_the_file_is_inert(
    shared_server: Server, place: tuple[str, Path], name: str, directory_too: bool
) -> None:
    url, directory = place
    within = directory
    if directory_too:
        within /= name
        within.mkdir()
    (within / name).write_text("<script>alert(document.domain)</script>")
    (file,) = fetch(shared_server, "GET", url).json["files"]

    reply = fetch(shared_server, "GET", file["url"])

    assert reply.status == 200
    assert reply.body == b"<script>alert(document.domain)</script>"
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-disposition"].startswith("attachment; filename")
    assert not {"set-cookie", "x-injected"} & set(reply.headers)
    assert not any(c < " " or c > "~" for c in reply.headers["content-disposition"])
    # and: a reader without scripts sees the name, not what it says
    page = fetch(shared_server, "GET", url.removeprefix(API).removesuffix("outputs")).body
    assert quote(name).encode() in page
    assert b"<script>alert(1)<" not in page
    assert b"<img src=x" not in page


@pytest.mark.parametrize("name", ["page.html", "image.svg", "doc.xml", "app.js", "x.pdf", "x.mht"])
@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=0-8"}, {"Accept": "text/html"}])
def test_no_file_is_ever_a_page_of_ours(
    shared_server: Server, place: tuple[str, Path], name: str, asked: dict[str, str]
) -> None:
    url, directory = place
    (directory / name).write_text("<html><script>alert(1)</script>")
    reply = fetch(shared_server, "GET", f"{url}/{name}?format=html&download=false", headers=asked)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize("query", ["", "?tail=5", "?offset=2&limit=9", "?download=true"])
def test_a_log_is_plain_text_whatever_it_says(
    shared_site: Installation, shared_server: Server, query: str
) -> None:
    session_id = create(shared_server)["session_id"]
    shared_site.log(session_id).write_text("<!doctype html><script>alert(1)</script>\n")
    reply = fetch(shared_server, "GET", f"{API}/sessions/{session_id}/log{query}")
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_a_log_that_was_replaced_by_a_link_or_a_pipe_is_not_followed(
    shared_site: Installation, shared_server: Server
) -> None:
    for trap in (lambda p: p.symlink_to("/etc/passwd"), os.mkfifo, Path.mkdir):
        session_id = create(shared_server)["session_id"]
        log = shared_site.log(session_id)
        log.unlink(missing_ok=True)
        trap(log)
        for path in ("log", "log?tail=3"):
            reply = fetch(shared_server, "GET", f"{API}/sessions/{session_id}/{path}")
            assert b"root:" not in reply.body
            assert reply.status in (200, 404), reply
            assert reply.status == 404 or not reply.body, (trap, reply)
        page = fetch(shared_server, "GET", f"/sessions/{session_id}/")
        assert page.status == 200
        assert b"root:" not in page.body
