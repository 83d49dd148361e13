"""Verbs about who may come in: user, token, link, audit."""

import json
from typing import Any

from sessions_app import access, accounts, arguments, tokens, trail, units
from sessions_app.callers import Role
from sessions_app.clock import wire_time
from sessions_app.conf import current
from sessions_app.errors import Invalid
from sessions_app.models import ApiToken
from sessions_app.validation import shorten
from sessions_app.verb_steps import (
    Print,
    Verb,
    VerbTable,
    for_terminal,
    json_object,
    line,
    printable,
)

_ROLE_OPTIONS = {"flags": ("--others",), "valued": ("--role",)}


def _sub(verb: str, words: list[str], known: tuple[str, ...]) -> tuple[str, list[str]]:
    """The word after the verb, which says what is to be done.

    Raises:
        Invalid: it is none of those.
    """
    if not words or words[0] not in known:
        given = f", not {shorten(words[0], 40)!r}" if words else ""
        raise Invalid(f"{verb} takes {', '.join(known)}{given}; see: hive {verb} --help")
    return words[0], words[1:]


def _options(
    words: list[str], *, flags: tuple[str, ...] = (), valued: tuple[str, ...] = ()
) -> tuple[dict[str, str], list[str]]:
    """Options before and after the other words.

    Raises:
        Invalid: there is no such option.
    """
    found: dict[str, str] = {}
    others: list[str] = []
    rest = words
    while rest:
        given, rest = arguments.split(rest, flags=flags, valued=valued)
        found.update(given)
        others += rest[:1]
        rest = rest[1:]
    for word in others:
        if word.startswith("-"):
            raise Invalid(f"there is no option {shorten(word, 40)!r} here")
    return found, others


def _name(usage: str, words: list[str]) -> str:
    arguments.nothing_else(usage, words[1:])
    if not words or not words[0]:
        raise Invalid(f"{usage}: the name is missing")
    return words[0]


def _user(words: list[str]) -> Verb:
    what, rest = _sub("user", words, ("create", "list", "role", "disable", "enable"))
    options, rest = _options(rest, **_ROLE_OPTIONS)
    if what == "list":
        arguments.nothing_else("user list takes none", rest)
        yield Print(json_object({"users": [_user_json(user) for user in accounts.listed()]}))
    elif what == "create":
        role = accounts.word_to_role(options.get("--role", Role.OPERATOR))
        user = accounts.create(_name("user create NAME", rest), role, others="--others" in options)
        yield line(f"{user.username} is {role}; to sign in and choose a password, once:")
        yield line(_link_to(access.make_link(user)))
    elif what == "role":
        if "--role" not in options:
            raise Invalid("user role NAME --role viewer|operator|administrator")
        role = accounts.word_to_role(options["--role"])
        accounts.assign(_name("user role NAME", rest), role, others="--others" in options)
    else:
        accounts.set_active(_name(f"user {what} NAME", rest), active=what == "enable")
    return 0


def _user_json(user: Any) -> dict[str, Any]:
    return {
        "name": user.username,
        "role": accounts.role_of(user),
        "others": accounts.manages_others(user),
        "active": user.is_active,
        "last_login": wire_time(user.last_login),
    }


def _token(words: list[str]) -> Verb:
    what, rest = _sub("token", words, ("create", "list", "revoke"))
    if what == "list":
        arguments.nothing_else("token list takes none", rest)
        yield Print(json_object({"tokens": [_token_json(row) for row in tokens.listed()]}))
    elif what == "revoke":
        tokens.revoke(_name("token revoke NAME", rest))
    else:
        yield from _new_token(rest)
    return 0


def _new_token(words: list[str]) -> Verb:
    options, rest = _options(
        words, flags=("--others",), valued=("--name", "--role", "--expires", "--user")
    )
    arguments.nothing_else("token create takes options only", rest)
    if not options.get("--name"):
        raise Invalid("token create needs --name NAME: what or whom it is for")
    expires = options.get("--expires", "")
    row, text = tokens.create(
        options["--name"],
        accounts.word_to_role(options.get("--role", Role.OPERATOR)),
        lasts=units.seconds(expires, "--expires") if expires not in ("", "never") else None,
        others="--others" in options,
        user=accounts.get(options["--user"]) if "--user" in options else None,
    )
    yield line(text)
    until = f"until {wire_time(row.expires)}" if row.expires else "for ever"
    yield line(f"{row.name}: {row.role}, {until}; it is shown this once", to_stderr=True)
    return 0


def _token_json(row: ApiToken) -> dict[str, Any]:
    return {
        "name": row.name,
        "hint": row.hint,
        "role": row.role,
        "others": row.manages_others,
        "user": row.user.username if row.user else None,
        "state": tokens.state(row),
        "created": wire_time(row.created),
        "created_by": row.created_by,
        "expires": wire_time(row.expires),
        "last_used": wire_time(row.last_used),
        "revoked": wire_time(row.revoked),
    }


def _link(words: list[str]) -> Verb:
    options, rest = _options(words, valued=("--user",))
    arguments.nothing_else("link takes --user NAME only", rest)
    user = accounts.get(options["--user"]) if "--user" in options else None
    yield line(_link_to(access.make_link(user)))
    return 0


def _link_to(key: str) -> str:
    return f"{current().link_url}/login?key={key}"


def _audit(words: list[str]) -> Verb:
    options, rest = _options(words, flags=("--json",), valued=("--limit", "--session"))
    arguments.nothing_else("audit takes options only", rest)
    limit = options.get("--limit", "100")
    if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= trail.MAX_PAGE):
        raise Invalid(f"--limit must be a number from 1 to {trail.MAX_PAGE:,}")
    for event in reversed(trail.newest(int(limit), session_id=options.get("--session", ""))):
        if "--json" in options:
            yield Print(for_terminal(json.dumps(event, ensure_ascii=False) + "\n"))
        else:
            yield line(printable(_told(event)))
    return 0


def _told(event: dict[str, Any]) -> str:
    what = " ".join(filter(None, [event["action"], event["session_id"]]))
    facts = ", ".join(f"{name} {value}" for name, value in event["data"].items() if value)
    where = event["address"] or event["via"]
    token = f" (token {event['token']})" if event["token"] else ""
    return f"{event['at']} {event['principal']}{token} from {where}: {what}" + (
        f" ({facts})" if facts else ""
    )


VERBS: VerbTable = {
    "user": _user,
    "token": _token,
    "link": _link,
    "audit": _audit,
}
