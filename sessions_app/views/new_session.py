"""The form for a new session."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from sessions_app import callers, services
from sessions_app.callers import Role
from sessions_app.errors import HiveError
from sessions_app.forms import NewSessionForm
from sessions_app.views.answers import attempt


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form for a new session; a success leads to the session's page."""
    if not callers.current().role.covers(Role.OPERATOR):
        raise PermissionDenied("to create sessions takes the role operator")
    form = NewSessionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        start_now = values.pop("start")
        try:
            created = services.create(**values)
        except HiveError as error:
            form.add_error(None, error.detail)
        else:
            if start_now:
                attempt(request, lambda: services.start(created.id))
            return redirect("session", created.id)
    status = 422 if form.errors else 200
    return render(request, "new.html", {"form": form}, status=status)
