"""What the views have in common: doing what a button asks for, and saying what came of it."""

import re
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render

from sessions_app.errors import Conflict, Forbidden, HiveError, NotFound


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks, and not a form that was sent without one."""
    return request.headers.get("Accept") == "application/json"


def attempt(request: HttpRequest, act: Callable[[], object]) -> None:
    """Do something whose failure the next page can tell of.

    Raises:
        NotFound: there is no session that a page could show.
    """
    try:
        act()
    except NotFound:
        raise
    except Conflict as error:
        messages.warning(request, error.detail)
    except HiveError as error:
        messages.error(request, told(error))


def told(error: HiveError) -> str:
    """A refusal in words for whoever pressed a button that they had: it was taken back."""
    if isinstance(error, Forbidden):
        return f"You may not do this (any more): {error.detail}. Nothing was changed."
    return error.detail


def key_of(fields: QueryDict) -> str | None:
    """The key that a form was made with (sessions_app/idempotency.py); None where it has none."""
    key = fields.get("key", "")
    return key if re.fullmatch(r"[ -~]{1,100}", key) else None


def done() -> HttpResponse:
    """What a script gets when nothing is left to say."""
    return HttpResponse(status=204)


def problem(error: HiveError) -> JsonResponse:
    """What a script gets when it did not work."""
    return JsonResponse({"detail": told(error)}, status=error.http_status)


def leads_to(request: HttpRequest, url: str) -> HttpResponse:
    """Go on with another page; a script is told its address."""
    return JsonResponse({"url": url}, status=201) if wants_json(request) else redirect(url)


def not_found(request: HttpRequest, error: NotFound) -> HttpResponse:
    """The page that says a session is not there."""
    return render(request, "404.html", {"detail": error.detail}, status=404)
