"""The file of samples: bounded, totals kept, and nothing that lies in its place breaks it."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions_app.telemetry import reading, samples
from sessions_app.telemetry.samples import HEAD_SIZE, MAX_POINTS, POINT_SIZE, UNKNOWN, Series
from tests.chaos.support import Filler, Mounts

BEGUN = 1_795_000_000.0
#: Points that are kept at most where many looks would take long.
FEW = 16


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    """File systems of the test's own."""
    made = Mounts()
    yield made
    made.close()


def look(series: Series, seconds: float, **figures: float) -> None:
    """One look at a run, so long after its begin."""
    series.head.at = BEGUN + seconds
    for name, value in figures.items():
        setattr(series.head, name, value)
    series.head.raise_peaks()
    series.add()


def file(run_dir: Path) -> Path:
    """Where the samples lie."""
    return run_dir / samples.NAME


@settings(max_examples=25, deadline=None)
@given(
    grown=st.lists(st.integers(0, 10**6), min_size=1, max_size=60),
    looks=st.integers(1, 4 * FEW),
    restart=st.integers(1, 2 * FEW),
)
def test_it_is_bounded_and_keeps_totals_peaks_and_the_last_value(
    grown: list[int], looks: int, restart: int
) -> None:
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "MAX_POINTS", FEW)
        run_dir = Path(directory)
        series = Series(run_dir, 5.0, BEGUN)
        read = highest = 0
        for number in range(1, looks + 1):
            memory = grown[number % len(grown)]
            read, highest = read + memory, max(highest, memory)
            look(series, 5.0 * number, read=read, cpu=number * 0.5, memory=memory, processes=2)
            if number % restart == 0:  # another spawner goes on
                series = Series(run_dir, 5.0, BEGUN)

        stored = samples.read(run_dir)

        assert stored is not None
        assert file(run_dir).stat().st_size <= HEAD_SIZE + FEW * POINT_SIZE
        assert stored.head.step in (5.0, 10.0, 20.0, 40.0)
        times = [point.at for point in stored.points]
        assert times == sorted(set(times))
        last = stored.points[-1]
        assert (last.at, last.read, last.cpu) == (BEGUN + 5.0 * looks, read, looks * 0.5)
        assert stored.head.peak_memory == highest
        # and a series of few points has the same total in its rates
        shown = reading.series(stored, 7)
        assert len(shown["at"]) <= 7
        spans = [b - a for a, b in zip([BEGUN, *shown["at"]], shown["at"], strict=False)]
        sums = [rate * span for rate, span in zip(shown["read_rate"], spans, strict=True)]
        assert sum(sums) == pytest.approx(read, rel=0.01, abs=1)


def test_points_that_are_merged_keep_the_most_of_what_goes_up_and_down(tmp_path: Path) -> None:
    series = Series(tmp_path, 5.0, BEGUN)
    for number in range(1, MAX_POINTS + 2):
        look(series, 5.0 * number, memory=900 if number == 100 else 10, processes=1)

    stored = samples.read(tmp_path)

    assert stored is not None
    assert stored.head.step == 10.0
    assert len(stored.points) <= MAX_POINTS // 2 + 1
    assert [p.at for p in stored.points if p.memory == 900] == [BEGUN + 500.0]


@pytest.mark.parametrize(
    "damage",
    ["cut in the head", "cut in a point", "bytes in the head", "foreign", "empty", "far too long"],
)
def test_what_is_torn_or_foreign_is_no_trouble(tmp_path: Path, damage: str) -> None:
    series = Series(tmp_path, 5.0, BEGUN)
    for number in range(1, 11):
        look(series, 5.0 * number, memory=number, cpu=float(number))
    whole = file(tmp_path).read_bytes()
    content = {
        "cut in the head": whole[: HEAD_SIZE // 2],
        "cut in a point": whole[: HEAD_SIZE + 3 * POINT_SIZE + 7],
        "bytes in the head": whole[:40] + b"\xff\xff" + whole[42:],
        "foreign": b"SQLite format 3\0" * 100,
        "empty": b"",
        "far too long": whole + b"\xff" * POINT_SIZE * 2 * MAX_POINTS,
    }[damage]
    file(tmp_path).write_bytes(content)

    # it reads as what can be known, and another spawner goes on
    before = samples.read(tmp_path)
    assert (before is None) == (damage not in ("cut in a point", "far too long"))
    series = Series(tmp_path, 5.0, BEGUN)
    for number in range(11, 14):
        look(series, 5.0 * number, memory=number, cpu=float(number))

    stored = samples.read(tmp_path)
    assert stored is not None
    assert stored.head.cpu == 13.0
    assert stored.points[-1].at == BEGUN + 65.0
    assert file(tmp_path).stat().st_size <= HEAD_SIZE + MAX_POINTS * POINT_SIZE
    if damage == "cut in a point":
        assert [p.memory for p in stored.points] == [1, 2, 3, 11, 12, 13]


def test_another_runs_file_is_begun_anew(tmp_path: Path) -> None:
    look(Series(tmp_path, 5.0, BEGUN), 5.0, cpu=100.0)

    series = Series(tmp_path, 5.0, BEGUN + 3600)

    assert series.head.cpu == 0.0
    look(series, 3605.0, cpu=1.0)
    stored = samples.read(tmp_path)
    assert stored is not None
    assert [point.cpu for point in stored.points] == [1.0]


def test_a_full_disk_loses_a_point_and_no_total(tmp_path: Path, mounts: Mounts) -> None:
    run_dir = mounts.tmpfs(tmp_path / "small", 64)
    filler = Filler(run_dir)
    filler.fill()
    series = Series(run_dir, 5.0, BEGUN)
    with pytest.raises(OSError, match="No space left"):
        look(series, 5.0, cpu=1.0, memory=700)

    filler.free()
    look(series, 10.0, cpu=2.0, memory=70)

    stored = samples.read(run_dir)
    assert stored is not None
    assert [(p.cpu, p.memory) for p in stored.points] == [(2.0, 700)]


def test_a_directory_that_has_gone_is_not_made_again(tmp_path: Path) -> None:
    series = Series(tmp_path / "gone", 5.0, BEGUN)

    look(series, 5.0, cpu=1.0)

    assert os.listdir(tmp_path) == []  # noqa: PTH208
    assert series.head.read == UNKNOWN


def test_a_clock_that_was_set_back_does_not_stop_the_series(tmp_path: Path) -> None:
    series = Series(tmp_path, 5.0, BEGUN)
    for seconds in (5.0, 10.0, -3600.0, -3595.0):
        look(series, seconds, read=int(seconds) + 4000)

    stored = samples.read(tmp_path)

    assert stored is not None
    assert len(stored.points) == 4
    assert reading.series(stored, 10)["read_rate"][2] is None
