"""Reading JSON that strangers wrote: numbers, texts and lists, or nothing where they are none."""

import math
from typing import Any

_LARGEST = 2**53
#: Names of a usage's figures: in a message, and in what a result says of each model.
USAGE = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
MODEL_USAGE = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
_SEVERE = frozenset({"error", "fatal", "critical", "panic", "alert", "emergency", "emerg"})


def whole(value: object) -> int | None:
    """A number of things; None for what cannot be one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value) if abs(value) < _LARGEST else None
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST
    return int(value) if known and isinstance(value, int) else None


def money(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e9 and math.isfinite(value) else None


def figures(usage: object, names: tuple[str, ...]) -> list[int] | None:
    """A usage's figures in the order of TOKENS; None when it has none of them."""
    if not isinstance(usage, dict):
        return None
    found = [whole(usage.get(name)) for name in names]
    return [number or 0 for number in found] if any(n is not None for n in found) else None


def of_models(usages: object) -> list[int] | None:
    """The sum over all models that took part, those of helping agents too."""
    if not isinstance(usages, dict):
        return None
    known = [f for usage in list(usages.values())[:100] if (f := figures(usage, MODEL_USAGE))]
    return [sum(column) for column in zip(*known, strict=True)] if known else None


def blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def text_in(value: object) -> str:
    """The text in what may be a text, an object with a message, or a list of blocks of text."""
    if isinstance(value, dict):
        value = value.get("message", value.get("text"))
    if isinstance(value, list):
        texts = [block.get("text") for block in value[:10] if isinstance(block, dict)]
        value = " ".join(text for text in texts if isinstance(text, str))
    return value if isinstance(value, str) else ""


def logged(message: dict[str, Any]) -> str | None:
    """A line of a program that logs in JSON."""
    level = message.get("level", message.get("severity"))
    if not isinstance(level, str) or level.lower() not in _SEVERE:
        return None
    said = (text_in(message.get(name)) for name in ("msg", "message", "error", "event"))
    return next(filter(None, said), level)


def first_text(given: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first of some members that is a text with anything in it."""
    found = (value for name in names if isinstance(value := given.get(name), str))
    return next((value for value in found if value.strip()), "")
