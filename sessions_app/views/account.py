"""One's own account: password and API tokens."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from sessions_app import callers, tokens, units
from sessions_app.callers import Role
from sessions_app.errors import HiveError, Invalid
from sessions_app.models import AuditEvent

_LASTS = [("30d", "30 days"), ("90d", "90 days"), ("365d", "a year"), ("", "for ever")]


class TokenForm(forms.Form):
    """A new token of one's own."""

    name = forms.CharField(max_length=64, label="Name")
    role = forms.ChoiceField(label="Role")
    lasts = forms.ChoiceField(choices=_LASTS, initial="90d", required=False, label="Valid for")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = callers.current().role
        self.fields["role"].choices = [(r.value, r.value) for r in Role if mine.covers(r)]  # type: ignore[attr-defined]
        self.fields["role"].initial = min(mine, Role.OPERATOR, key=list(Role).index).value


@require_safe
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Who one is, the password, the tokens."""
    return _page(request)


@require_POST
@never_cache
def password(request: HttpRequest) -> HttpResponse:
    """Choose another password; other browsers of this account are signed out by it."""
    user = _myself(request)
    form = _password_form(user, request.POST)
    if not form.is_valid():
        return _page(request, password_form=form)
    form.save()
    update_session_auth_hash(request, user)
    AuditEvent.objects.record("password_changed")
    messages.success(request, "Your password was changed. Other browsers are signed out.")
    return redirect("account")


@require_POST
@never_cache
def create_token(request: HttpRequest) -> HttpResponse:
    """Make a token and show it, this once."""
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
            user=_myself(request),
        )
    except HiveError as error:
        form.add_error("name" if isinstance(error, Invalid) else None, error.detail)
        return _page(request, token_form=form)
    return _page(request, made=row, made_text=text)


@require_POST
@never_cache
def revoke_token(request: HttpRequest) -> HttpResponse:
    """Make a token worthless."""
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


def _password_form(user: User, data: Any = None) -> "SetPasswordForm[User]":
    """The form; whoever came by a link and has no password yet is not asked for the old one."""
    kind = PasswordChangeForm if user.has_usable_password() else SetPasswordForm
    return kind(user, data)


def _page(request: HttpRequest, **context: Any) -> HttpResponse:
    user = request.user if isinstance(request.user, User) else None
    now = timezone.now()
    forms_given = [form for form in context.values() if isinstance(form, forms.BaseForm)]
    values = {
        "password_form": _password_form(user) if user else None,
        "has_password": bool(user and user.has_usable_password()),
        "token_form": TokenForm() if user else None,
        "tokens": [(row, tokens.state(row, now)) for row in tokens.listed()],
        **context,
    }
    return render(request, "account.html", values, status=422 if forms_given else 200)
