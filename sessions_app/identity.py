"""Users and groups of this machine: whom hives run as, who asks at our local doors."""

import os
import pwd
from dataclasses import dataclass
from functools import lru_cache

from sessions_app.callers import Caller, Role, Via


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


def local_caller(uid: int, via: Via, *, member: bool = False) -> Caller:
    """Who asks from this machine.

    Args:
        uid: their user.
        via: the door.
        member: they come in as a member of HIVE_SOCKET_GROUP: an operator, for all sessions.
            Root and our own user are administrators.
    """
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    role = Role.OPERATOR if member else Role.ADMINISTRATOR
    return Caller(f"local:{name}", role, via, manages_others=member)


def _ourselves() -> RunUser:
    uid, gid = os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # a container may run under a number without a name
        return RunUser(str(uid), uid, gid, (), os.environ.get("HOME", "/"), "/bin/sh", switch=False)
    return RunUser(entry.pw_name, uid, gid, (), entry.pw_dir, entry.pw_shell, switch=False)
