"""Which secrets an installation has: from its environment, its env file, profiles and state.

Without Django, for the follower of logs.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hiveweb import profiles_file
from hiveweb.env import Env, EnvError, state_dir
from sessions_app.lifecycle import OnUsageLimit
from sessions_app.masking import Known
from sessions_app.profiles import DEFAULT_PROFILE, SAMPLE_PROFILE, CommandProfile
from sessions_app.secret import Secret, SecretFile, too_short

#: Profiles are read from here unless HIVE_PROFILES names another file.
PROFILES_FILE = "profiles.toml"
#: The installation's signing key, in the state directory.
KEY_FILE = "secret_key"
#: Variables that are secret without being marked.
_UNMARKED = re.compile(
    r"HIVE_TOKEN|HIVE_SECRET_KEY|(?:ANTHROPIC|CLAUDE)_(?:\w+_)?(?:KEY|TOKEN|SECRET|PASSWORD)"
)
#: Variables that are addresses, in which a password may stand.
_ADDRESSES = re.compile(r"DATABASE_URL|REDIS_URL|(?:HTTPS?|ALL)_PROXY", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a variable is secret without being marked."""
    return _UNMARKED.fullmatch(name) is not None


def known(
    env: Env, profiles: Iterable[CommandProfile], environ: Mapping[str, str] | None = None
) -> Known:
    """The secrets of an installation.

    Args:
        env: its settings.
        profiles: its command profiles.
        environ: what sessions inherit from; our own environment if None.
    """
    inherited = os.environ if environ is None else environ
    found = [*_of_profiles(profiles, inherited), *_of_settings(env)]
    found.append(("", SecretFile(f"{state_dir(env)}/{KEY_FILE}")))  # made at first use
    short = [n for n, value in found if isinstance(value, Secret) and too_short(value.reveal())]
    return Known([value for _, value in found], short)


def of_files(env: Env) -> Known:
    """The secrets of an installation, for who has not its checked settings.

    A profiles file with a mistake in it has none: nothing is started with it.
    """
    file = profiles_path(env)
    names = (DEFAULT_PROFILE, SAMPLE_PROFILE)
    base: dict[str, CommandProfile] = {name: CommandProfile(name, ("-",)) for name in names}
    try:
        child_env = env.items("HIVE_CHILD_ENV")
        profiles = profiles_file.read(file, base, OnUsageLimit.FAIL, child_env) if file else base
    except EnvError:
        profiles = base
    return known(env, profiles.values())


def profiles_path(env: Env) -> str | None:
    """The file with further profiles: the one that is named, else the usual one if it is there."""
    path = env.path("HIVE_PROFILES", PROFILES_FILE)
    return path if env.text("HIVE_PROFILES") or Path(path).exists() else None


def _of_profiles(
    profiles: Iterable[CommandProfile], inherited: Mapping[str, str]
) -> Iterator[tuple[str, Secret | SecretFile]]:
    for profile in profiles:
        for name, value in profile.environment.items():
            if not isinstance(value, str):
                yield name, value
            elif is_secret(name):
                yield name, Secret(value)
        for name in profile.secrets:
            if inherited.get(name):
                yield name, Secret(inherited[name])


def _of_settings(env: Env) -> Iterator[tuple[str, Secret]]:
    for name, value in env.pairs():
        if is_secret(name):
            yield name, Secret(value)
        elif _ADDRESSES.fullmatch(name):
            yield from ((name, password) for password in _passwords(value))


def _passwords(address: str) -> list[Secret]:
    """The password in ``scheme://user:password@host``, as it stands there and as it is meant."""
    _, _, rest = address.partition("://")
    credentials, at, _ = rest.partition("/")[0].rpartition("@")
    password = credentials.partition(":")[2]
    if not at or not password:
        return []
    from urllib.parse import unquote  # noqa: PLC0415 - rarely needed

    return [Secret(password), Secret(unquote(password))]
