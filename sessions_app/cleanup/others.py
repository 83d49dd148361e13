"""Cleaning up on other hosts: each removes the sessions whose files it has.

Nothing of a host that is away is removed, nor said to be.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.db.models import Q

from sessions_app import problems
from sessions_app.cleanup.told import Kind, Removal, Run, Work
from sessions_app.cluster import asking, whereabouts
from sessions_app.cluster.whereabouts import Elsewhere
from sessions_app.errors import HiveError
from sessions_app.models import AgentSession

PATH = "/internal/cleanup"
#: Said by the other host in the place of a removal: it is at work; it has come to its end.
AT_WORK, END = b"\n", b"{}\n"


def clean(run: Run, wish: dict[str, Any], rows: Q) -> Work:
    """Have every other host clean up as is wished; tell of each removal as it is told.

    Args:
        run: the cleanup.
        wish: for the other hosts, as :func:`sessions_app.cleanup.asked_for` takes it.
        rows: the sessions that would go, to tell why those of a host that is away stay.
    """
    if not asking.is_for_another():
        for node in whereabouts.others():
            yield from _on(run, node, wish, rows)


def chosen(run: Run, some: Iterable[AgentSession]) -> Work:
    """Have other hosts remove some sessions of theirs."""
    hosts: dict[str, list[UUID]] = {}
    for session in some:
        hosts.setdefault(session.node, []).append(session.id)
    for node, ids in hosts.items():
        if asking.is_for_another():
            yield from _kept(run, Q(id__in=ids), "it has moved to another host; ask again")
        else:
            yield from _on(run, node, {"chosen": list(map(str, ids))}, Q(id__in=ids))


def _on(run: Run, node: str, wish: dict[str, Any], rows: Q) -> Work:
    from sessions_app.cluster import calls  # noqa: PLC0415 - rarely needed, slow to load

    body = problems.encode({**wish, "dry_run": run.dry_run})
    try:
        at = whereabouts.address(node)
        for line in calls.lines(at, calls.prepare(at, "POST", PATH, body)):
            yield _removal(json.loads(line)) if line.strip() else None
    except Elsewhere as error:
        yield from _kept(run, rows & Q(node=node), error.detail)
    except HiveError as error:
        yield from _kept(run, rows & Q(node=node), f"host {node} refused: {error.detail}")


def _kept(run: Run, rows: Q, why: str) -> Iterator[Removal]:
    for session in AgentSession.objects.filter(rows).only("id").order_by("ended_at"):
        yield from run.keep(session, why)


def told(removal: Removal | None) -> bytes:
    """A removal as a line for another host."""
    if removal is None:
        return AT_WORK
    told = (removal.bytes, removal.kept, removal.kind, removal.paths, removal.note)
    return problems.encode([str(removal.session_id), *told]) + b"\n"


def _removal(fields: list[Any]) -> Removal:
    session_id, size, kept, kind, paths, *more = fields  # none from a host of the version before
    return Removal(UUID(session_id), size, kept, Kind(kind), tuple(paths), *more)
