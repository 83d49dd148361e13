"""Our own log lines: one line each, in two formats, with the session they are about."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings

from hiveweb import logs as formats
from hiveweb.env import Env, EnvError
from sessions_app import db, logs
from sessions_app.complaints import Complaint
from sessions_app.conf import Conf
from sessions_app.launchers.local import LocalLauncher
from sessions_app.masking import Known
from sessions_app.models import AgentSession
from sessions_app.secret import Secret
from sessions_app.spawner.loop import Spawner
from sessions_app.spawner.supervise import Supervisor

ID = "3f0c1d6e-1111-4222-8333-444455556666"
OTHER = "aaaaaaaa-1111-4222-8333-444455556666"


class Lines:
    """A logger with its own formatter, and what it wrote."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        # Of nobody's: what pytest captures must be text that can be sent to another process.
        self.logger = logging.Logger("test")
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(formatter)
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def json_lines() -> Lines:
    return Lines(formats.JsonFormatter())


@pytest.fixture
def readable() -> Lines:
    return Lines(formats.LineFormatter("{levelname} {name}: {message}", style="{"))


@pytest.fixture
def _spoken_of() -> Iterator[None]:
    with logs.about(ID):
        yield


def test_a_json_line_has_time_level_logger_message_and_extras(json_lines: Lines) -> None:
    json_lines.logger.warning("%d pieces", 3, extra={"pieces": 3, "place": None, "who": UUID(ID)})

    [line] = json_lines.objects
    assert line.pop("time")[10:] > "T"
    assert line == {
        "level": "WARNING",
        "logger": json_lines.logger.name,
        "message": "3 pieces",
        "pieces": 3,
        "place": None,
        "who": ID,
    }


def test_the_time_is_rfc_3339_with_milliseconds() -> None:
    record = logging.makeLogRecord({"msg": "x", "created": 1795726786.1239})
    told = json.loads(formats.JsonFormatter().format(record))
    assert told["time"] == "2026-11-26T20:59:46.123+00:00"


def test_whatever_text_gets_into_it_a_json_line_is_one_line(json_lines: Lines) -> None:
    task = 'a "b"\nERROR forged\r\x1b[2J \x9b31m \u2028 \u202e \\ \ud800 ✓'
    try:
        raise ValueError(task)
    except ValueError:
        json_lines.logger.exception("task %s", task, extra={"task": task})

    assert json_lines.text.count("\n") == 1
    [line] = json_lines.objects
    assert line["message"] == f"task {task}"
    assert line["task"] == task
    assert line["traceback"].startswith("Traceback (most recent call last):\n")
    assert line["traceback"].endswith(f"ValueError: {task}")
    assert not {"\x1b", "\x9b", "\u2028", "\u202e", "\r"} & set(json_lines.text)
    assert "✓" in json_lines.text


def test_a_json_line_has_no_secrets(
    json_lines: Lines, conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = 'quo"ted\\secret-ü'
    monkeypatch.setattr(settings, "HIVE", replace(conf, secrets=Known([Secret(secret)])))
    try:
        raise ValueError(secret)
    except ValueError:
        json_lines.logger.exception("it is %s", secret, extra={"key": secret, "list": [secret]})

    [line] = json_lines.objects
    assert secret not in str(line)
    assert "ted\\" not in json_lines.text
    assert line["message"] == "it is " + "*" * len(secret.encode())


@pytest.mark.usefixtures("_spoken_of")
def test_a_line_names_the_session_of_its_task(json_lines: Lines, readable: Lines) -> None:
    for lines in (json_lines, readable):
        lines.logger.error("something failed")
    assert json_lines.objects[0]["session"] == ID
    assert readable.text == f"ERROR {readable.logger.name}: something failed [session {ID}]\n"


@pytest.mark.usefixtures("_spoken_of")
def test_a_readable_line_says_the_id_once(readable: Lines) -> None:
    readable.logger.error("session %s: something failed", ID)
    assert readable.text == f"ERROR {readable.logger.name}: session {ID}: something failed\n"


@pytest.mark.usefixtures("_spoken_of")
def test_a_readable_traceback_stands_below_the_line_with_the_session(readable: Lines) -> None:
    try:
        raise ValueError("no\nERROR forged")
    except ValueError:
        readable.logger.exception("it failed")
    first, *rest = readable.text.splitlines()
    assert first.endswith(f": it failed [session {ID}]")
    assert all(line.startswith("  ") for line in rest)


@pytest.mark.usefixtures("_spoken_of")
def test_a_line_about_another_session_names_that_one(json_lines: Lines) -> None:
    json_lines.logger.info("session %s: removed", UUID(OTHER))
    json_lines.logger.info("removed", extra={"session": OTHER})
    Complaint(json_lines.logger, f"session {OTHER} cannot be taken further").say(OSError("full"))
    json_lines.logger.info("session %s of many", "x")
    json_lines.logger.info("after session %s", OTHER)

    told = [line["session"] for line in json_lines.objects]
    assert told == [OTHER, OTHER, OTHER, ID, ID]


def test_a_line_about_none_has_none(json_lines: Lines, readable: Lines) -> None:
    for lines in (json_lines, readable):
        lines.logger.info("hello")
    assert "session" not in json_lines.objects[0]
    assert readable.text == f"INFO {readable.logger.name}: hello\n"


async def test_the_threads_of_a_task_know_its_session(json_lines: Lines) -> None:
    with logs.about(ID):
        await db.read(json_lines.logger.info, "from a thread")
    await db.read(json_lines.logger.info, "from another")

    assert [line.get("session") for line in json_lines.objects] == [ID, None]


class _FailsAtFirst(Supervisor):
    """Cannot write at first."""

    tried = False

    async def run(self, *, adopt: bool, row: AgentSession | None = None) -> None:
        if not self.tried:
            self.tried = True
            raise OSError(28, "No space left on device")


async def test_the_lines_of_a_supervisor_name_its_session(conf: Conf) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formats.JsonFormatter())
    logger = logging.getLogger("sessions_app.spawner.loop")
    logger.addHandler(handler)
    try:
        launcher = LocalLauncher(conf.runs_dir)
        spawner = Spawner(conf, launcher)
        sum_up = spawner._sampler.sum_up
        supervisor = _FailsAtFirst(conf, launcher, UUID(ID), spawner.wake, sum_up)
        await asyncio.create_task(spawner._see_through(supervisor, adopt=False, row=None))
    finally:
        logger.removeHandler(handler)

    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["session"] for line in told] == [ID, ID]
    assert "No space left" in told[0]["message"]


@pytest.mark.parametrize(
    ("path", "session_id"),
    [
        (f"/api/v1/sessions/{ID}", ID),
        (f"/api/v1/sessions/{ID}/log", ID),
        (f"/ws/sessions/{ID}", ID),
        (f"/sessions/{ID}/", ID),
        (f"/api/v1/sessions/{ID}x", ""),
        (f"/api/v1/sessions/{ID.upper()}", ""),
        ("/api/v1/sessions", ""),
        (f"/static/{ID}", ""),
    ],
)
def test_a_path_names_its_session(path: str, session_id: str) -> None:
    assert logs.session_in_path(path) == session_id


def test_a_verb_names_its_session() -> None:
    assert logs.session_in_words(["stop", ID]) == ID
    assert logs.session_in_words(["create", f"about {ID}"]) == ""
    assert logs.session_in_words(["update-status", ID, OTHER]) == ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("HIVE_LOG_FORMAT", "xml", "readable or json"), ("HIVE_LOG_LEVEL", "loud", "DEBUG, INFO")],
)
def test_settings_that_mean_nothing_are_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(EnvError, match=f"{name} must be .*{said}"):
        formats.config(Env("/", {"HIVE_ENV_FILE": "/dev/null", name: value}))


def test_the_settings_choose_format_and_level() -> None:
    env = {"HIVE_ENV_FILE": "/dev/null", "HIVE_LOG_FORMAT": "JSON", "HIVE_LOG_LEVEL": "debug"}
    made = formats.config(Env("/", env))
    assert made["handlers"]["stderr"]["formatter"] == "json"
    assert made["loggers"]["sessions_app"] == made["loggers"]["hiveweb"] == {"level": "DEBUG"}
