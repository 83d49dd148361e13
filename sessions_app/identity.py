"""Which user and group hives run as (docs/decisions/two-users.md)."""

import os
import pwd
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class RunUser:
    """The user a hive runs as. ``switch`` is False when that is who we are already."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str
    switch: bool


@lru_cache(maxsize=8)
def run_user(run_as: str) -> RunUser:
    """The run user: ``run_as`` when we are root and it exists, else ourselves."""
    if run_as and os.geteuid() == 0:
        try:
            entry = pwd.getpwnam(run_as)
        except KeyError:
            pass
        else:
            groups = tuple(os.getgrouplist(run_as, entry.pw_gid))
            return RunUser(
                run_as,
                entry.pw_uid,
                entry.pw_gid,
                groups,
                entry.pw_dir,
                entry.pw_shell,
                switch=entry.pw_uid != 0,
            )
    return _ourselves()


def _ourselves() -> RunUser:
    uid, gid = os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # a container may run under a number without a name
        return RunUser(str(uid), uid, gid, (), os.environ.get("HOME", "/"), "/bin/sh", switch=False)
    return RunUser(entry.pw_name, uid, gid, (), entry.pw_dir, entry.pw_shell, switch=False)
