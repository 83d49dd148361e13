"""Our own log lines: one for a person, or one JSON object each; known secrets covered.

Nothing in a line is for a terminal to obey, and whatever text gets into one, it stays one line
(a readable traceback takes several: all but its first are indented).
"""

import json
import logging
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from hiveweb.env import Env, EnvError
from sessions_app import logs
from sessions_app.masking import Mask

FORMATS = ("readable", "json")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: Control characters and what turns the writing direction; tab and newline stay.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
#: What every record has; the rest was given with ``extra``.
_EVERY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "session", "taskName"}


def config(env: Env) -> dict[str, Any]:
    """Django's LOGGING.

    Raises:
        EnvError: the format or the level is none.
    """
    kind = env.text("HIVE_LOG_FORMAT", FORMATS[0]).lower()
    if kind not in FORMATS:
        raise EnvError(f"HIVE_LOG_FORMAT must be readable or json, not {kind!r}")
    level = env.text("HIVE_LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        raise EnvError(f"HIVE_LOG_LEVEL must be one of {', '.join(LEVELS)}, not {level!r}")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "readable": {
                "()": "hiveweb.logs.LineFormatter",
                "format": "{asctime} {levelname} {name}: {message}",
                "style": "{",
            },
            "json": {"()": "hiveweb.logs.JsonFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": kind}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "sessions_app": {"level": level},
            "hiveweb": {"level": level},
            "django": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},  # a refused request is the caller's news
            "django.security.csrf": {"level": "ERROR"},  # the same: anybody would fill the log
            "daphne": {"level": "WARNING"},
            "uvicorn": {"level": "ERROR"},  # a request that cannot be read is the caller's news
            "channels_redis": {"level": "CRITICAL"},  # sessions_app.relay says it, once
        },
    }


def mask() -> Mask:
    """Covers what is known; nothing while the settings are still being read."""
    known = getattr(settings, "HIVE", None) if settings.configured else None
    return known.secrets.mask() if known is not None else Mask()


def _covered(value: object, cover: Callable[[str], str]) -> object:
    """A value as JSON has it, every text in it covered; what JSON does not know is text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, dict):
        return {cover(str(key)): _covered(item, cover) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_covered(item, cover) for item in value]
    return cover(str(value))


class LineFormatter(logging.Formatter):
    """Log lines for people. Lines after the first are indented: none looks like another."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, with the session that it is about unless it says so itself."""
        line = super().formatMessage(record)
        session = logs.subject_of(record)
        return f"{line} [session {session}]" if session and session not in line else line

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        text = mask().text(super().format(record))
        text = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
        return text.replace("\n", "\n  ")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, session, traceback, and the extras."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as JSON."""
        covered = mask().text
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = {
            "time": at,
            "level": record.levelname,
            "logger": record.name,
            "message": covered(record.getMessage()),
        }
        if session := logs.subject_of(record):
            fields["session"] = session
        if record.exc_info:
            fields["traceback"] = covered(self.formatException(record.exc_info))
        if record.stack_info:
            fields["stack"] = covered(record.stack_info)
        for name, value in vars(record).items():
            if name not in _EVERY and name not in fields:
                fields[name] = _covered(value, covered)
        text = json.dumps(fields, ensure_ascii=False)
        # json has escaped those below space; the others stand in strings only, too
        return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
