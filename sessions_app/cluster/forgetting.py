"""Hosts that are gone for ever: taken out of the list; what was theirs says so."""

from typing import Any

from django.db import transaction

from sessions_app import callers
from sessions_app.callers import Role
from sessions_app.clock import wire_time
from sessions_app.cluster import nodes
from sessions_app.errors import Conflict, NotFound
from sessions_app.models import AgentSession, AuditEvent, Node


def forget(name: str) -> dict[str, Any]:
    """A lost host is gone for ever. Its sessions stay; what only it had of them is gone with it.

    Returns:
        ``{name, removed, sessions}``: since when, and how many sessions were its.

    Raises:
        Forbidden: the caller is no administrator.
        NotFound: there is no such host.
        Conflict: it may be alive still.
    """
    callers.require(Role.ADMINISTRATOR, "remove hosts")
    with transaction.atomic():
        node = Node.objects.select_for_update().filter(name=name, removed_at=None).first()
        if node is None:
            raise NotFound(f"there is no host {name[:60]!r}; see: hive nodes")
        if node.lost_at is None or (nodes.now() - node.heartbeat).total_seconds() <= node.lease:
            raise Conflict(
                f"host {name} was heard of within its lease, or is not lost yet: stop its spawner, "
                f"and try again in {node.lease:g} s"
            )
        node.removed_at = nodes.now()
        node.save(update_fields=["removed_at"])
        AuditEvent.objects.record("removed_host", node=name)
        sessions = AgentSession.objects.filter(node=name).count()
    return {"name": name, "removed": wire_time(node.removed_at), "sessions": sessions}
