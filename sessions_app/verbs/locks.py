"""``hive doctor --locks``: who has the databases of sessions open, in words and as JSON."""

from collections.abc import Iterable, Iterator

from sessions_app import arguments, services
from sessions_app.clock import wire_time
from sessions_app.conf import current
from sessions_app.doctor import locks
from sessions_app.errors import Invalid
from sessions_app.models import AgentSession
from sessions_app.verb_steps import Print, Verb, json_object, line, printable


def run(options: dict[str, str], rest: list[str]) -> Verb:
    """The verb, given its options and the words after them."""
    if "--repair" in options:
        raise Invalid("doctor --locks only looks; end what does not belong there yourself")
    sessions: Iterable[AgentSession] = AgentSession.objects.visible().order_by("created", "id")
    if rest:
        sessions = [services.get(arguments.only_id("doctor --locks", rest))]
    found = locks.look(current(), sessions)
    told = locks.as_json(found)
    yield Print(json_object(told)) if "--json" in options else line("\n".join(_told(found)))
    return 1 if told["problems"] else 0


def _told(found: locks.Found) -> Iterator[str]:
    for database in found.databases:
        locked = ", LOCKED" if database.locked else ""
        yield f"{printable(str(database.path))} ({database.session.status}{locked})"
        for holder in database.holders:
            yield f"  {_holder(database, holder)}"
        if database.locked and not any(holder.locks for holder in database.holders):
            yield "  locked by a process that cannot be seen from here"
    if not found.databases:
        yield f"Nobody has a database open ({found.looked_at:,} looked at)"
    if found.hidden:
        yield f"{found.hidden:,} processes of other users could not be looked at; root can"


def _holder(database: locks.Database, holder: locks.Holder) -> str:
    if holder.ours:
        whose = "hiveweb, reading"
    elif holder.session == str(database.session.id):
        whose = "of this session"
    else:
        whose = f"of session {holder.session}" if holder.session else "of no session"
        whose = f"DOES NOT BELONG HERE, {whose}"
    does = [f"holds {printable(what)}" for what in sorted(holder.locks)]
    does += [f"waits for {printable(what)}" for what in sorted(holder.waits)]
    # When it opened the file nobody knows: not before it was started.
    return (
        f"{holder.pid} {printable(holder.name)} ({printable(holder.user)}), {whose}, "
        f"since {wire_time(holder.started)} at the earliest" + "".join(f"; {what}" for what in does)
    )
