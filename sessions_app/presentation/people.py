"""Who reads a page, for its head: name, role, and what of the pages' buttons is theirs."""

from typing import Any

from django.http import HttpRequest

from sessions_app import callers, db
from sessions_app.callers import Role, Via


def caller(request: HttpRequest) -> dict[str, Any]:
    """A context processor: ``caller``, None where nobody is known, and what they may do.

    ``may_create`` sessions, ``may_lift`` a hold; ``signed_in``: there is something to sign out of;
    ``several_hosts``: there is a page about them.
    """
    found = callers.known()
    operates = found is not None and found.role.covers(Role.OPERATOR)
    return {
        "caller": found,
        "may_create": operates,
        "may_lift": operates and found is not None and found.rules_all,
        "signed_in": found is not None and found.via is Via.SESSION,
        "several_hosts": db.clustered(),
    }
