"""Settings that cannot be used: a command that is not there, a user, a profile of the past."""

import os
import shutil
from collections.abc import Iterator

from django.db.models import Count

from sessions_app import doorbell
from sessions_app.doctor import runs
from sessions_app.doctor.findings import Examination, Finding
from sessions_app.identity import run_user
from sessions_app.lifecycle import FINISHED
from sessions_app.models import AgentSession
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
