"""All output files as one streamed archive, from the shipped server."""

import contextlib
import http.client
import io
import os
import re
import time
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api_client import API, create, fetch
from tests.support import BEARER, Installation, Server, eventually

MIB = 2**20
SIZE = 96 * MIB


@pytest.fixture
def place(shared_site: Installation, shared_server: Server) -> tuple[str, Path]:
    """The URL of a session's archive, and its output directory."""
    session_id = create(shared_server)["session_id"]
    return f"{API}/sessions/{session_id}/outputs.zip", shared_site.output_dir(session_id)


def test_the_archive_has_what_the_listing_has(
    shared_server: Server, place: tuple[str, Path]
) -> None:
    url, directory = place
    (directory / "sub").mkdir()
    (directory / "sub" / "naïve.txt").write_text("text" * 1000)
    (directory / "page.html").write_text("<script>alert(1)</script>")
    (directory / "link").symlink_to("/etc/passwd")
    reply = fetch(shared_server, "GET", url)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/zip"
    name = f"hive-{directory.name}-outputs.zip"
    assert reply.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"
    made = zipfile.ZipFile(io.BytesIO(reply.body))
    listed = fetch(shared_server, "GET", url.removesuffix(".zip")).json["files"]
    assert [*(file["path"] for file in listed), "LEFT-OUT.txt"] == made.namelist()
    for file in listed:
        assert made.read(file["path"]) == (directory / file["path"]).read_bytes()
    head = fetch(shared_server, "HEAD", url)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == "application/zip"
    assert "content-length" not in head.headers  # it is known once the archive is made


def test_the_dashboard_links_it(shared_server: Server, place: tuple[str, Path]) -> None:
    url, directory = place
    page = fetch(shared_server, "GET", f"/sessions/{directory.name}/").body.decode()
    assert re.search(f'href="{url}" download [^>]*>Download all</a>', page)


def test_there_is_none_of_an_unknown_session(shared_server: Server) -> None:
    for unknown in (str(uuid.uuid4()), "..", "x"):
        fetch(shared_server, "GET", f"{API}/sessions/{unknown}/outputs.zip").problem(
            404, "not_found"
        )


@contextlib.contextmanager
def download(server: Server, url: str) -> Iterator[http.client.HTTPResponse]:
    """The archive, whose body has not been read yet; hung up after the block."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", url, headers=BEARER)
        with connection.getresponse() as answer:
            yield answer


def cpu(server: Server) -> bytes:
    """The processor time the server has used, as text."""
    return b" ".join(
        Path(f"/proc/{server.process.pid}/stat").read_bytes().rpartition(b")")[2].split()[11:13]
    )


def idle(server: Server) -> bool:
    """Whether the server has done nothing for a moment."""
    before = cpu(server)
    time.sleep(0.2)  # the moment
    return cpu(server) == before


def memory(server: Server, what: str) -> int:
    """Bytes of memory: ``VmRSS`` now, ``VmHWM`` at most."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def files_open(server: Server, directory: Path) -> list[str]:
    """The files below a directory that the server has open."""
    found = []
    for fd in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            found.append(str(fd.readlink()))
        except FileNotFoundError:
            continue
    return [path for path in found if path.startswith(str(directory))]


def test_a_reader_that_waits_costs_no_memory_and_one_that_leaves_no_file(
    shared_server: Server, place: tuple[str, Path]
) -> None:
    # given much that cannot be made smaller
    url, directory = place
    block = os.urandom(MIB)
    with (directory / "big").open("wb") as file:
        for _ in range(SIZE // MIB):
            file.write(block)
    before = memory(shared_server, "VmRSS")
    # when a reader does not read
    with download(shared_server, url) as answer:
        eventually(lambda: idle(shared_server), "the server to wait for its reader")
        # then the server has gone on no further than the buffers in between reach
        assert len(files_open(shared_server, directory)) == 1
        assert memory(shared_server, "VmRSS") < before + SIZE // 4
        # and when it reads on, it gets all
        content = answer.read()
    assert memory(shared_server, "VmHWM") < before + SIZE // 4
    assert zipfile.ZipFile(io.BytesIO(content)).read("big") == block * (SIZE // MIB)
    # and when another one leaves in the middle, the file is closed
    with download(shared_server, url) as answer:
        assert answer.read(MIB)
        assert files_open(shared_server, directory)
    eventually(lambda: not files_open(shared_server, directory), "the file to be closed")
