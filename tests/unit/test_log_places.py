"""Places in a log by byte, line and time, with any index, or none."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app import log_index, log_places
from sessions_app.errors import Invalid
from sessions_app.log_index import Entry, Index
from sessions_app.log_places import Places

START = 1_795_000_000.0
TEXT = st.lists(st.sampled_from([b"a", b"bc\n", b"\n", b"\xc3\xa9", b"long " * 20]), max_size=60)


def begins_of(data: bytes) -> list[int]:
    """Where the lines of a log begin."""
    found = [0, *(at + 1 for at, byte in enumerate(data) if byte == 10)]
    return found[:-1] if len(found) > 1 and found[-1] == len(data) else found


@given(TEXT, st.sets(st.integers(0, 400)), st.integers(0, 500))
@settings(max_examples=150, deadline=None)
def test_places_are_those_of_the_bytes(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], known: set[int], asked: int
) -> None:
    data = b"".join(parts)
    log = tmp_path_factory.mktemp("log") / "log"
    log.write_bytes(data)
    index = Index(
        Entry(at, data.count(b"\n", 0, at), START + at) for at in sorted(known) if at <= len(data)
    )
    places = Places(str(log), index)
    begins = begins_of(data)
    assert places.total() == (len(begins) if data else 0)
    line = min(asked + 1, len(begins))
    place = places.by_line(asked + 1)
    assert (place.offset, place.line) == (begins[line - 1], line)
    place = places.by_offset(asked)
    begin = max(at for at in begins if at <= min(asked, len(data)))
    assert (place.offset, place.line) == (begin, begins.index(begin) + 1)


def test_times_lie_between_those_of_the_index(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"0123456\n" * 100)
    index = Index([Entry(0, 0, START), Entry(400, 50, START + 10), Entry(400, 50, START + 100)])
    places = Places(str(log), index, (START, START + 200))
    assert places.arrived(200) == START + 5
    assert places.arrived(400) == START + 100
    assert places.arrived(600) == START + 150
    assert places.by_time(START + 5).offset == 200
    assert places.by_time(START + 50).line == 51
    assert places.by_time(START - 9).line == 1
    assert places.by_time(START + 999).line == 100
    assert places.marks(200, 600) == [
        (200, START + 5),
        (400, START + 10),
        (400, START + 100),
        (600, START + 150),
    ]


def test_a_log_without_times_has_none_unless_it_was_short(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\n")
    assert Places(str(log), Index(), (START, START + 500)).by_offset(2).at is None
    with pytest.raises(Invalid, match="nobody noted"):
        Places(str(log), Index(), (START, START + 500)).by_time(START)
    assert Places(str(log), Index(), (START, START + 1)).by_offset(2).at == START + 0.5


def test_what_a_limit_removed_is_stepped_over(tmp_path: Path) -> None:
    log = tmp_path / "log"
    hole, end = 64 * 1024, 4 * 1024 * 1024
    with log.open("wb") as file:
        file.write(b"x" * 7 + b"\n")
        file.write(b"1234567\n" * (hole // 8 - 1))
        file.seek(end)
        file.write(b"rest of a line\nnext\n")
    removed_lines = 1000
    index = Index([Entry(hole - 8, hole // 8 - 1, START), Entry(end, hole // 8 + removed_lines, 0)])
    places = Places(str(log), index)
    assert log_places.removed(str(log)) == (hole, end)
    inside = places.by_line(hole // 8 + 500)
    assert (inside.offset, inside.line) == (end, None)
    assert places.by_offset(hole + 5000).offset == end
    assert places.by_offset(end + 3).offset == end
    after = places.by_line(hole // 8 + removed_lines + 2)
    assert (after.offset, after.line) == (end + 15, hole // 8 + removed_lines + 2)


def test_counting_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"line\n" * 200_000)
    monkeypatch.setattr(log_places, "COUNT_SECONDS", -1.0)
    places = Places(str(log), Index())
    assert places.total() is None
    assert places.by_offset(10**6).line is None
    with pytest.raises(Invalid, match="offset"):
        places.by_line(199_000)


@pytest.mark.parametrize("seconds", [60.0, -1.0])
def test_an_index_that_was_built_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(log_places, "COUNT_SECONDS", seconds)
    log = tmp_path / "log"
    log.write_bytes(b"line\n" * 200_000)
    os.utime(log, (START, START))

    class Ended:
        log_file, finished, started_at = str(log), True, None

    asked = 0
    while log_places.of(Ended(), tmp_path).total() != 200_000:  # type: ignore[arg-type]
        asked += 1
    assert asked < 5 if seconds < 0 else asked == 0
    index = log_index.read(tmp_path)
    assert index.last[0] >= 10**6 - log_places._PIECE
    assert index.last[1] == index.last[0] // 5
