"""Reading command profiles from a TOML file; docs/profiles.md describes it.

Each table is a profile: ``command``, ``extends``, ``environment``, ``pass_environment``,
``secret_environment``, ``secrets``, ``stop_signal``, ``stop_grace``, ``success``, ``failure``,
``usage_limit``, ``ends_on``, ``success_codes``, ``limits``, ``on_usage_limit``, ``about``. No
message has a value of an environment in it.
"""

import re
import signal
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from hiveweb.env import EnvError
from sessions_app.errors import Invalid
from sessions_app.lifecycle import OnUsageLimit, Status
from sessions_app.limits import Limits
from sessions_app.profiles import CommandProfile, LineRule, Rule, UsageRule
from sessions_app.secret import MAX_BYTES, MIN_BYTES, Secret, SecretFile, too_short

MAX_STOP_GRACE = 20.0
MAX_ABOUT = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_ENDS_ON = {"output": True, "exit": False}
#: What begins the names of variables that every session inherits.
_PASSED = ("ANTHROPIC_", "CLAUDE_")
#: What can end a process that handles it; SIGKILL and SIGSTOP leave no grace to speak of.
_STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def read(
    path: str,
    built_in: Mapping[str, CommandProfile],
    on_usage_limit: OnUsageLimit,
    inherited: Collection[str] = (),
) -> dict[str, CommandProfile]:
    """The built-in profiles and those of a file; a profile may ``extend`` one that is before it.

    Args:
        path: the file.
        built_in: what is there anyway. A table of the same name replaces one of them.
        on_usage_limit: what profiles do that do not say it themselves.
        inherited: names of variables that every session inherits.

    Raises:
        EnvError: it cannot be read, or a value cannot be used; the message says which and why.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EnvError(f"the profiles file {path} cannot be read: {reason}") from error
    profiles = dict(built_in)
    for name, table in tables.items():
        where = f"the profiles file {path}, profile {name!r}"
        if not _NAME.match(name):
            raise EnvError(f"{where}: a name has 1 to 64 letters, digits, dots, dashes")
        if not isinstance(table, dict):
            raise EnvError(f"{where}: a profile is a table, such as [{name}]")
        profiles[name] = _Table(where, table, inherited).profile(name, profiles, on_usage_limit)
    return profiles


class _Table:
    """One profile's table; each value is taken out once and checked."""

    def __init__(self, where: str, table: Mapping[str, Any], inherited: Collection[str]) -> None:
        self._where = where
        self._left = dict(table)
        self._inherited = inherited

    def profile(
        self, name: str, known: Mapping[str, CommandProfile], on_usage_limit: OnUsageLimit
    ) -> CommandProfile:
        """The profile that the table describes."""
        base = self._base(known) or CommandProfile(name, (), on_usage_limit=on_usage_limit)
        argv = self._take("command", self._words, base.argv)
        if not argv:
            raise self._wrong("command", 'is missing; give a list, such as ["my-hive", "{task}"]')
        rules: list[Rule] = [
            *self._patterns("success", lambda p: LineRule(p, Status.COMPLETED)),
            *self._patterns("failure", lambda p: LineRule(p, Status.FAILED)),
            *self._patterns("usage_limit", UsageRule),
        ]
        pass_environment = (
            *base.pass_environment,
            *self._take("pass_environment", self._names, ()),
        )
        environment = {
            **base.environment,
            **self._take("environment", self._environment, {}),
            **self._take("secret_environment", self._secret_environment, {}),
        }
        secrets = base.secrets.union(self._take("secrets", self._names, ()))
        profile = CommandProfile(
            name=name,
            argv=argv,
            rules=(*rules, *base.rules),
            ends_on_output=self._take("ends_on", self._ends_on, base.ends_on_output),
            success_codes=self._take("success_codes", self._codes, base.success_codes),
            stop_signal=self._take("stop_signal", self._signal, base.stop_signal),
            stop_grace=self._take("stop_grace", self._grace, base.stop_grace),
            environment=self._marked(environment, secrets),
            pass_environment=pass_environment,
            secrets=self._of_inherited(secrets.difference(environment), pass_environment),
            limits={**base.limits, **self._take("limits", self._limits, {})},
            on_usage_limit=self._take("on_usage_limit", self._on_usage_limit, base.on_usage_limit),
            about=self._take("about", self._about, ""),
        )
        for key in self._left:
            raise EnvError(f"{self._where}: there is no setting {key!r}; see docs/profiles.md")
        return profile

    def _base(self, known: Mapping[str, CommandProfile]) -> CommandProfile | None:
        name = self._left.pop("extends", None)
        if name is None:
            return None
        if not isinstance(name, str) or name not in known:
            raise self._wrong("extends", f"must be one of {', '.join(known)}, not {name!r}")
        return known[name]

    def _take(self, key: str, parse: Callable[[str, Any], Any], default: Any) -> Any:
        return parse(key, self._left.pop(key)) if key in self._left else default

    def _wrong(self, key: str, what: str) -> EnvError:
        return EnvError(f"{self._where}: {key} {what}")

    def _words(self, key: str, value: Any) -> tuple[str, ...]:
        good = isinstance(value, list) and all(isinstance(v, str) and "\0" not in v for v in value)
        if not good or not value or not value[0] or value[0] == "{task}":
            raise self._wrong(key, "must be a list of words that begins with a program")
        return tuple(value)

    def _patterns(self, key: str, rule: Callable[[re.Pattern[str]], Rule]) -> list[Rule]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self._wrong(key, "must be a list of regular expressions")
        try:
            return [rule(re.compile(pattern)) for pattern in value]
        except re.error as error:
            raise self._wrong(key, f"has a pattern that cannot be used: {error}") from None

    def _ends_on(self, key: str, value: Any) -> bool:
        if value not in _ENDS_ON:
            raise self._wrong(key, f'must be "output" or "exit", not {value!r}')
        return _ENDS_ON[value]

    def _codes(self, key: str, value: Any) -> frozenset[int]:
        if not isinstance(value, list) or not all(type(v) is int and 0 <= v <= 255 for v in value):
            raise self._wrong(key, "must be a list of exit codes from 0 to 255")
        return frozenset(value)

    def _signal(self, key: str, value: Any) -> signal.Signals:
        if value not in _STOP_SIGNALS:
            raise self._wrong(key, f"must be one of {', '.join(_STOP_SIGNALS)}, not {value!r}")
        return signal.Signals[value]

    def _grace(self, key: str, value: Any) -> float:
        if type(value) not in (int, float) or not 0 <= value <= MAX_STOP_GRACE:
            raise self._wrong(key, f"must be a number of seconds from 0 to {MAX_STOP_GRACE:g}")
        return float(value)

    def _environment(self, key: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not all(
            _VARIABLE.match(k) and isinstance(v, str) and "\0" not in v for k, v in value.items()
        ):
            raise self._wrong(key, 'must be a table of texts, such as { MODEL = "large" }')
        return value

    def _secret_environment(self, key: str, value: Any) -> dict[str, Secret | SecretFile]:
        if not isinstance(value, dict) or not all(_VARIABLE.match(name) for name in value):
            raise self._wrong(key, 'must be a table, such as { API_KEY = "the key itself" }')
        return {name: self._secret(key, name, said) for name, said in value.items()}

    def _secret(self, key: str, name: str, said: Any) -> Secret | SecretFile:
        if isinstance(said, str):
            return self._long_enough(f"{key}.{name}", said)
        file = said.get("file") if isinstance(said, dict) and len(said) == 1 else None
        if not isinstance(file, str) or not file.startswith("/") or "\0" in file:
            raise self._wrong(
                f"{key}.{name}", 'must be a text, or such as { file = "/run/secrets/key" }'
            )
        return SecretFile(file)

    def _long_enough(self, key: str, value: str) -> Secret:
        if too_short(value) or len(value) > MAX_BYTES or "\0" in value:
            raise self._wrong(
                key,
                f"must have {MIN_BYTES} to {MAX_BYTES:,} bytes, not all the same: else it could "
                "not be masked in logs",
            )
        return Secret(value)

    def _marked(
        self, environment: Mapping[str, str | Secret | SecretFile], secrets: Collection[str]
    ) -> dict[str, str | Secret | SecretFile]:
        return {
            name: self._long_enough(f"environment.{name}", value)
            if isinstance(value, str) and name in secrets
            else value
            for name, value in environment.items()
        }

    def _of_inherited(self, names: Collection[str], passed: Collection[str]) -> frozenset[str]:
        for name in names:
            if name not in passed and name not in self._inherited and not name.startswith(_PASSED):
                raise self._wrong(
                    "secrets",
                    f"names {name}, which its sessions do not get: put it into environment or "
                    "pass_environment, or into HIVE_CHILD_ENV",
                )
        return frozenset(names)

    def _names(self, key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(
            isinstance(v, str) and _VARIABLE.match(v) for v in value
        ):
            raise self._wrong(key, 'must be a list of variable names, such as ["GITHUB_TOKEN"]')
        return tuple(value)

    def _limits(self, key: str, value: Any) -> dict[str, object]:
        if not isinstance(value, dict):
            raise self._wrong(key, 'must be a table, such as { run_time = "2h" }')
        try:
            Limits().with_overrides(value)
        except Invalid as error:
            raise EnvError(f"{self._where}: {error.detail}") from None
        return {name.replace("-", "_"): limit for name, limit in value.items()}

    def _about(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not value.isprintable() or len(value) > MAX_ABOUT:
            raise self._wrong(key, f"must be one line of at most {MAX_ABOUT} characters")
        return value

    def _on_usage_limit(self, key: str, value: Any) -> OnUsageLimit:
        try:
            return OnUsageLimit(value)
        except ValueError:
            raise self._wrong(key, f'must be "fail" or "retry", not {value!r}') from None
