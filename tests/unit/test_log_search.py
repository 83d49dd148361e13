"""Searching logs: what bytes.find finds, over any borders; never what is masked."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app import log_finder
from sessions_app.masking import Mask
from tests.support import ROOT

SECRET = "hunter2-correct-horse"


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Borders everywhere."""
    monkeypatch.setattr(log_finder, "BLOCK", 7)


def search(data: bytes, text: str, **wish: Any) -> dict[str, Any]:
    """Search bytes."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return search_in(file.fileno(), text, **wish)


def search_in(fd: int, text: str, **wish: Any) -> dict[str, Any]:
    """Search a file."""
    asked: dict[str, Any] = {
        "begin": None,
        "forward": True,
        "limit": 10_000,
        "ignore_case": False,
        "count": False,
        "seconds": 60.0,
        "mask": Mask([SECRET.encode()]),
        **wish,
    }
    return log_finder.search(fd, text=text, **asked)


def offsets(found: dict[str, Any]) -> list[int]:
    """Where the hits are."""
    return [hit["offset"] for hit in found["hits"]]


def starts(data: bytes, *forms: bytes) -> Iterator[int]:
    """All places at which one of these begins."""
    for at in range(len(data)):
        if any(data.startswith(form, at) for form in forms):
            yield at


TRICKY = st.text(alphabet='ab"\\é🐝A\n.*[', max_size=60)


@given(TRICKY, st.text(alphabet='ab"\\éA.*[', min_size=1, max_size=4), st.integers(0, 80))
@settings(max_examples=300, deadline=None)
def test_hits_are_those_of_the_bytes(log: str, text: str, begin: int) -> None:
    data = log.encode()
    forms = log_finder.spellings(text, False)
    assert text.encode() in forms
    expected = list(starts(data, *forms))
    assert offsets(search(data, text)) == expected
    assert offsets(search(data, text, begin=begin)) == [at for at in expected if at >= begin]
    back = search(data, text, begin=begin, forward=False)
    assert offsets(back) == [at for at in reversed(expected) if at < begin]
    assert search(data, text, count=True, limit=1)["count"] == len(expected)
    folded = list(starts(data.lower(), *log_finder.spellings(text, True)))
    assert offsets(search(data, text, ignore_case=True)) == folded


@given(TRICKY, st.booleans(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_page_by_page_all_are_found_once(log: str, forward: bool, limit: int) -> None:
    data, found, begin = log.encode(), [], None
    for _ in range(200):
        page = search(data, "a", forward=forward, limit=limit, begin=begin)
        found += offsets(page)
        begin = page["next"]
        if begin is None:
            break
    assert sorted(found) == list(starts(data, b"a"))
    assert len(found) == len(set(found))


def test_a_hit_is_told_with_its_line() -> None:
    found = search(b"one\n\x1b[31mtwo\x1b[0m words, more\nthree", "words")
    (hit,) = found["hits"]
    assert hit == {"offset": 17, "length": 5, "before": "two ", "match": "words", "after": ", more"}
    assert (found["next"], found["complete"], found["size"]) == (None, True, 34)


@pytest.mark.parametrize("text", [SECRET, SECRET[:3], SECRET[-4:], "=" + SECRET[0], SECRET + "!"])
def test_what_is_masked_is_not_found(text: str) -> None:
    data = f"password={SECRET}!\n".encode() * 300
    for forward in (True, False):
        found = search(data, text, forward=forward, count=True)
        assert (found["hits"], found["next"], found["complete"]) == ([], None, True)
    assert search(data, text, count=True)["count"] == 0
    assert len(search(data, "password", limit=1000)["hits"]) == 300


def test_a_secret_that_is_just_being_written_is_not_found() -> None:
    assert search(f"x={SECRET[:9]}".encode(), SECRET[:6])["hits"] == []


def test_text_around_a_hit_is_masked() -> None:
    (hit,) = search(f"login {SECRET} done\n".encode(), "login")["hits"]
    assert hit["after"] == f" {'*' * len(SECRET)} done"


def test_asterisks_do_not_find_what_they_cover() -> None:
    assert search(f"a {SECRET} b *** c".encode(), "***")["hits"][0]["offset"] == 26


def test_holes_are_passed_over_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_finder, "BLOCK", 4096)
    far = 64 * 1024 * 1024 * 1024
    with tempfile.TemporaryFile() as file:
        file.write(b"needle\n")
        file.seek(far)
        file.write(b"another needle\n")
        file.flush()
        assert offsets(search_in(file.fileno(), "needle")) == [0, far + 8]
        assert offsets(search_in(file.fileno(), "needle", forward=False)) == [far + 8, 0]


@pytest.mark.parametrize("forward", [True, False])
def test_a_search_without_time_says_how_far_it_got(forward: bool) -> None:
    found = search(b"a" * 100, "a", forward=forward, seconds=-1.0)
    assert (found["hits"], found["complete"]) == ([], False)
    assert found["next"] == (0 if forward else 100)


def test_the_process_is_small_and_asks_nobody(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a needle\n")
    wish = {"text": "needle", "begin": None, "forward": True, "limit": 3, "ignore_case": False}
    asked = {**wish, "count": True, "seconds": 5.0, "secrets": [b"secret".hex()]}
    with log.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", log_finder.BOOT, str(ROOT), str(file.fileno())],
            input=json.dumps(asked).encode(),
            capture_output=True,
            pass_fds=[file.fileno()],
            check=False,
            timeout=30,
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["count"] == 1
