"""Where a session's files are: on this host, or on another one, and how that one is reached.

The same paths may exist on every host, so a file is read only after this was asked. What lies in
the workspace and the log directory may be on storage that all hosts share (HIVE_SHARED_STORAGE);
what lies in a state directory, and processes, are always one host's own.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.db.models import Q

from sessions_app import db
from sessions_app.clock import wire_time
from sessions_app.conf import current
from sessions_app.errors import Unavailable
from sessions_app.models import AgentSession, Node


class Kind(Enum):
    """What is to be read."""

    #: In the workspace or the log directory.
    FILES = "files"
    #: In the state directory (figures, the index of a log), or the processes themselves.
    RECORDS = "records"


class Elsewhere(Unavailable):
    """The session's files are not on this host."""

    code = "host_unavailable"


@dataclass(frozen=True, slots=True)
class Address:
    """How another host is reached.

    Attributes:
        node: its name.
        url: of its internal listener, without a slash at the end; empty when it told none.
        heard: when its spawner was last heard of, by the database's clock; None: never.
        lost: whether it is taken for lost.
    """

    node: str
    url: str = ""
    heard: datetime | None = None
    lost: bool = False

    def away(self, why: str) -> Elsewhere:
        """The refusal for who wants something of that host now."""
        since = f"heard of last at {wire_time(self.heard)}" if self.heard else "never heard of"
        state = ", and taken for lost" if self.lost else ""
        return Elsewhere(f"the files are on host {self.node}, which {why} ({since}{state})")


def apart(kind: Kind = Kind.FILES) -> bool:
    """Whether hosts have files of their own, so that it matters which one is asked."""
    return db.clustered() and not (kind is Kind.FILES and current().cluster.shared_storage)


def elsewhere(session: AgentSession, kind: Kind = Kind.FILES) -> bool:
    """Whether what is to be read of a session is on another host.

    A session that no host has taken has no files yet but those of its creation, wherever that was.
    """
    return apart(kind) and is_other(session.node, kind)


def is_other(node: str, kind: Kind = Kind.FILES) -> bool:
    """Whether what a session has, by the ``node`` in its row, is on another host."""
    return node not in ("", current().cluster.node) and apart(kind)


def of(session: AgentSession, kind: Kind = Kind.FILES) -> Address | None:
    """The host to ask for a session's files; None: they are here.

    Raises:
        Elsewhere: they are on a host that nobody can ask: it is not known, or said no address.
    """
    return address(session.node) if elsewhere(session, kind) else None


def address(name: str) -> Address:
    """How a host is reached.

    Raises:
        Elsewhere: it is not known, or said no address.
    """
    node = Node.objects.filter(name=name).first()
    if node is None:
        raise Address(name).away("is not known any more")
    if node.removed_at is not None:
        raise Elsewhere(
            f"the files were on host {name}, which was removed on {wire_time(node.removed_at)}: "
            "what only it had is gone with it"
        )
    found = Address(name, node.address, node.heartbeat, node.lost_at is not None)
    if not found.url:
        raise found.away("told no address: set HIVE_INTERNAL_ADDRESS there")
    return found


def ours() -> Q:
    """The sessions whose files are on this host, or were not taken by any: all, where one is all
    there is, or storage is shared.
    """
    return Q(node__in=["", current().cluster.node]) if apart() else Q()


def may_be_elsewhere(session: AgentSession) -> bool:
    """Whether a session is on another host, or waits while there is one that could take it."""
    ours = current().cluster.node
    if session.node == ours or not apart():
        return False
    return bool(session.node) or Node.objects.filter(removed_at=None).exclude(name=ours).exists()


def others() -> list[str]:
    """The names of the other hosts that have files of sessions: those that ran some, and those
    that are up, where sessions may have been created that others ran. None that was forgotten.
    """
    if not apart():
        return []
    rows = AgentSession.objects.exclude(ours()).order_by("node")
    names = set(rows.values_list("node", flat=True).distinct())
    up = Node.objects.filter(lost_at=None, removed_at=None).exclude(address="")
    names.update(up.exclude(name=current().cluster.node).values_list("name", flat=True))
    return sorted(names - forgotten())


def forgotten() -> frozenset[str]:
    """The names of hosts that are gone for ever: nobody can be asked for what only they had."""
    if not apart():
        return frozenset()
    gone = Node.objects.exclude(removed_at=None)
    return frozenset(gone.values_list("name", flat=True))
