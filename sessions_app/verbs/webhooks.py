"""The verb webhook: other services that are told of events."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sessions_app import arguments, units
from sessions_app.errors import Invalid
from sessions_app.models import DeliveryState
from sessions_app.validation import shorten
from sessions_app.verb_steps import Pause, Print, Verb, VerbTable, json_object, line, printable
from sessions_app.webhooks import managed, sent, told

#: How long (s) ``test`` waits to hear how it went, and between two looks at what takes time.
PATIENCE, LOOK = 20.0, 0.05
#: So many deliveries are printed.
SHOWN = 100


def _webhook(words: list[str]) -> Verb:
    what, rest = (words[0], words[1:]) if words else ("", [])
    if what not in _PARTS:
        given = f", not {shorten(what, 40)!r}" if words else ""
        raise Invalid(f"webhook takes {', '.join(_PARTS)}{given}; see: hive webhook --help")
    return (yield from _PARTS[what](rest))


def _parsed(
    usage: str, words: list[str], *, flags: tuple[str, ...] = (), valued: tuple[str, ...] = ()
) -> tuple[dict[str, list[str]], list[str]]:
    """Options wherever they stand, each as often as it is given, and the other words."""
    options: dict[str, list[str]] = {}
    others: list[str] = []
    rest = words
    while rest:
        name = rest[0].partition("=")[0]
        if name in flags + valued:
            size = 1 if name in flags or "=" in rest[0] else 2
            given, _ = arguments.split(rest[:size], flags=flags, valued=valued)
            for option, value in given.items():
                options.setdefault(option, []).append(value)
            rest = rest[size:]
            if not given:  # --flag=value
                raise Invalid(f"{usage}: {name} takes no value")
        elif rest[0].startswith("-"):
            raise Invalid(f"{usage}: there is no option {shorten(rest[0], 40)!r}")
        else:
            others.append(rest[0])
            rest = rest[1:]
    return options, others


def _only(usage: str, words: list[str], count: int = 1) -> list[str]:
    arguments.nothing_else(usage, words[count:])
    if len(words) < count:
        raise Invalid(f"{usage}: something is missing")
    return words


def _create(words: list[str]) -> Verb:
    usage = "webhook create URL [--event KIND]... [--owner NAME] [--description TEXT]"
    options, rest = _parsed(usage, words, valued=("--event", "--owner", "--description"))
    [url] = _only(usage, rest)
    kinds = [kind for given in options.get("--event", []) for kind in given.split(",")]
    checked = managed.check_soon(url)
    while not checked.done():  # a name takes its time, and others want this thread
        yield Pause(LOOK)
    row = managed.create(
        checked.result(),
        events=kinds or managed.DEFAULT_EVENTS,
        owner=options.get("--owner", [""])[-1],
        description=options.get("--description", [""])[-1],
    )
    yield Print(json_object(told.with_secret(row)))
    yield line("its secret is shown this once", to_stderr=True)
    return 0


def _list(words: list[str]) -> Verb:
    arguments.nothing_else("webhook list takes none", words)
    yield Print(json_object({"webhooks": [told.webhook(row) for row in managed.listed()]}))
    return 0


def _show(words: list[str]) -> Verb:
    [webhook_id] = _only("webhook show ID", words)
    yield Print(json_object(told.webhook(managed.get(webhook_id))))
    return 0


def _remove(words: list[str]) -> Verb:
    [webhook_id] = _only("webhook remove ID", words)
    managed.remove(webhook_id)
    yield from ()
    return 0


def _switch(word: str) -> Callable[[list[str]], Verb]:
    def switch(words: list[str]) -> Verb:
        [webhook_id] = _only(f"webhook {word} ID", words)
        managed.change(webhook_id, active=word == "on")
        yield from ()
        return 0

    return switch


def _rotate(words: list[str]) -> Verb:
    [webhook_id] = _only("webhook rotate ID", words)
    yield Print(json_object(told.with_secret(managed.rotate(webhook_id))))
    yield line("its secret is shown this once; the old one signs too, for a day", to_stderr=True)
    return 0


def _test(words: list[str]) -> Verb:
    [webhook_id] = _only("webhook test ID", words)
    row = sent.ping(webhook_id)
    for _ in range(round(PATIENCE / LOOK)):
        if row.state != DeliveryState.WAITING:
            break
        yield Pause(LOOK)
        row = sent.delivery(webhook_id, row.id)
    if row.state == DeliveryState.DELIVERED:
        yield line(f"delivered: it answered {row.status} after {row.milliseconds} ms")
        return 0
    if row.state == DeliveryState.FAILED:
        yield line(printable(f"failed: {row.error}"))
        return 1
    yield line("not sent yet; `hive up` sends it, when it runs", to_stderr=True)
    return 75


def _deliveries(words: list[str]) -> Verb:
    usage = "webhook deliveries ID [--failed]"
    options, rest = _parsed(usage, words, flags=("--failed",))
    [webhook_id] = _only(usage, rest)
    state = str(DeliveryState.FAILED) if "--failed" in options else ""
    rows = sent.deliveries(webhook_id, state=state, limit=SHOWN)
    found: list[dict[str, Any]] = [told.delivery(row) for row in reversed(rows)]
    yield Print(json_object({"deliveries": found}))
    return 0


def _replay(words: list[str]) -> Verb:
    usage = "webhook replay ID (DELIVERY | --failed [--since TIME])"
    options, rest = _parsed(usage, words, flags=("--failed",), valued=("--since",))
    if "--failed" not in options:
        webhook_id, delivery_id = _only(usage, rest, 2)
        if "--since" in options:
            raise Invalid(f"{usage}: --since goes with --failed")
        sent.replay(webhook_id, delivery_id)
        yield line("1 delivery waits again")
        return 0
    [webhook_id] = _only(usage, rest)
    since = _since(options["--since"][-1]) if "--since" in options else None
    count = sent.replay_failed(webhook_id, since)
    yield line(f"{count} {'delivery waits' if count == 1 else 'deliveries wait'} again")
    return 0


def _since(text: str) -> datetime:
    """A moment: an age such as ``2h``, or a time with its offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC) - timedelta(seconds=units.seconds(text, "--since"))
    if moment.tzinfo is None:
        raise Invalid("--since takes an age such as 2h, or a time such as 2026-11-22T20:00:00Z")
    return moment


_PARTS: VerbTable = {
    "create": _create,
    "list": _list,
    "show": _show,
    "remove": _remove,
    "on": _switch("on"),
    "off": _switch("off"),
    "rotate": _rotate,
    "test": _test,
    "deliveries": _deliveries,
    "replay": _replay,
}
VERBS: VerbTable = {"webhook": _webhook}
