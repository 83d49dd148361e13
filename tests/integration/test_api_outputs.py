"""The API's output files: all that a run left, and nothing else."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.integration.api_client import API, create, ended, fetch, run
from tests.support import Installation, Server


@pytest.fixture
def place(shared_site: Installation, shared_server: Server) -> tuple[str, Path]:
    """The URL of a session's outputs, and the directory."""
    session_id = create(shared_server)["session_id"]
    return f"{API}/sessions/{session_id}/outputs", shared_site.output_dir(session_id)


def test_what_a_run_leaves_can_be_listed_and_fetched(
    shared_site: Installation, shared_server: Server
) -> None:
    session_id = run(shared_server, "--seconds", "0", "--exit", "--files", "3")["session_id"]
    ended(shared_server, session_id)
    url = f"{API}/sessions/{session_id}/outputs"
    listed = fetch(shared_server, "GET", url).json
    assert listed["truncated"] is False
    directory = shared_site.output_dir(session_id)
    assert [file["path"] for file in listed["files"]] == sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()
    )
    assert len(listed["files"]) >= 3
    for file in listed["files"]:
        content = (directory / file["path"]).read_bytes()
        assert file["size"] == len(content)
        assert file["modified"].endswith("+00:00")
        assert fetch(shared_server, "GET", file["url"]).body == content


def test_a_file_is_a_download_whatever_it_claims_to_be(
    shared_server: Server, place: tuple[str, Path]
) -> None:
    url, directory = place
    (directory / "page.html").write_text("<script>alert(1)</script>")
    reply = fetch(shared_server, "GET", f"{url}/page.html")
    assert reply.body == b"<script>alert(1)</script>"
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"] == 'attachment; filename="page.html"'
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "shown", "disposition"),
    [
        (b"a b%20c?d#e&f", "a b%20c?d#e&f", 'filename="a b%20c?d#e&f"'),
        ("naïve-🐝.txt".encode(), "naïve-🐝.txt", "filename*=utf-8''na%C3%AFve-%F0%9F%90%9D.txt"),
        (b'quo"te\\.txt', 'quo"te\\.txt', 'filename="quo\\"te\\\\.txt"'),
        (b"line\r\nbreak: x", "line\r\nbreak: x", "filename*=utf-8''line%0D%0Abreak%3A%20x"),
        (b"latin-\xe9", "latin-?", 'filename="latin-?"'),
        (b"-rf", "-rf", 'filename="-rf"'),
    ],
)
def test_a_file_of_any_name_can_be_fetched(
    shared_server: Server, place: tuple[str, Path], name: bytes, shown: str, disposition: str
) -> None:
    url, directory = place
    (directory / "sub dir").mkdir()
    Path(os.fsdecode(os.fsencode(directory / "sub dir") + b"/" + name)).write_bytes(name)
    (file,) = fetch(shared_server, "GET", url).json["files"]
    assert file["path"] == f"sub dir/{shown}"
    reply = fetch(shared_server, "GET", file["url"])
    assert (reply.status, reply.body) == (200, name)
    assert reply.headers["content-disposition"] == f"attachment; {disposition}"


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "%2e%2e/secret",
        "sub/../../secret",
        "sub%2f..%2f..%2fsecret",
        "./inside",
        "sub//inside",
        "/etc/passwd",
        "%2fetc/passwd",
        "link",
        "linked-dir/secret",
        "linked-dir",
        "loop",
        "sub",
        "sub/",
        "fifo",
        "socket",
        "inside%00",
        "x" * 300,
        "a/" * 100 + "b",
        "nothing",
    ],
)
def test_nothing_but_regular_files_inside_can_be_fetched(
    shared_server: Server, place: tuple[str, Path], path: str
) -> None:
    url, directory = place
    secret = directory.parent / "secret"
    secret.write_text("secret")
    (directory / "inside").write_text("inside")
    (directory / "sub").mkdir()
    (directory / "sub" / "inside").write_text("inside")
    (directory / "link").symlink_to(secret)
    (directory / "linked-dir").symlink_to(directory.parent)
    (directory / "loop").symlink_to("loop")
    os.mkfifo(directory / "fifo")
    os.mknod(directory / "socket", 0o140600)
    fetch(shared_server, "GET", f"{url}/{path}").problem(404, "file_not_found")
    assert fetch(shared_server, "GET", f"{url}/sub/inside").body == b"inside"
    listed = fetch(shared_server, "GET", url).json
    assert [file["path"] for file in listed["files"]] == ["inside", "sub/inside"]


def test_an_output_directory_that_was_replaced_by_a_link_shows_nothing(
    shared_server: Server, place: tuple[str, Path]
) -> None:
    url, directory = place
    (directory.parent / "secret").write_text("secret")
    directory.rmdir()
    directory.symlink_to(directory.parent)
    assert fetch(shared_server, "GET", url).json == {"files": [], "truncated": False}
    fetch(shared_server, "GET", f"{url}/secret").problem(404, "file_not_found")


def test_a_download_can_be_resumed_as_long_as_the_file_is_the_same(
    shared_server: Server, place: tuple[str, Path]
) -> None:
    url, directory = place
    (directory / "big").write_bytes(bytes(range(256)) * 4000)
    whole = fetch(shared_server, "GET", f"{url}/big")
    assert whole.body == (directory / "big").read_bytes()
    assert whole.headers["accept-ranges"] == "bytes"
    resume = {"Range": "bytes=700000-", "If-Range": whole.headers["etag"]}
    rest = fetch(shared_server, "GET", f"{url}/big", headers=resume)
    assert rest.status == 206
    assert whole.body[:700000] + rest.body == whole.body
    # and: not once it has changed
    (directory / "big").write_bytes(b"another one" * 100_000)
    again = fetch(shared_server, "GET", f"{url}/big", headers=resume)
    assert (again.status, again.body) == (200, b"another one" * 100_000)


def test_a_path_is_data_wherever_it_goes(shared_server: Server, place: tuple[str, Path]) -> None:
    url, _ = place
    path = "<b>\r\nSet-Cookie: x=y"
    problem = fetch(shared_server, "GET", f"{url}/{quote(path)}").problem(404, "file_not_found")
    assert "<b>" in problem["detail"]
