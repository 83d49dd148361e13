"""Text out of a log as it is told: short, without control characters and without known secrets."""

import re

from sessions_app import log_tail
from sessions_app.masking import Mask

#: Marks that turn the writing direction or break lines, and what breaks a line or a page.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_CODES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: Escape sequences may take so much more room than what they colour.
_ROOM = 4


def told(text: str, limit: int, mask: Mask, *, lines: bool = False) -> str:
    """At most ``limit`` characters of a text, with secrets covered.

    Secrets are looked for as the text stands and as it is told, since colours can hide one.

    Args:
        text: anything, halves of characters included.
        limit: characters.
        mask: the secrets.
        lines: keep the ends of lines; else all of it becomes one line.
    """
    # So much that no secret is cut that begins within what is told.
    text = text[: limit * _ROOM + mask.reach].encode("utf-8", "replace").decode()
    text = mask.text(text, cut=True)
    if _CODES.search(text):
        text = mask.text(log_tail.plain(text.encode()), cut=True)
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    text = "\n".join(map(_one_line, text.split("\n"))).strip() if lines else _one_line(text)
    return text[:limit]


def text_of(data: bytes, limit: int) -> str:
    """The first ``limit`` bytes as text, without half a character at its end."""
    text = data[:limit].decode("utf-8", "replace")
    return text.rstrip("\ufffd") if len(data) > limit else text


def _one_line(text: str) -> str:
    return " ".join(text.split())


def again(value: object, mask: Mask) -> object:
    """JSON that was told before, with secrets covered that have become known since."""
    if isinstance(value, str):
        return mask.text(value, cut=True)
    if isinstance(value, list):
        return [again(inner, mask) for inner in value]
    if isinstance(value, dict):
        return {key: again(inner, mask) for key, inner in value.items()}
    return value


def drawn(line: bytes) -> bytes:
    """Of a line (without its end) what a terminal shows: what was drawn last, after ``\\r``."""
    return line.rstrip(b"\r").rpartition(b"\r")[2] if b"\r" in line else line
