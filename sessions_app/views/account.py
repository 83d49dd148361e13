"""One's own account: password and API tokens."""

import math
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from sessions_app import callers, tokens, units
from sessions_app.attempts import Attempts
from sessions_app.callers import Role
from sessions_app.errors import Conflict, HiveError, Invalid
from sessions_app.models import AuditEvent
from sessions_app.views.account_forms import TokenForm, focus_mistake, password_form

#: Tokens that are worth nothing any more and still are listed, the newest ones.
SHOWN_ENDED = 50
#: Whoever has somebody's browser does not thereby learn their password.
_attempts = Attempts()


@require_safe
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Who one is, the password, the tokens."""
    return _page(request)


# Where a form was sent back with mistakes, its address stands in the browser: opening it again
# leads to the page.
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def password(request: HttpRequest) -> HttpResponse:
    """Choose another password; other browsers of this account are signed out by it."""
    if request.method != "POST":
        return redirect("account")
    user, address = _myself(request), callers.current().address
    wait = _attempts.begin(user.username, address) if user.has_usable_password() else 0.0
    if wait:  # what was sent is not looked at: that would be an attempt
        messages.error(request, f"Too many attempts; try again in {math.ceil(wait)} s.")
        return redirect("account")
    form = password_form(user, request.POST)
    if not form.is_valid():
        return _page(request, password_form=form)
    _attempts.succeeded(user.username, address)
    with transaction.atomic():
        form.save()
        update_session_auth_hash(request, user)
        AuditEvent.objects.record("password_changed")
    messages.success(request, "Your password was changed. Other browsers are signed out.")
    return redirect("account")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a token and show it, this once."""
    if request.method != "POST":
        return redirect("account")
    user = _myself(request)
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, token_form=form)
    lasts = form.cleaned_data["lasts"]
    try:
        row, text = tokens.create(
            form.cleaned_data["name"],
            Role(form.cleaned_data["role"]),
            lasts=units.seconds(lasts, "the time") if lasts else None,
            others=callers.current().manages_others,
            user=user,
        )
    except HiveError as error:
        form.add_error("name" if isinstance(error, Invalid | Conflict) else None, error.detail)
        return _page(request, token_form=form)
    return _page(request, made=row, made_text=text)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def revoke_token(request: HttpRequest) -> HttpResponse:
    """Make a token worthless."""
    if request.method != "POST":
        return redirect("account")
    try:
        row = tokens.revoke(request.POST.get("name", ""))
    except HiveError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"The token {row.name} is revoked.")
    return redirect("account")


def _myself(request: HttpRequest) -> User:
    """The account that is signed in.

    Raises:
        PermissionDenied: it is a program, which has none.
    """
    if not isinstance(request.user, User):
        raise PermissionDenied("this takes an account; sign in as yourself")
    return request.user


def _page(request: HttpRequest, **context: Any) -> HttpResponse:
    user = request.user if isinstance(request.user, User) else None
    mistaken = [form for form in context.values() if isinstance(form, forms.BaseForm)]
    for form in mistaken:
        focus_mistake(form)
    now = timezone.now()
    found = [(row, tokens.state(row, now)) for row in tokens.listed()]
    ended = [(row, state) for row, state in found if state != "valid"]
    values = {
        "password_form": password_form(user) if user else None,
        "has_password": bool(user and user.has_usable_password()),
        "token_form": TokenForm() if user else None,
        "tokens": [row for row, state in found if state == "valid"],
        "ended": ended[:SHOWN_ENDED],
        "ended_count": len(ended),
        **context,
    }
    return render(request, "account.html", values, status=422 if mistaken else 200)
