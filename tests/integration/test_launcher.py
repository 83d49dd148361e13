"""The local launcher by itself: what runs use, which processes are theirs, what records say."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from sessions_app.launchers import processes
from sessions_app.launchers.base import LaunchSpec, Run, Usage
from sessions_app.launchers.local import LocalLauncher
from tests.support import PATIENCE, eventually

#: Works for a while in a child that it waits for, then sleeps beside a sleeping child.
WORKS = (
    "i=0; (while [ $i -lt 400000 ]; do i=$((i+1)); done); : > worked; sleep 1000 & exec sleep 1000"
)
Start = Callable[..., Awaitable[Run]]


@pytest_asyncio.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[LocalLauncher]:
    """A launcher with records of its own."""
    made = LocalLauncher(tmp_path / "runs")
    yield made
    await made.close()


@pytest_asyncio.fixture
async def start(launcher: LocalLauncher, tmp_path: Path) -> AsyncIterator[Start]:
    """Launches a shell command; what was launched is ended with the test."""
    runs: list[Run] = []

    async def launch(script: str) -> Run:
        session_id = uuid.uuid4()
        log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        env = {"PATH": os.environ["PATH"], processes.SESSION_VARIABLE: str(session_id)}
        argv = ["/bin/sh", "-c", script]
        try:
            run = await launcher.start(
                LaunchSpec(session_id, 1, argv, env, str(tmp_path), log, None)
            )
        finally:
            os.close(log)
        assert run is not None
        runs.append(run)
        return run

    yield launch
    for run in runs:
        assert await run.end_tree(1) == []


async def _until(launcher: LocalLauncher, run: Run, fits: Callable[[Usage], bool]) -> Usage:
    deadline = time.monotonic() + PATIENCE
    while True:
        usage = (await launcher.usage([run])).get(run.session_id)
        if usage is not None and fits(usage):
            return usage
        assert time.monotonic() < deadline, usage
        await asyncio.sleep(0.02)


async def test_usage_is_that_of_the_whole_tree(
    launcher: LocalLauncher, start: Start, tmp_path: Path
) -> None:
    run, other = await start(WORKS), await start("exec sleep 1000")

    used = await _until(
        launcher, run, lambda usage: (tmp_path / "worked").exists() and usage.processes == 2
    )

    # the child that worked has gone; its time is still counted, and sleeping adds none
    idle = await launcher.usage([run, other])
    assert used.cpu_seconds >= 0.05
    assert idle[run.session_id].cpu_seconds == pytest.approx(used.cpu_seconds, abs=0.03)
    assert idle[other.session_id].processes == 1
    assert idle[other.session_id].cpu_seconds < 0.05
    assert 0 < await run.memory() < idle[run.session_id].rss_bytes


async def test_usage_tells_of_a_stopped_tree(launcher: LocalLauncher, start: Start) -> None:
    run = await start("sleep 1000 & exec sleep 1000")
    await _until(launcher, run, lambda usage: usage.processes == 2 and not usage.stopped)

    os.kill(run.pid, signal.SIGSTOP)
    await _until(launcher, run, lambda usage: not usage.stopped)
    os.killpg(run.pid, signal.SIGSTOP)

    await _until(launcher, run, lambda usage: usage.stopped)


async def test_a_run_that_has_gone_uses_nothing(launcher: LocalLauncher, start: Start) -> None:
    run, other = await start("exit 0"), await start("exec sleep 1000")
    await run.tree_ended(PATIENCE)

    assert set(await launcher.usage([run, other])) == {other.session_id}
    assert await run.memory() == 0


@contextlib.contextmanager
def _shell(script: str, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A shell that reads a line before anything else."""
    with subprocess.Popen(
        ["/bin/sh", "-c", f"read _; {script}"], env=env, stdin=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _go_on(process: "subprocess.Popen[bytes]", until: Callable[[bytes], bool]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    environ = Path(f"/proc/{process.pid}/environ")
    eventually(lambda: until(environ.read_bytes()), "its environment to change")


def test_processes_belong_to_the_run_whose_id_they_carry() -> None:
    session, mark = str(uuid.uuid4()), processes.SESSION_VARIABLE
    known = processes.Known()

    def members(*, afresh: bool) -> set[int]:
        return known.snapshot(afresh=afresh).members(session, -1, -1, -1, set())

    with _shell("exec env -i /bin/sleep 1000", **{mark: session}) as process:
        eventually(lambda: members(afresh=False), "the process to carry the id")
        _go_on(process, lambda environ: mark.encode() not in environ)

        assert members(afresh=False) == members(afresh=True) == {process.pid}
    assert members(afresh=False) == set()


def test_a_stop_looks_again_where_nothing_was_found_before() -> None:
    session, mark = str(uuid.uuid4()), processes.SESSION_VARIABLE
    known = processes.Known(settled=0)
    with _shell(f"exec env {mark}={session} /bin/sleep 1000") as process:
        eventually(lambda: process.pid in known.snapshot(afresh=True).by_pid, "the process")
        _go_on(process, lambda environ: session.encode() in environ)

        assert known.snapshot(afresh=False).members(session, -1, -1, -1, set()) == set()
        assert known.snapshot(afresh=True).members(session, -1, -1, -1, set()) == {process.pid}


async def test_a_record_of_another_version_is_adopted(
    launcher: LocalLauncher, start: Start, tmp_path: Path
) -> None:
    run = await start("exec sleep 1000")
    path = tmp_path / "runs" / str(run.session_id) / "launch-1"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "of_a_newer_version": 1, "at": "yesterday"})
    )

    found = await launcher.find(run.session_id, 1)

    assert found is not None
    assert (await launcher.usage([found]))[run.session_id].processes == 1


def test_what_descends_from_our_processes_is_no_part_of_a_run() -> None:
    """A run called the command line, which hired a spawner, whose sessions then descend from it."""

    def row(pid: int, parent: int, ours: bool = False) -> processes.Process:
        return processes.Process(pid, parent, pid, 1, "S", 0, 0, "", ours)

    recorder, command, child = row(100, 1, ours=True), row(101, 100), row(102, 101)
    forkserver, other, foreign = row(103, 100, ours=True), row(104, 103, ours=True), row(105, 104)
    table = processes.Table([recorder, command, child, forkserver, other, foreign], 0.0)

    assert table.members("", 101, 1, 1, {100}) == {101, 102}
    assert table.members("", 105, 1, 1, {104}) == {105}
