"""Who reads a page, for its head: name, role, and whether there is something to sign out of."""

from typing import Any

from django.http import HttpRequest

from sessions_app import callers
from sessions_app.callers import Role, Via


def caller(request: HttpRequest) -> dict[str, Any]:
    """A context processor: ``caller``, None where nobody is known; ``may_create``."""
    found = callers.known()
    return {
        "caller": found,
        "may_create": found is not None and found.role.covers(Role.OPERATOR),
        "signed_in": found is not None and found.via is Via.SESSION,
    }
