"""The guard's way for reads of callers it knows: no task, nothing awaited, nothing looked up.

Who asks again on a connection sends the same headers again. What the guard has concluded of them
(the host, whose token it is) is remembered with the connection; what may change is asked each time:
whether the token still counts, how often its owner may ask, the row. Whatever else there is to say
of a request, the guard says when it is called: here it is None.
"""

import logging
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field, replace

from hiveweb.identify import bearer_of
from hiveweb.rates import Rates, bucket_of
from hiveweb.reads import Answer, Reads
from hiveweb.request import Request, Scope
from sessions_app import access, callers, logs
from sessions_app.callers import Caller, Via
from sessions_app.errors import HiveError
from sessions_app.identification import Identities

_PREFIX = "/api/v1/sessions/"
Lines = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class _Head:
    """What was concluded of the headers of a request.

    Attributes:
        headers: as they came.
        rules: by whose rules.
        address: whose it is, as rates know it.
        peer: the same, as it is.
        shown: what the caller is known by.
        caller: whose HIVE_TOKEN that is; None for a token that may be revoked.
        proof: of such a token.
        known: what the caller has already (If-None-Match).
        complete: adds to an answer's headers those of every answer.
        more: what it added, by status.
    """

    headers: Lines
    rules: "Quick"
    address: str
    peer: str
    shown: str
    caller: Caller | None
    proof: tuple[str, str]
    known: str
    complete: Callable[[Lines], Lines]
    more: dict[int, Lines] = field(default_factory=dict)


class Memory:
    """What is remembered with one connection.

    Args:
        context: in copies of which its requests are answered.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.head: _Head | None = None


class Quick:
    """Answers reads under one set of rules.

    Args:
        reads: what is answered.
        rates: how often somebody may ask.
        look: resolves and checks a request: it, and what completes the headers of its answer.
            Raises HiveError where it is refused.
        log: where each request is told.
    """

    def __init__(
        self,
        reads: Reads,
        rates: Rates,
        look: Callable[[Scope], tuple[Request, Callable[[Lines], Lines]]],
        log: logging.Logger,
    ) -> None:
        self._reads, self._rates, self._look, self._log = reads, rates, look, log

    def answer(self, scope: Scope, memory: Memory, identities: Identities) -> Answer | None:
        """A whole answer to a GET without a body, or None. The context becomes the caller's."""
        path = scope["path"]
        if not path.startswith(_PREFIX):
            return None
        head = memory.head
        if head is None or head.headers != scope["headers"] or head.rules is not self:
            try:
                head = memory.head = self._conclude(scope)
            except HiveError:
                return None
        if head is None or not self._rates.knows(head.address, head.shown):
            return None
        caller = head.caller
        if caller is None:
            fresh = identities.fresh(head.proof)
            if fresh is None:
                return None
            caller = replace(fresh, proof=head.proof, address=head.peer)
        callers.become(caller)
        found = self._reads.read(path, scope["query_string"], head.known)
        if found is None or self._rates.identity(caller.principal) > 0:
            return None
        status, lines, body = found
        if self._log.isEnabledFor(logging.DEBUG):
            logs.speak_of(logs.session_in_path(path))
            self._log.debug("GET %s: %d at once, for %s", path, status, caller.principal)
        more = head.more.get(status)
        if more is None:  # the headers of a read have the same names each time
            more = head.more[status] = head.complete(lines)[len(lines) :]
        return status, lines + more, body

    def _conclude(self, scope: Scope) -> _Head | None:
        """What can be said of headers; None where it is nothing, or not worth it.

        Raises:
            HiveError: what they come with is refused.
        """
        request, complete = self._look(scope)
        shown = ", ".join(request.all(b"authorization"))
        address = bucket_of(request.scope.get("client"))
        if request.has_body or not shown or not self._rates.knows(address, shown):
            return None
        bearer = bearer_of(request)
        caller = access.by_bearer_alone(bearer)
        if caller is not None and caller.via is Via.RUN:
            return None
        return _Head(
            headers=scope["headers"],
            rules=self,
            address=address,
            peer=request.address,
            shown=shown,
            caller=caller and replace(caller, address=request.address),
            proof=access.proof_of_bearer(bearer),
            known=",".join(request.all(b"if-none-match")),
            complete=complete,
        )
