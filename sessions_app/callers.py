"""Who asks for something, and what they may do: known for the length of a request or a verb.

The doors (hiveweb.guard, the local socket, the command line) say who it is; services refuse what
the role does not allow. Where nobody has said it, everything is refused.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum

from sessions_app.errors import Forbidden, Unauthorized


class Role(StrEnum):
    """What somebody may do; each role may what the one before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    def covers(self, other: "Role") -> bool:
        """Whether this role may whatever the other one may."""
        return _RANK[self] >= _RANK[other]


_RANK = {role: rank for rank, role in enumerate(Role)}


class Via(StrEnum):
    """Through which door somebody came."""

    SESSION = "session"  # a browser that is signed in
    TOKEN = "token"  # noqa: S105 - a word, no token
    RUN = "run"  # a run with its own token
    SOCKET = "socket"  # the local socket
    SHELL = "shell"  # manage.py
    SYSTEM = "system"  # we ourselves


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks.

    Attributes:
        principal: who it is: ``anna``, ``token:rust``, ``local:root``, ``run:<uuid>``.
        role: what they may do.
        via: the door.
        address: where they are, as far as the network tells; empty for local doors.
        token: the name of the API token they showed, if they did.
        manages_others: an operator who may also act on sessions of others.
        proof: names what they showed, for asking again later whether it still counts.
    """

    principal: str
    role: Role
    via: Via
    address: str = ""
    token: str = ""
    manages_others: bool = False
    proof: tuple[str, str] = field(default=("", ""), repr=False)

    def may_change(self, owner: str) -> bool:
        """Whether they may act on a session of this owner."""
        if self.role is Role.ADMINISTRATOR:
            return True
        return self.role is Role.OPERATOR and (self.manages_others or owner == self.principal)

    @property
    def rules_all(self) -> bool:
        """Whether they may act on whatever session there is."""
        return self.role is Role.ADMINISTRATOR or self.manages_others

    @property
    def may_clean(self) -> bool:
        """Whether they may remove what has ended."""
        return self.role.covers(Role.OPERATOR) and self.rules_all


#: The spawner, the server's own housekeeping.
SYSTEM = Caller("system", Role.ADMINISTRATOR, Via.SYSTEM)
_caller: ContextVar[Caller | None] = ContextVar("hive_caller", default=None)


def current() -> Caller:
    """Who asks.

    Raises:
        Unauthorized: nobody has said who it is.
    """
    caller = _caller.get()
    if caller is None:
        raise Unauthorized
    return caller


def known() -> Caller | None:
    """Who asks, if it is known."""
    return _caller.get()


def become(caller: Caller | None) -> None:
    """From here on, in this task or thread and whatever it starts, this is who asks."""
    _caller.set(caller)


@contextlib.contextmanager
def acting(caller: Caller) -> Iterator[None]:
    """This is who asks, for a block."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)


def require(role: Role, what: str) -> Caller:
    """The caller, whose role must cover ``role``.

    Args:
        role: the least role that may do it.
        what: what it is, for the refusal: "create sessions".

    Raises:
        Unauthorized: nobody has said who asks.
        Forbidden: the role does not suffice.
    """
    caller = current()
    if not caller.role.covers(role):
        raise Forbidden(f"to {what} takes the role {role}; {caller.principal} is {caller.role}")
    return caller


def require_over(owner: str, what: str) -> Caller:
    """The caller, who must be allowed to act on a session of this owner.

    Raises:
        Unauthorized: nobody has said who asks.
        Forbidden: they may not.
    """
    caller = require(Role.OPERATOR, what)
    if not caller.may_change(owner):
        raise Forbidden(
            f"to {what} of {owner or 'nobody'} takes the right to act on sessions of others, which "
            f"{caller.principal} does not have"
        )
    return caller


def require_all(what: str) -> Caller:
    """The caller, who must be allowed to act on every session.

    Raises:
        Unauthorized: nobody has said who asks.
        Forbidden: they may not.
    """
    caller = require(Role.OPERATOR, what)
    if not caller.rules_all:
        raise Forbidden(
            f"to {what} takes an administrator, or an operator who may act on sessions of others"
        )
    return caller
