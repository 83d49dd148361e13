"""The form for a new session, empty or filled in like one that there is."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from sessions_app import callers, idempotency, presentation, services
from sessions_app.callers import Role
from sessions_app.errors import HiveError, NotFound
from sessions_app.forms import NOT_YET, NewSessionForm, like
from sessions_app.models import AgentSession
from sessions_app.views.account_forms import focus_mistake
from sessions_app.views.answers import attempt, leads_to, not_found, problem, wants_json


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form for a new session; a success leads to the session's page.

    ``?like=ID`` fills it in as that session was. A script that asks for JSON gets the page's
    address, or the mistakes by field.
    """
    if not callers.current().role.covers(Role.OPERATOR):
        raise PermissionDenied("to create sessions takes the role operator")
    if request.method != "POST":
        return _blank(request)
    form = NewSessionForm(request.POST)
    if form.is_valid():
        try:
            created = _create(request, dict(form.cleaned_data))
        except HiveError as error:
            if wants_json(request):
                return problem(error)
            form.add_error(None, error.detail)
        else:
            return leads_to(request, reverse("session", args=[created.id]))
    if wants_json(request):
        return JsonResponse({"errors": form.errors}, status=422)
    focus_mistake(form)
    return render(request, "new.html", {"form": form}, status=422)


def _blank(request: HttpRequest) -> HttpResponse:
    wanted = request.GET.get("like", "")
    if not wanted:
        return render(request, "new.html", {"form": NewSessionForm()})
    try:
        model = services.get(wanted)
    except NotFound as error:
        return not_found(request, error)
    values = like(model)
    context = {
        "form": NewSessionForm(initial=values),
        "like": model,
        "like_title": presentation.title(model.task),
        "profile_gone": "profile" not in values,
    }
    return render(request, "new.html", context)


def _create(request: HttpRequest, values: dict[str, Any]) -> AgentSession:
    """Create it, once for each key, and start it if that is wanted."""
    key = values.pop("key", "") or None
    start, not_before = values.pop("start"), values.pop("not_before")
    wish = {**values, "start": start, "not_before": not_before}
    session, _ = idempotency.once(
        idempotency.intent(key, "new_session", **wish),
        lambda record: services.create(**values, record=record),
        services.get,
    )
    if start not in ("", NOT_YET):
        attempt(request, lambda: services.go_on(session.id, not_before))
    return session
