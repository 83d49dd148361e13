"""A session's timeline: times between events, groups, the bar; and its files as a tree."""

import uuid
from datetime import timedelta
from typing import Any

from sessions_app import presentation
from sessions_app.models import SessionEvent
from sessions_app.outputs import OutputFile
from tests.unit.sessions import NOW

ID = uuid.uuid4()


def events(*kinds: tuple[str, float]) -> list[SessionEvent]:
    """Events by kind, so many seconds after NOW."""
    return [
        SessionEvent(id=n, session_id=ID, kind=kind, at=NOW + timedelta(seconds=at), data={})
        for n, (kind, at) in enumerate(kinds, 1)
    ]


def told(*kinds: tuple[str, float], now: float = 1000, shown: int = 100) -> dict[str, Any]:
    """The timeline of such events."""
    return presentation.timeline(events(*kinds), shown, NOW + timedelta(seconds=now))


def pauses(count: int) -> list[tuple[str, float]]:
    """So many pauses of a second, one after the other, the first after twenty seconds."""
    each = (("paused", 20.0), ("resumed", 21.0))
    return [(kind, at + 2 * n) for n in range(count) for kind, at in each]


LIFE = (
    ("created", 0.0),
    ("starting", 3.0),
    ("claimed", 14.8),
    ("running", 15.0),
    ("paused", 60.0),
    ("resumed", 80.0),
    ("stop_requested", 200.0),
    ("failed", 202.5),
)


def test_the_time_between_is_said_where_it_begins() -> None:
    line = told(*LIFE)

    spans = {item["kind"]: item["span"]["text"] for item in line["items"] if item["span"]}
    assert spans == {
        "created": "was not started for 3.0s",
        "starting": "waited 12s",
        "running": "ran 45s",
        "paused": "paused 20s",
        "resumed": "ran 2m 00s",
        "stop_requested": "took 2.5s to end",
    }
    assert [(one["word"], one["text"], one["open"]) for one in line["totals"]] == [
        ("not started", "3.0s", False),
        ("waiting", "12s", False),
        ("running", "2m 45s", False),
        ("paused", "20s", False),
        ("stopping", "2.5s", False),
    ]


def test_what_lasts_has_its_begin_for_the_pages_clock() -> None:
    line = told(*LIFE[:5], now=100)

    span = line["items"][-1]["span"]
    assert (span["text"], span["took"]) == ("paused for", "40s")
    assert span["from"] == "2026-11-22T21:00:46+00:00"
    assert line["totals"][-1] == {
        "name": "paused",
        "word": "paused",
        "seconds": 40.0,
        "open": True,
        "text": "40s",
    }


def test_moments_are_not_spoken_of_and_a_clock_set_back_makes_no_time_negative() -> None:
    line = told(("created", 0.0), ("starting", 0.01), ("running", -5.0), ("completed", 3.0))

    assert [one["name"] for one in line["totals"]] == ["running"]
    assert [bool(item["span"]) for item in line["items"]] == [False, False, True, False]


def test_many_of_a_kind_are_one_line_with_what_lasts_below_it() -> None:
    running = (("created", 0.0), ("starting", 1.0), ("running", 10.0))

    line = told(*running, *pauses(20), now=100)

    *before, group = line["items"]
    assert [item["kind"] for item in before] == ["created", "starting", "running"]
    assert (group["text"], len(group["more"])) == ("Paused 20 times", 40)
    assert group["span"]["text"] == "running for"
    ended = told(*running, *pauses(20), ("completed", 90.0))["items"]
    assert ended[-2]["span"]["text"] == "ran 31s"
    few = told(*running, *pauses(2))["items"]
    assert [item["more"] for item in few] == [[]] * 7


def test_older_events_count_without_being_shown() -> None:
    line = told(*LIFE, shown=2)

    assert [item["kind"] for item in line["items"]] == ["stop_requested", "failed"]
    assert line["totals"][1]["text"] == "12s"


def test_the_bar_is_full_and_shows_the_shortest() -> None:
    bar = presentation.drawn(told(*LIFE)["bar"])

    assert [part["name"] for part in bar][:3] == ["created", "waiting", "running"]
    assert abs(sum(part["width"] for part in bar) - 1000) < 0.1
    assert min(part["width"] for part in bar) > 3
    assert bar[1]["x"] == bar[0]["width"]
    assert presentation.drawn([]) == []
    assert len(told(*LIFE[:4], *pauses(200))["bar"]) == 4


def test_files_are_a_tree_with_totals() -> None:
    deep = "/".join("abcdefghijk")
    names = ["a b/1.txt", "a b/c/2.txt", "\udcff.bin", deep]
    files = [OutputFile(name, 1000, NOW) for name in names]

    root = presentation.tree(files, "/base/")

    [folder, outer] = root.inner
    assert (root.count, root.bytes) == (4, 4000)
    assert (folder.name, folder.words, folder.open) == ("a b", "2 files, 2.0 kB", True)
    assert folder.inner[0].words == "1 file, 1.0 kB"
    assert folder.inner[0].files[0]["url"] == "/base/a%20b/c/2.txt"
    assert [(file["name"], file["url"]) for file in root.files] == [("\ufffd.bin", "/base/%FF.bin")]
    for _ in range(7):
        [outer] = outer.inner
    assert [file["name"] for file in outer.files] == ["i/j/k"]
    many = [OutputFile(f"d/{n}", 1, NOW) for n in range(41)]
    assert not presentation.tree(many, "/").inner[0].open
