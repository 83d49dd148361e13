"""What a conversation in stream-json says: turns, tokens, cost, what is going on, the result.

The format is that of ``claude -p --output-format stream-json --verbose``: one object a line, by
``type``: system (init has the model), assistant (a part of a message and the usage of all of
it), user (results of tools), rate_limit_event, result. Whatever else a line has is passed over.
"""

from collections import OrderedDict
from typing import Any

from sessions_app.masking import Mask
from sessions_app.telemetry.json_values import (
    USAGE,
    blocks,
    figures,
    first_text,
    logged,
    money,
    of_models,
    text_in,
    whole,
)
from sessions_app.telemetry.told import told

#: Messages whose usage is remembered: a message comes in several lines, and each has the usage
#: of the message so far. Agents that work side by side take turns.
MESSAGES = 32
#: Calls of tools that are waited for.
CALLS = 32
#: Characters that are kept.
DETAIL, NAME, RESULT = 200, 100, 2000
#: In the order of a usage's figures here.
TOKENS = ("input", "output", "cache_read", "cache_write")
#: What other tools are called with.
_DETAILS = ("command", "description", "file_path", "path", "pattern", "query", "url", "prompt")
#: What a tool does, and where its call says with what.
_TOOLS = {
    "Write": ("writes", "file_path"),
    "Edit": ("edits", "file_path"),
    "MultiEdit": ("edits", "file_path"),
    "NotebookEdit": ("edits", "notebook_path"),
    "Read": ("reads", "file_path"),
    "Grep": ("searches for", "pattern"),
    "Glob": ("looks for files", "pattern"),
    "LS": ("lists", "path"),
    "WebFetch": ("fetches", "url"),
    "WebSearch": ("searches the web for", "query"),
}


class Conversation:
    """What is known after some lines. Nothing in a line makes it raise."""

    __slots__ = (
        "_calls",
        "_cost",
        "_cwd",
        "_ended",
        "_id",
        "_now",
        "_seen",
        "_tokens",
        "_turns",
        "_usage_known",
        "last_tool",
        "model",
        "result",
    )

    def __init__(self) -> None:
        self.model: str | None = None
        self.last_tool: dict[str, Any] | None = None
        self.result: dict[str, Any] | None = None
        self._now: str | None = None
        self._id = ""
        self._cwd = ""
        self._ended = False
        self._usage_known = False
        #: Of conversations that are over (by other ids), and of this one.
        self._turns: list[int | None] = [None, None]
        self._cost: list[float | None] = [None, None]
        self._tokens = [[0, 0, 0, 0], [0, 0, 0, 0]]
        self._seen: OrderedDict[str, list[int]] = OrderedDict()
        #: Calls that are not answered yet: in words, and whose they are (an agent's call, or "").
        self._calls: OrderedDict[str, list[str]] = OrderedDict()

    def take(self, message: dict[str, Any], offset: int, mask: Mask) -> str | None:
        """Take a line in.

        Args:
            message: the line's object.
            offset: where the line stands in the log.
            mask: the secrets.

        Returns:
            What it says of an error; None when it tells of none.
        """
        kind = message.get("type")
        if kind == "assistant":
            return self._assistant(message, offset, mask)
        if kind == "user":
            return self._user(message)
        if kind == "result":
            return self._result(message, mask)
        if kind == "system":
            return self._system(message, mask)
        if kind == "rate_limit_event":
            info = message.get("rate_limit_info")
            if isinstance(info, dict) and info.get("status") == "rejected":
                self._now = "waits: the usage limit is reached"
            return None
        if kind == "error":
            return text_in(message.get("error")) or text_in(message.get("message")) or "error"
        return logged(message)

    @property
    def current(self) -> str | None:
        """What is done now, in words."""
        return next(reversed(self._calls.values()))[0] if self._calls else self._now

    @property
    def turns(self) -> int | None:
        """Answers of the model, or, where the result says it, turns as the result counts them."""
        known = [turns for turns in self._turns if turns is not None]
        return sum(known) if known else None

    @property
    def cost(self) -> float | None:
        """In US dollars, as results say."""
        known = [cost for cost in self._cost if cost is not None]
        return round(sum(known), 6) if known else None

    @property
    def tokens(self) -> dict[str, int | None]:
        """By kind (TOKENS)."""
        if not self._usage_known:
            return dict.fromkeys(TOKENS)
        return {
            name: sum(both)
            for name, both in zip(TOKENS, zip(*self._tokens, strict=True), strict=True)
        }

    def _system(self, message: dict[str, Any], mask: Mask) -> str | None:
        subtype = message.get("subtype")
        if subtype == "init":
            self._begins(message)
            self.model = _name(message.get("model"), mask) or self.model
            cwd = message.get("cwd")
            self._cwd = cwd[:4096].rstrip("/") + "/" if isinstance(cwd, str) and cwd else ""
            self._now = "begins"
            self._calls.clear()
        elif subtype == "api_retry":
            self._now = "waits to ask the model again"
            return f"API: {text_in(message.get('error')) or 'no answer'}, tries again"
        return None

    def _begins(self, message: dict[str, Any]) -> None:
        """Another conversation than before: its result counts from nought."""
        session = message.get("session_id")
        session = session[:NAME] if isinstance(session, str) else ""
        if self._ended and session != self._id:
            self._turns = [self.turns, None]
            self._cost = [self.cost, None]
            self._tokens = [[sum(both) for both in zip(*self._tokens, strict=True)], [0, 0, 0, 0]]
            self._ended = False
        self._id = session

    def _assistant(self, message: dict[str, Any], offset: int, mask: Mask) -> str | None:
        inner = message.get("message")
        if not isinstance(inner, dict):
            return None
        name = inner.get("model")
        if isinstance(name, str) and not name.startswith("<") and self.model is None:
            self.model = _name(name, mask)
        new = self._count(inner.get("id"), figures(inner.get("usage"), USAGE))
        parent = message.get("parent_tool_use_id")
        parent = parent[:NAME] if isinstance(parent, str) else ""
        if new:
            self._turns[1] = (self._turns[1] or 0) + (not parent)
            # It has all answers it waited for, even if one was too long to be looked at.
            for key in [key for key, (_, whose) in self._calls.items() if whose == parent]:
                del self._calls[key]
        for block in blocks(inner):
            kind = block.get("type")
            if kind == "tool_use":
                self._call(block, parent, offset, mask)
            elif kind in ("thinking", "redacted_thinking"):
                self._now = "thinks"
            elif kind == "text":
                self._now = "answers"
        if isinstance(message.get("error"), str):
            return text_in(inner.get("content")) or text_in(message["error"])
        return None

    def _count(self, key: object, usage: list[int] | None) -> bool:
        """Count a message's usage once, the largest figures it ever has; whether it is new."""
        if usage is not None:
            self._usage_known = True
        if not isinstance(key, str) or not key:
            self._add(usage or [0, 0, 0, 0])
            return True
        key = key[:NAME]
        before = self._seen.pop(key, None)
        known = before or [0, 0, 0, 0]
        after = [max(pair) for pair in zip(known, usage or known, strict=True)]
        self._add([b - a for a, b in zip(known, after, strict=True)])
        self._seen[key] = after
        if len(self._seen) > MESSAGES:
            self._seen.popitem(last=False)
        return before is None

    def _add(self, figures: list[int]) -> None:
        self._tokens[1] = [sum(pair) for pair in zip(self._tokens[1], figures, strict=True)]

    def _call(self, block: dict[str, Any], parent: str, offset: int, mask: Mask) -> None:
        name = _name(block.get("name"), mask) or "a tool"
        given = block.get("input")
        given = given if isinstance(given, dict) else {}
        verb, key = _TOOLS.get(name, (f"runs {name}:", ""))
        value = given.get(key) if key else first_text(given, _DETAILS)
        detail = value if isinstance(value, str) else ""
        if self._cwd and detail.startswith(self._cwd):
            detail = detail[len(self._cwd) :]
        detail = told(detail, DETAIL, mask)
        self.last_tool = {"name": name, "detail": detail, "offset": offset}
        words = f"{verb} {detail}" if detail else f"runs {name}"
        call = block.get("id")
        if isinstance(call, str) and call:
            self._calls[call[:NAME]] = [words, parent]
            if len(self._calls) > CALLS:
                self._calls.popitem(last=False)
        self._now = words

    def _user(self, message: dict[str, Any]) -> str | None:
        error = None
        inner = message.get("message")
        for block in blocks(inner if isinstance(inner, dict) else {}):
            if block.get("type") != "tool_result":
                continue
            call = block.get("tool_use_id")
            if isinstance(call, str):
                self._calls.pop(call[:NAME], None)
            self._now = "thinks"
            if block.get("is_error") is True:
                error = text_in(block.get("content")) or "a tool failed"
        return error

    def _result(self, message: dict[str, Any], mask: Mask) -> str | None:
        failed = message.get("is_error")
        if not isinstance(failed, bool):
            return None
        turns, milliseconds = whole(message.get("num_turns")), whole(message.get("duration_ms"))
        cost = money(message.get("total_cost_usd"))
        said = message.get("result")
        subtype = message.get("subtype")
        text = said if isinstance(said, str) else subtype if isinstance(subtype, str) else ""
        self.result = {
            "is_error": failed,
            "text": told(text, RESULT, mask, lines=True),
            "turns": turns,
            "duration_ms": milliseconds,
            "cost_usd": cost,
        }
        if turns is not None:
            self._turns[1] = max(turns, self._turns[1] or 0)
        self._cost[1] = self._cost[1] if cost is None else max(cost, self._cost[1] or 0.0)
        for used in figures(message.get("usage"), USAGE), of_models(message.get("modelUsage")):
            if used is not None:
                self._usage_known = True
                self._tokens[1] = [max(pair) for pair in zip(self._tokens[1], used, strict=True)]
        self._calls.clear()
        self._now = "has failed" if failed else "is done"
        self._ended = True
        return (text or "the result is an error") if failed else None

    def state(self) -> dict[str, Any]:
        """All that :meth:`restore` needs, as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state`.

        Raises:
            KeyError, TypeError, ValueError: it is none of this version's.
        """
        for name in self.__slots__:
            value, fresh = state[name], getattr(self, name)
            if fresh is not None and not isinstance(
                value, dict if isinstance(fresh, OrderedDict) else type(fresh)
            ):
                raise TypeError(name)
            setattr(self, name, OrderedDict(value) if isinstance(fresh, OrderedDict) else value)


def _name(value: object, mask: Mask) -> str | None:
    return told(value, NAME, mask) or None if isinstance(value, str) else None
