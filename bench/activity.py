"""What it costs to follow a log for a session's activity: ``python -m bench.activity``.

Each figure stands beside a yardstick measured in the same run, so that a busy machine shifts both:
the same file read with ``readline``, and each line of JSON parsed with ``json.loads``.
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiveweb.settings")
django.setup()

from sessions_app.telemetry import activity  # noqa: E402 - Django's settings come first

WORDS = ("the", "worker", "reads", "a", "file", "and", "runs", "its", "tests", "while", "all", "is")
FOLLOWERS = 1000
PERIOD = 5.0


def plain_lines(count: int) -> Iterator[bytes]:
    """A log as claude-flow prints it: colours, now and then an error."""
    chance = random.Random(1)  # noqa: S311 - a made-up log
    for number in range(count):
        words = " ".join(chance.choices(WORDS, k=chance.randrange(4, 14)))
        text = f"error: {words}" if number % 500 == 0 else words
        yield f"\x1b[36m[{number:06d}]\x1b[39m {text}\n".encode()


def json_lines(count: int) -> Iterator[bytes]:
    """A log as claude prints it: an answer with its usage, a call of a tool, what came of it."""
    chance = random.Random(1)  # noqa: S311 - a made-up log
    yield b'{"type":"system","subtype":"init","model":"m","session_id":"s","cwd":"/w"}\n'
    usage = {"input_tokens": 4, "output_tokens": 60, "cache_read_input_tokens": 20_000}
    for number in range(count):
        said = " ".join(chance.choices(WORDS, k=chance.randrange(10, 60)))
        call = f"toolu_{number // 2}"
        if number % 2:
            block = {"type": "tool_result", "tool_use_id": call, "content": said}
            line = {"type": "user", "message": {"role": "user", "content": [block]}}
        else:
            blocks = [{"type": "text", "text": said}]
            tool = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": said}}
            message = {"id": f"msg_{number}", "content": [*blocks, tool], "usage": usage}
            line = {"type": "assistant", "message": message, "session_id": "s"}
        yield json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _yardstick(path: Path) -> float:
    begun = _cpu()
    with path.open("rb") as file:
        while line := file.readline():
            if line.startswith(b"{"):
                json.loads(line)
    return _cpu() - begun


def _followed(directory: Path, path: Path) -> float:
    """Processor seconds to follow all of a log, in as many looks as it takes."""
    lag, activity.LAG = activity.LAG, sys.maxsize  # it may be as far behind as it likes
    follower = activity.Follower(directory, str(path))
    begun, looks, size = _cpu(), 0, path.stat().st_size
    while follower.offset < size:
        looks += 1
        follower.look(looks * PERIOD)
    used = _cpu() - begun
    activity.LAG = lag
    known = activity.read(directory)
    if not known["complete"] or known["bytes"] != size:
        sys.exit(f"not all of {path} was followed: {known}")
    return used


def _measure(directory: Path, name: str, lines: Iterator[bytes]) -> None:
    path = directory / f"{name}.log"
    content = b"".join(lines)
    path.write_bytes(content)
    count, size = content.count(b"\n"), len(content)
    yard = min(_yardstick(path) for _ in range(3))
    used = min(_followed(_made(directory / f"{name}-{i}"), path) for i in range(3))
    print(
        f"{name:12} {size / used / 1e6:8.1f} MB/s {count / used:12,.0f} lines/s "
        f"{used / yard:8.2f} of reading and parsing each line ({count / yard:,.0f} lines/s)"
    )


def _flood(directory: Path) -> None:
    """20,000 lines of JSON a second, for a minute: what a look takes of its period."""
    path, run_dir = directory / "flood.log", _made(directory / "flood")
    block = b"".join(json_lines(int(20_000 * PERIOD)))
    follower, spent, longest = activity.Follower(run_dir, str(path)), [], 0.0
    for look in range(12):
        with path.open("ab") as file:
            file.write(block)
        begun, started = _cpu(), time.monotonic()
        follower.look(look * PERIOD)
        spent.append(_cpu() - begun)
        longest = max(longest, time.monotonic() - started)
    share = sum(spent) / len(spent) / PERIOD
    known = activity.read(run_dir)
    print(
        f"20,000 lines of JSON a second: {share:.2%} of a core, the longest look "
        f"{longest * 1e3:.0f} ms; {known['lines']:,} lines counted, complete: {known['complete']}"
    )


def _many(directory: Path) -> None:
    """A thousand logs: what followers of quiet and of chatty ones take."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    followers = []
    for number in range(FOLLOWERS):
        path = directory / f"many-{number}.log"
        path.write_bytes(b"".join(json_lines(40)))
        followers.append(activity.Follower(_made(directory / f"many-{number}"), str(path)))
    for look in range(8):
        for follower in followers:
            follower.look(look * PERIOD)
    each = (tracemalloc.get_traced_memory()[0] - before) / FOLLOWERS
    tracemalloc.stop()
    begun = _cpu()
    for follower in followers:
        follower.look(8 * PERIOD)
    quiet = (_cpu() - begun) / PERIOD
    for number in range(FOLLOWERS):
        with (directory / f"many-{number}.log").open("ab") as file:
            file.writelines(json_lines(10))
    begun = _cpu()
    for follower in followers:
        follower.look(9 * PERIOD)
    chatty = (_cpu() - begun) / PERIOD
    print(
        f"{FOLLOWERS:,} followers: {each / 1024:.1f} kB each; quiet {quiet:.2%} of a core, "
        f"2 lines of JSON a second each {chatty:.2%}"
    )


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        _measure(directory, "plain", plain_lines(lines))
        _measure(directory, "stream-json", json_lines(lines))
        _flood(directory)
        _many(directory)


if __name__ == "__main__":
    main()
