"""Static files that change while a server runs."""

from pathlib import Path

from django.test import RequestFactory
from whitenoise.responders import StaticFile

from hiveweb.static_files import _read


def test_a_file_that_an_upgrade_has_changed_is_sent_whole_and_with_its_true_length(
    tmp_path: Path,
) -> None:
    path = tmp_path / "page.css"
    path.write_bytes(b"a {}\n")
    known = StaticFile(str(path), [("Content-Type", "text/css")])
    path.write_bytes(b"a { color: red }\n")

    response = _read(known, RequestFactory().get("/static/page.css"))

    assert response.content == b"a { color: red }\n"
    assert response["Content-Length"] == "17"
