"""What the rows ask of the spawner: stops and reports, pauses, launches, retries."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Q

from sessions_app import admission, claims, db
from sessions_app.conf import Conf
from sessions_app.lifecycle import ACTIVE, Reason, Status
from sessions_app.models import AgentSession
from sessions_app.models.compiled import Compiled
from sessions_app.spawner import retries

_DECIDED = (Reason.STOPPED, Reason.REPORTED)
_WISHES = Q(status=Status.RUNNING, verdict="") & (
    Q(pause_wanted=True, paused_mark=None) | Q(pause_wanted=False, paused_mark__isnull=False)
)


@dataclass(slots=True)
class Asked:
    """Sessions of which something is asked.

    Attributes:
        decided: a caller has decided their outcome; what runs is to be stopped.
        pausing: they wish to pause, or to go on.
        claimed: they have just been given a slot, and are to be launched.
        ours: all that a spawner has taken on, where those were asked for.
        gone: supervised, but their rows have been deleted by hand.
        unsettled: something waits for a time, for memory or for another try: look again although
            no row has changed.
    """

    decided: list[UUID] = field(default_factory=list)
    pausing: list[UUID] = field(default_factory=list)
    claimed: list[AgentSession] = field(default_factory=list)
    ours: list[UUID] = field(default_factory=list)
    gone: set[UUID] = field(default_factory=set)
    unsettled: bool = False


_ASKING = Compiled(
    lambda: (
        AgentSession.objects.filter(status__in=sorted(ACTIVE))
        .filter(Q(verdict__in=_DECIDED) | _WISHES)
        .values_list("id", "verdict")
    )
)


def work_left() -> bool:
    """Whether a session waits, runs, or is to be tried again."""
    return (
        AgentSession.objects.filter(status__in=ACTIVE).exists()
        or AgentSession.objects.filter(retry_wanted=True).exists()
    )


def read(owner: str, conf: Conf, *, claim: bool, supervised: Iterable[UUID] | None = None) -> Asked:
    """Look at the rows, and claim what may start.

    Args:
        owner: whom claims are for.
        conf: the settings.
        claim: whether to claim anything.
        supervised: the sessions that ``owner`` supervises; given where what need not be done at
            each ring of the bell is to be done as well.
    """
    asked = Asked()
    for session_id, verdict in _ASKING.tuples():
        (asked.decided if verdict else asked.pausing).append(session_id)
    several = db.clustered()
    if supervised is not None:
        if not several:  # else one of the hosts does it (reconcile)
            asked.unsettled = retries.queue_retries()
        asked.ours = list(claims.taken_on(owner).values_list("id", flat=True))
        if unclaimed := set(supervised) - set(asked.ours):  # they have just ended, as a rule
            there = AgentSession.objects.filter(id__in=unclaimed)
            asked.gone = unclaimed - set(there.values_list("id", flat=True))
            if several:  # or were settled by others, who took this host for lost
                asked.decided += unclaimed - asked.gone
    waits = claims.anybody_waits()
    if waits and claim and not several and not admission.brake(conf):  # several: by permits
        asked.claimed = claims.claim_next(owner, conf.slots, limit=conf.slots)
        waits = claims.anybody_waits()
    asked.unsettled |= waits
    return asked
