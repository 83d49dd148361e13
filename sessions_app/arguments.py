"""The operator's words, parsed by hand: options, then the id or task, then what is not ours.

argparse would take, abbreviate or reorder arguments that belong to the spawned command, and take
a task that begins with a dash for an option. Here an option is one only by its exact name and
only before the first other word.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from sessions_app import limits
from sessions_app.errors import Invalid, NotFound
from sessions_app.lifecycle import Priority
from sessions_app.validation import shorten

HELP = frozenset({"--help", "-h"})
#: docs/session-api.md has this word where the priority stands, in a block that must run as it is.
_PRIORITY_NOT_GIVEN = "priority"
_PRIORITIES = frozenset({"", _PRIORITY_NOT_GIVEN, *(priority.word for priority in Priority)})


#: ``--run-time`` and the other limits.
_LIMIT_OPTIONS = {f"--{name.replace('_', '-')}": name for name in limits.NAMES}
_CREATE_OPTIONS = (
    *("--profile", "--on-usage-limit", "--not-before", "--pool", "--on-lost"),
    *_LIMIT_OPTIONS,
)


@dataclass(frozen=True, slots=True)
class NewSession:
    """What ``create`` was asked for, not yet validated."""

    task: str
    priority: str = ""
    metadata: str = ""
    profile: str = field(default="", kw_only=True)
    start: bool = field(default=False, kw_only=True)
    not_before: str = field(default="", kw_only=True)
    limits: dict[str, str] = field(default_factory=dict, kw_only=True)
    on_usage_limit: str = field(default="", kw_only=True)
    pool: str = field(default="", kw_only=True)
    on_lost: str = field(default="", kw_only=True)


def split(
    words: Sequence[str], *, flags: Collection[str] = (), valued: Collection[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Leading options by their exact names, and all words after them; ``--`` ends the options.

    Raises:
        Invalid: an option that needs a value is the last word.
    """
    options: dict[str, str] = {}
    position = 0
    while position < len(words):
        word = words[position]
        name, equals, value = word.partition("=")
        if word == "--":
            position += 1
            break
        if word in flags:
            options[word] = ""
        elif equals and name in valued:
            options[name] = value
        elif word in valued:
            position += 1
            if position == len(words):
                raise Invalid(f"{word} needs a value after it")
            options[word] = words[position]
        else:
            break
        position += 1
    return options, list(words[position:])


def needs_id(verb: str, words: Sequence[str]) -> str:
    """The first word, as an id.

    Raises:
        Invalid: there is none.
        NotFound: it is an option that this verb does not have.
    """
    if not words:
        raise Invalid(f"{verb} needs the id of a session; see: hive {verb} --help")
    if words[0].startswith("-"):
        word = shorten(words[0], 60)
        raise NotFound(f"no session has the id {word!r}, and {verb} has no such option")
    return words[0]


def only_id(verb: str, words: Sequence[str]) -> str:
    """The one word there is, as an id.

    Raises:
        Invalid: there is none, or more than one.
        NotFound: it is an option that this verb does not have.
    """
    nothing_else(f"{verb} takes one id (options stand before it)", words[1:])
    return needs_id(verb, words)


def nothing_else(usage: str, words: Sequence[str]) -> None:
    """Refuse words that are left over.

    Raises:
        Invalid: there are some.
    """
    if words:
        more = f" and {len(words) - 1} more" if len(words) > 1 else ""
        raise Invalid(f"too many arguments: {usage}, not also {shorten(words[0], 60)!r}{more}")


def new_session(words: Sequence[str]) -> NewSession:
    """``create``'s words: ``[OPTION...] [--] TASK [PRIORITY [METADATA]]``.

    The plain form of docs/session-api.md, ``TASK PRIORITY METADATA``, is taken as it stands
    whatever TASK is, ``--start`` and ``--`` included.

    Raises:
        Invalid: no task, or too many words.
    """
    if _is_plain(words):
        return _new_session(words)
    options, rest = split(words, flags=["--start"], valued=_CREATE_OPTIONS)
    if not rest:
        raise Invalid("create needs a task: create TASK [PRIORITY] [METADATA]")
    nothing_else("create takes TASK [PRIORITY] [METADATA]; quote the task", rest[3:])
    return replace(
        _new_session(rest),
        profile=options.get("--profile", ""),
        start="--start" in options,
        not_before=options.get("--not-before", ""),
        limits={name: options[o] for o, name in _LIMIT_OPTIONS.items() if o in options},
        on_usage_limit=options.get("--on-usage-limit", ""),
        pool=options.get("--pool", ""),
        on_lost=options.get("--on-lost", ""),
    )


def backup(words: Sequence[str]) -> tuple[str, bool]:
    """``backup``'s words: the name of the file, and whether it may be replaced.

    Raises:
        Invalid: no file, or more than one.
    """
    options, rest = split(words, flags=["--force"])
    more = [word for word in rest[1:] if word != "--force"]
    if not rest or not rest[0]:
        raise Invalid("backup needs the name of the file to write: backup FILE")
    nothing_else("backup takes one FILE and --force", more)
    return rest[0], "--force" in options or "--force" in rest[1:]


@dataclass(frozen=True, slots=True)
class Migration:
    """What ``migrate-database`` was asked for; names that were not given are empty."""

    source: str = ""
    target: str = field(default="", repr=False)  # it may have a password in it
    dry_run: bool = False
    replace: bool = False
    as_json: bool = False


def migration(words: Sequence[str]) -> Migration:
    """``migrate-database``'s words: options only.

    Raises:
        Invalid: other words, or an option without its value.
    """
    options, rest = split(
        words, flags=["--dry-run", "--replace", "--json"], valued=["--from", "--to"]
    )
    nothing_else("migrate-database takes options only", rest)
    return Migration(
        options.get("--from", ""),
        options.get("--to", ""),
        "--dry-run" in options,
        "--replace" in options,
        "--json" in options,
    )


def _new_session(words: Sequence[str]) -> NewSession:
    task, priority, metadata = [*words, "", ""][:3]
    return NewSession(task, "" if priority == _PRIORITY_NOT_GIVEN else priority, metadata)


def _is_plain(words: Sequence[str]) -> bool:
    if len(words) != 3:
        return False
    if words[1] in _PRIORITIES or not words[2].strip():
        return True
    try:
        metadata = json.loads(words[2])
    except (ValueError, RecursionError):
        return False
    return metadata is None or isinstance(metadata, dict)
