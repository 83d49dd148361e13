"""The sparse index: any growth of a log gives right lines, and times within its grain."""

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app import log_index
from sessions_app.log_index import Entry, Writer

#: (seconds until the look, bytes written before it, of which each n-th is a line feed, restart).
GROWTH = st.lists(
    st.tuples(st.floats(0.2, 30), st.integers(0, 300_000), st.integers(1, 5_000), st.booleans()),
    max_size=12,
)
START = 1_795_000_000.0


@given(GROWTH)
@settings(max_examples=60, deadline=None)
def test_any_growth_is_indexed_rightly(growth: list[tuple[float, int, int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as base:
        log = Path(base, "log")
        log.touch()
        writer = Writer(base, str(log), START)
        now, data, written = START, b"", [(0, START)]
        for pause, size, every, restart in growth:
            now += pause
            data += bytes(10 if i % every == 0 else 97 for i in range(size))
            log.write_bytes(data)
            os.utime(log, (now, now))
            if size:
                written.append((len(data), now))
            if restart:
                writer = Writer(base, str(log), START)
            assert not writer.look(now)
        index = log_index.read(base)
        for offset, lines in zip(index._offsets, index._lines, strict=True):
            assert lines == data.count(b"\n", 0, offset)
        offsets, times = index.times()
        assert list(times) == sorted(times)
        for offset, at in zip(offsets, times, strict=True):
            earliest = max(when for size, when in written if size <= offset)
            latest = next((when for size, when in written if size > offset), now)
            assert earliest - 2e-3 <= at <= latest + 2e-3, (offset, at, written)


def test_entries_are_a_second_or_64_kb_apart(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    writer = Writer(tmp_path, str(log), START)
    with log.open("ab") as file:
        for step in range(100):  # ten looks a second
            file.write(b"line\n" * 10)
            file.flush()
            now = START + (step + 1) / 10
            os.utime(log, (now, now))
            writer.look(now)
    assert 9 <= len(log_index.read(tmp_path)) <= 12
    with log.open("ab") as file:
        file.write(b"x" * 640_000)
    writer.look(START + 11)
    assert 18 <= len(log_index.read(tmp_path)) <= 23


def test_after_a_silence_it_is_known_when_the_log_was_silent(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    os.utime(log, (START + 1, START + 1))
    writer = Writer(tmp_path, str(log), START)
    for second in range(1, 100):
        writer.look(START + second)
    with log.open("ab") as file:
        file.write(b"after\n")
    os.utime(log, (START + 100, START + 100))
    writer.look(START + 100)
    offsets, times = log_index.read(tmp_path).times()
    assert list(offsets) == [0, 7, 7, 13]
    assert list(times) == [START, START + 1, START + 99, START + 100]


def test_an_index_that_grows_too_long_loses_every_other_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_index, "MAX_ENTRIES", 16)
    log = tmp_path / "log"
    data = b"".join(b"line %d\n" % i for i in range(400_000))
    writer = Writer(tmp_path, str(log), START)
    for part in range(1, 21):
        log.write_bytes(data[: len(data) * part // 20])
        os.utime(log, (START + part, START + part))
        writer.look(START + part)
        assert len(log_index.read(tmp_path)) <= 16
    index = log_index.read(tmp_path)
    assert index.level >= 2
    gaps = [b - a for a, b in zip(index._offsets, index._offsets[1:], strict=False)]
    assert max(gaps) <= 4 * log_index.GRAIN_BYTES << index.level
    for offset, lines in zip(index._offsets, index._lines, strict=True):
        assert lines == data.count(b"\n", 0, offset)


def test_a_log_that_was_emptied_is_indexed_anew(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"line\n" * 50_000)
    writer = Writer(tmp_path, str(log), START)
    writer.look(time.time())
    log.write_bytes(b"\n\n")
    writer.look(time.time() + 5)
    assert log_index.read(tmp_path).last == (2, 2)


@pytest.mark.parametrize("content", [b"", b"hivelog1", b"x" * 100, b"hivelog0" + bytes(40)])
def test_what_is_no_index_reads_as_none_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / log_index.FILE).write_bytes(content)
    assert len(log_index.read(tmp_path)) == 0
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\n")
    Writer(tmp_path, str(log), START).look(time.time())
    assert log_index.read(tmp_path).last == (4, 2)


def test_a_torn_record_is_cut_off(tmp_path: Path) -> None:
    log_index.save(tmp_path, [Entry(0, 0, START), Entry(2, 1, START + 1)])
    with (tmp_path / log_index.FILE).open("ab") as file:
        file.write(b"half a record")
    log = tmp_path / "log"
    log.write_bytes(b"a\nb\n")
    Writer(tmp_path, str(log), START).look(time.time())
    index = log_index.read(tmp_path)
    assert (len(index), index.last) == (3, (4, 2))


def test_a_spawner_that_cannot_write_goes_on_later(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    log = tmp_path / "log"
    log.write_bytes(b"a\n")
    writer = Writer(run_dir, str(log), START)
    with pytest.raises(FileNotFoundError):
        writer.look(START + 1)
    run_dir.mkdir()
    writer.look(START + 5)
    assert log_index.read(run_dir).last == (2, 1)
