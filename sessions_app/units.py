"""Durations and sizes as people write them: ``90``, ``15m``, ``2h30m``; ``500MB``, ``2GiB``."""

import math
import re

from sessions_app.errors import Invalid

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "kb": 10**3,
    "m": 10**6,
    "mb": 10**6,
    "g": 10**9,
    "gb": 10**9,
    "t": 10**12,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_PART = r"\d{1,12}(?:\.\d{1,6})?"
_DURATION = re.compile(rf"(?:{_PART}\s*(?:s|min|m|h|d|w)\s*)+\Z", re.ASCII)
_DURATION_PARTS = re.compile(rf"({_PART})\s*(s|min|m|h|d|w)", re.ASCII)
_SIZE = re.compile(rf"({_PART})\s*([a-z]{{0,3}})\Z", re.ASCII)
#: A hundred years, and 8 EiB: what fits into every place that these are stored in.
MAX_SECONDS = 100 * 366 * 86400
MAX_BYTES = 2**63 - 1


def seconds(value: object, what: str) -> float:
    """A duration in seconds: a number, or text such as ``90``, ``45s``, ``15m``, ``1h30m``, ``2d``.

    Raises:
        Invalid: it is none, not positive or too long; the message begins with ``what``.
    """
    number = math.nan
    text = value.strip().lower() if isinstance(value, str) else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    elif re.fullmatch(_PART, text, re.ASCII):
        number = float(text)
    elif _DURATION.match(text):
        number = sum(float(n) * _SECONDS[unit] for n, unit in _DURATION_PARTS.findall(text))
    if not 0 < number <= MAX_SECONDS:
        raise Invalid(f"{what} must be a time such as 90s, 15m, 2h or 1d, not {_short(value)}")
    return number


def size(value: object, what: str) -> int:
    """A number of bytes: a whole number, or text such as ``4096``, ``500MB`` or ``2GiB``.

    Raises:
        Invalid: it is none, not positive or too large; the message begins with ``what``.
    """
    number = 0.0
    text = value.strip().lower() if isinstance(value, str) else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    elif (match := _SIZE.match(text)) and match[2] in _BYTES:
        number = float(match[1]) * _BYTES[match[2]]
    if not 1 <= number <= MAX_BYTES:
        raise Invalid(f"{what} must be a size such as 500MB or 2GiB, not {_short(value)}")
    return int(number)


def duration_words(value: float) -> str:
    """A duration for people: ``12 min``, ``1.5 h``, ``45 s``; exact values stay exact."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if value >= 2 * length or value == length:
            return f"{value / length:.4g} {unit}"
    return f"{value:.4g} s"


def size_words(count: int) -> str:
    """A number of bytes for people: ``812 bytes``, ``1.2 MB`` (decimal units)."""
    if count < 1000:
        return f"{count} byte{'' if count == 1 else 's'}"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
