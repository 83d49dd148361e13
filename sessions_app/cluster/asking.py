"""Readings of a session that are made on the host that has its files, whoever asks."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from sessions_app import db, problems
from sessions_app.cluster import whereabouts
from sessions_app.cluster.whereabouts import Elsewhere, Kind
from sessions_app.errors import NotFound
from sessions_app.models import AgentSession

P = ParamSpec("P")
T = TypeVar("T")
#: Where other hosts ask for them; the name of the reading comes behind it.
PATH = "/internal/readings/"

_readings: dict[str, Callable[..., Any]] = {}
#: Whether this is done for another host, which is never sent on.
_for_another: ContextVar[bool] = ContextVar("hive_for_another_host", default=False)


@contextlib.contextmanager
def for_another_host() -> Iterator[None]:
    """What is asked in a block, another host asks: nobody else is asked on its behalf."""
    token = _for_another.set(True)
    try:
        yield
    finally:
        _for_another.reset(token)


def is_for_another() -> bool:
    """Whether what is done now, another host has asked for."""
    return _for_another.get()


def where(session: AgentSession, kind: Kind) -> whereabouts.Address | None:
    """The host to ask; None: the files are here.

    Raises:
        Elsewhere: it cannot be asked, or another host asks us for what is not here.
    """
    if not whereabouts.elsewhere(session, kind):
        return None
    if is_for_another():
        raise Elsewhere("the session has moved to another host meanwhile; ask again")
    return whereabouts.of(session, kind)


class Reading(Generic[P, T]):
    """A function of a session that is carried out where the session's files are.

    Its further arguments and what it returns must be JSON (a tuple arrives as a list). It may
    raise :class:`Elsewhere`, beside what the function raises. Blocking.
    """

    def __init__(
        self, name: str, kind: Kind, function: Callable[Concatenate[AgentSession, P], T]
    ) -> None:
        self._target, self._kind = PATH + name, kind
        self.here = function
        self.__doc__ = function.__doc__

    def __call__(self, session: AgentSession, *args: P.args, **kwargs: P.kwargs) -> T:
        """Make the reading. Takes a query where it is not made here."""
        at = where(session, self._kind)
        if at is None:
            return self.here(session, *args, **kwargs)
        from sessions_app.cluster import calls  # noqa: PLC0415 - rarely needed, slow to load

        found: T = calls.ask(at, "POST", self._target, _wish(session, args, kwargs))
        return found

    async def wait(self, session: AgentSession, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for who must not block: here in a thread, elsewhere without one."""
        at = await db.read(where, session, self._kind)
        if at is None:
            return await asyncio.to_thread(self.here, session, *args, **kwargs)
        from sessions_app.cluster import calls  # noqa: PLC0415 - as above

        body = _wish(session, args, kwargs)
        request = await db.read(calls.prepare, at, "POST", self._target, body)
        found: T = await calls.ask_async(at, request)
        return found


def _wish(session: AgentSession, args: tuple[Any, ...], given: dict[str, Any]) -> bytes:
    return problems.encode({"session": str(session.id), "args": args, "given": given})


def where_it_is(
    name: str, kind: Kind = Kind.FILES
) -> Callable[[Callable[Concatenate[AgentSession, P], T]], Reading[P, T]]:
    """Make a function a :class:`Reading`.

    Args:
        name: of the reading, among all of them.
        kind: what it reads.
    """

    def decorate(function: Callable[Concatenate[AgentSession, P], T]) -> Reading[P, T]:
        _readings[name] = function
        return Reading(name, kind, function)

    return decorate


@dataclass(frozen=True, slots=True)
class Asked:
    """A reading that another host asks for: :meth:`carry_out` it with the session's row."""

    session_id: uuid.UUID
    _function: Callable[..., Any]
    _args: list[Any]
    _given: dict[str, Any]

    @classmethod
    def of(cls, name: str, body: bytes) -> "Asked":
        """What a request asks for.

        Raises:
            NotFound: there is no such reading.
        """
        function = _readings.get(name)
        if function is None:
            raise NotFound(f"there is no reading {name[:40]!r}")
        told = json.loads(body)
        return cls(uuid.UUID(told["session"]), function, told["args"], told["given"])

    def carry_out(self, session: AgentSession) -> Any:
        """Make it. Blocking.

        Raises:
            HiveError: as the function does.
        """
        with for_another_host():
            return self._function(session, *self._args, **self._given)


def refuse_moved(session: AgentSession) -> AgentSession:
    """The session, whose files another host takes to be here.

    Raises:
        Elsewhere: they are not.
    """
    if whereabouts.elsewhere(session, Kind.RECORDS):
        raise Elsewhere("the session has moved to another host meanwhile; ask again")
    return session
