"""Settings that cannot be used: a command that is not there, a user, a profile of the past."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import Count

from hiveweb import known_secrets
from sessions_app import doorbell
from sessions_app.conf import Conf
from sessions_app.doctor import runs
from sessions_app.doctor.findings import Examination, Finding
from sessions_app.errors import LaunchError
from sessions_app.identity import run_user
from sessions_app.lifecycle import FINISHED
from sessions_app.models import AgentSession
from sessions_app.secret import MIN_BYTES, Secret, SecretFile
from sessions_app.spawner.environment import FALLBACK_PATH


def check(examination: Examination) -> Iterator[Finding]:
    """The run user and the command of each profile."""
    conf = examination.conf
    if conf.run_as and run_user(conf.run_as).name != conf.run_as:
        why = "we are not root" if os.geteuid() else "there is no such user"
        yield Finding(
            "run_as",
            "HIVE_RUN_AS",
            f"hives do not run as {conf.run_as!r}: {why}",
            "make the user, or set another one; until then hives run as we do",
        )
    path = _path(str(conf.state_dir))
    for name, profile in sorted(conf.profiles.items()):
        program = profile.argv[0]
        own = profile.environment.get("PATH")
        if shutil.which(program, path=own if isinstance(own, str) else path) is None:
            where = "does not exist or cannot be executed" if "/" in program else "is not on PATH"
            yield Finding(
                "command_missing",
                f"profile {name}",
                f"{program!r} {where}",
                "install it, or set HIVE_COMMAND or the profile's command to what is to be run",
            )

    yield from _secrets(conf)


def _secrets(conf: Conf) -> Iterator[Finding]:
    """Secrets that cannot be had, cannot be masked, or can be read by others."""
    for name in conf.secrets.unmasked:
        todo = f"take one of at least {MIN_BYTES} bytes, not all the same"
        yield Finding("secret_short", name, "it is too short to be masked in logs", todo)
    literal = False
    for profile_name, profile in sorted(conf.profiles.items()):
        for name, value in sorted(profile.environment.items()):
            literal = literal or isinstance(value, Secret)
            if not isinstance(value, SecretFile):
                continue
            try:
                value.reveal()
            except LaunchError as error:
                what = f"{name}: {error.detail}"
                todo = "put it there; until then sessions of the profile fail to start"
                yield Finding("secret_missing", f"profile {profile_name}", what, todo)
    file = known_secrets.profiles_path(settings.ENV)
    if literal and file and (mode := stat.S_IMODE(Path(file).stat().st_mode)) & 0o004:
        what = f"it holds secrets, and its mode is {mode:04o}: everybody may read it"
        yield Finding("profiles_open", file, what, f"chmod o-r {file}")


def _path(state_dir: str) -> str:
    """Where hives look for programs: the PATH of the spawner, or ours if there is none."""
    found = doorbell.spawner(state_dir)
    theirs = runs.environment(found[0]) if found is not None else {}
    return (theirs or os.environ).get("PATH") or FALLBACK_PATH


def profiles_of_rows(examination: Examination) -> Iterator[Finding]:
    """Sessions that have not ended, of a profile that the settings do not have any more."""
    rows = AgentSession.objects.exclude(status__in=FINISHED).order_by("profile")
    for name, count in rows.values_list("profile").annotate(count=Count("id")):
        if name not in examination.conf.profiles:
            yield Finding(
                "profile_unknown",
                f"profile {name}",
                f"{count:,} session(s) that have not ended use it, and the settings have it not",
                "define it again; those that wait fail when it is their turn, those that run end "
                "by their exit code",
            )
