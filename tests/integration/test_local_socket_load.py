"""The operator's door under load: nobody holds up the others, whatever a verb or client does."""

import asyncio
import logging
import threading
from collections.abc import Sequence

import pytest

from sessions_app import db, local_socket
from sessions_app.conf import Conf
from sessions_app.verb_steps import Exit, Pause, Print
from tests.integration.door import Steps, ask, connect, frames_of, request, serve_verb, serving


async def test_connections_are_bounded(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_socket, "MAX_CONNECTIONS", 2)
    async with serving(conf):
        first, second = await connect(conf), await connect(conf)
        refused = await ask(conf, "--help")
        for _, writer in (first, second):
            writer.write(request("--help"))
            writer.write_eof()
        served = [await frames_of(first), await frames_of(second), await ask(conf, "--help")]

    assert b"try again" in refused[0][1]
    assert refused[-1] == (b"x", b"75")
    assert [frames[-1] for frames in served] == [(b"x", b"0")] * 3


async def test_verbs_that_pause_leave_the_threads_to_others(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a verb that waits until twenty of it are under way: more than there are threads
    under_way = 0

    def verb(_: Sequence[str]) -> Steps:
        nonlocal under_way
        under_way += 1
        while under_way < 20:
            yield Pause(0.01)
        yield Exit(0)

    serve_verb(monkeypatch, verb)

    async with serving(conf):
        answers = await asyncio.gather(*(ask(conf, "stop", "x") for _ in range(20)))

    assert all(frames[-1] == (b"x", b"0") for frames in answers)


async def test_long_verbs_run_one_at_a_time_and_in_slices(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given cleanups of many sessions, more of them than there are threads
    monkeypatch.setattr(db, "SLICE", 0.0)
    running, most, finish = 0, 0, threading.Event()

    def verb(words: Sequence[str]) -> Steps:
        nonlocal running, most
        if words[0] == "cleanup":
            running += 1
            most = max(most, running)
            while not finish.is_set():
                yield Print(b"removed\n", to_stderr=True)
            running -= 1
        yield Exit(0)

    serve_verb(monkeypatch, verb)

    async with serving(conf):
        cleanups = [await connect(conf, request("cleanup")) for _ in range(8)]
        # when others ask meanwhile, then they are answered
        for _ in range(20):
            assert (await ask(conf, "status"))[-1] == (b"x", b"0")
        finish.set()
        answers = [await frames_of(connection) for connection in cleanups]

    assert most == 1
    assert all(frames[-1] == (b"x", b"0") for frames in answers)


async def test_a_verb_whose_client_left_is_closed_on_a_database_thread(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def verb(_: Sequence[str]) -> Steps:
        try:
            while True:
                yield Print(b"x" * 100_000)
        finally:
            loop.call_soon_threadsafe(closed.set_result, threading.current_thread().name)

    serve_verb(monkeypatch, verb)
    async with serving(conf):
        reader, writer = await connect(conf, request("list"))
        await reader.readexactly(1000)
        writer.transport.abort()
        assert (await closed).startswith("hive-db")


async def test_stopping_the_server_ends_what_is_under_way(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, closed = threading.Event(), threading.Event()

    def verb(_: Sequence[str]) -> Steps:
        begun.set()
        try:
            while True:
                yield Pause(60)
        finally:
            closed.set()

    serve_verb(monkeypatch, verb)
    async with serving(conf) as server:
        connection = await connect(conf, request("stop", "x"))
        assert await connection[0].readexactly(5) == b"a\0\0\0\0"
        assert await asyncio.to_thread(begun.wait, 10)
        await server.stop()
        rest = await frames_of(connection)

    assert rest == []  # no exit code: the client goes on without a server
    assert closed.wait(5)
    assert caplog.records == []


async def test_a_verb_that_breaks_is_said_in_a_line(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def verb(_: Sequence[str]) -> Steps:
        yield Print(b"half")
        raise ZeroDivisionError

    serve_verb(monkeypatch, verb)
    with caplog.at_level(logging.ERROR):
        async with serving(conf):
            frames = await ask(conf, "get", "x")

    assert frames[-1] == (b"x", b"1")
    assert b"internal error (ZeroDivisionError)" in frames[-2][1]
    assert "ZeroDivisionError" in caplog.text
