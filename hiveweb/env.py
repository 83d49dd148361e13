"""Typed settings from the environment, else from an env file.

Standard library only and cheap to import: the drop-in client reads its settings through this
module too, without Django. Even ``os`` takes a millisecond there, so it is imported where needed.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENV_FILE_NAME = "hive.env"
SYSTEM_ENV_FILE = "/etc/hiveweb/hive.env"
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


class EnvError(ValueError):
    """A setting's value cannot be used; the message names the setting and what it takes."""


def read_env_file(path: str) -> dict[str, str]:
    """Read ``KEY=VALUE`` lines of ``path``.

    Blank lines and lines that start with ``#`` are skipped, a leading ``export`` is allowed, and
    one pair of quotes around a value is removed. Nothing is expanded and nothing is executed.

    Raises:
        EnvError: the file cannot be read, or a line has no ``=``.
    """
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EnvError(f"the env file {path} cannot be read: {error}") from error
    values: dict[str, str] = {}
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        if not equals:
            raise EnvError(f"the env file {path}, line {number}: expected NAME=VALUE")
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values


def find_env_file(root: str, environ: Mapping[str, str]) -> str | None:
    """The env file in force: ``HIVE_ENV_FILE``, else beside manage.py, else in /etc/hiveweb."""
    named = environ.get("HIVE_ENV_FILE")
    if named:
        return named
    for candidate in (f"{root}/{ENV_FILE_NAME}", SYSTEM_ENV_FILE):
        if _is_file(candidate):
            return candidate
    return None


def _is_file(path: str) -> bool:
    try:
        return posix.stat(path).st_mode & 0o170000 == 0o100000  # S_ISREG, of another import
    except (OSError, ValueError):
        return False


class Env:
    """The settings of one installation: the environment over the env file over defaults.

    An empty value counts as unset, so that a compose file may pass ``${NAME:-}``. Relative paths
    are relative to ``root`` (the directory of manage.py), whatever the current directory is.
    """

    def __init__(self, root: str, environ: Mapping[str, str] | None = None) -> None:
        self.root = root
        if environ is None:
            import os  # noqa: PLC0415 - see above

            environ = os.environ
        self._environ = environ
        self.file = find_env_file(root, self._environ)
        self._file_values = read_env_file(self.file) if self.file else {}

    def text(self, name: str, default: str = "") -> str:
        """The setting as text, without surrounding blanks."""
        value = self._environ.get(name, "").strip() or self._file_values.get(name, "").strip()
        return value or default

    def pairs(self) -> list[tuple[str, str]]:
        """Every setting that has a value: those of the environment, then those of the env file."""
        found = [*self._environ.items(), *self._file_values.items()]
        return [(name, value.strip()) for name, value in found if value.strip()]

    def only_in_environment(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` set in the environment but not in the env file, where cron looks."""
        return sorted(n for n in names if self._environ.get(n) and n not in self._file_values)

    def path(self, name: str, default: str) -> str:
        """The setting as an absolute, normalised path."""
        import os  # noqa: PLC0415 - see above

        value = os.path.expanduser(self.text(name, default))
        return os.path.normpath(os.path.join(self.root, value))

    def integer(self, name: str, default: int, minimum: int, maximum: int = 2**53) -> int:
        """The setting as a whole number within bounds."""
        text = self.text(name)
        if not text:
            return default
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if not minimum <= value <= maximum:
            raise EnvError(
                f"{name} must be a whole number from {minimum} to {maximum}, not {text!r}"
            )
        return value

    def number(self, name: str, default: float, minimum: float, maximum: float) -> float:
        """The setting as a number within bounds."""
        text = self.text(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = minimum - 1
        if not minimum <= value <= maximum:
            raise EnvError(f"{name} must be a number from {minimum} to {maximum}, not {text!r}")
        return value

    def switch(self, name: str, default: bool) -> bool:
        """The setting as a switch: 1, true, yes, on or 0, false, no, off."""
        text = self.text(name).lower()
        if not text:
            return default
        if text not in TRUE | FALSE:
            raise EnvError(f"{name} must be one of 1, true, yes, on, 0, false, no, off")
        return text in TRUE

    def items(self, name: str, default: str = "") -> tuple[str, ...]:
        """The setting as items separated by commas."""
        return tuple(item.strip() for item in self.text(name, default).split(",") if item.strip())


def state_dir(env: Env) -> str:
    """Our own directory: database, launch records, locks and sockets."""
    return env.path("HIVE_STATE_DIR", "var/state")


def socket_path(env: Env) -> str:
    """The local socket of the operator's door."""
    return env.path("HIVE_SOCKET", f"{state_dir(env)}/hive.sock")


def socket_path_at_once(env: Env) -> str | None:
    """The same, for who opens it right away; None where its spelling has to be looked at."""
    directory = env.text("HIVE_STATE_DIR", "var/state")
    path = env.text("HIVE_SOCKET", f"{directory}/hive.sock")
    if path.startswith("~") or ".." in path:
        return None
    return path if path.startswith("/") else f"{env.root}/{path}"
