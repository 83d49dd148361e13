"""Signing in, by name and password or by a one-time link, and out again."""

import logging
import math
from typing import Any

from django import forms
from django.contrib import auth, messages
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from hiveweb.rates import Limiter, bucket_of
from sessions_app import access, accounts, problems
from sessions_app.attempts import Attempts
from sessions_app.callers import Caller, Role, Via
from sessions_app.models import AuditEvent
from sessions_app.views.account_forms import focus_mistake

logger = logging.getLogger(__name__)
_attempts = Attempts()
#: Wrong links cannot be guessed, so nobody is kept from trying; but each of them told in the audit
#: trail would let a stranger fill the disk: 20 of an address at once, then one in 5 s.
_wrong_links = Limiter(1 / 5, 20)
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class SignInForm(AuthenticationForm):
    """Name and password; whoever has no role is told so."""

    error_messages = {  # noqa: RUF012 - as Django's form declares it
        "invalid_login": "The name or the password is wrong. Capitals count in both.",
        "inactive": "This account is disabled.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Name"

    def tie_to_mistake(self) -> None:
        """Fields whose mistake is told above both point there; the cursor waits in the password."""
        focus_mistake(self)
        if not self.non_field_errors():
            return
        self.point_above()
        if self.has_error("__all__", "invalid_login"):
            for field in self.fields.values():
                field.widget.attrs["aria-invalid"] = "true"

    def point_above(self) -> None:
        """What is wrong stands above the fields."""
        for field in self.fields.values():
            field.widget.attrs["aria-describedby"] = "sign-in-error"
        self.fields["username"].widget.attrs.pop("autofocus", None)
        self.fields["password"].widget.attrs["autofocus"] = True

    def confirm_login_allowed(self, user: User) -> None:
        """Refuse who could do nothing here."""
        super().confirm_login_allowed(user)
        if accounts.role_of(user) is None:
            raise forms.ValidationError(
                "This account has no role here; ask an administrator for one.", code="no_role"
            )


@method_decorator(never_cache, name="dispatch")
class SignIn(LoginView):
    """``/login``: the form; ``?key=`` signs in by a one-time link, ``?next=`` leads on."""

    template_name = "login.html"
    form_class = SignInForm
    http_method_names = ["get", "head", "post"]  # noqa: RUF012 - as Django's View declares it

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As ever; where nothing can be written now, that is told, and nothing was used up."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except DatabaseError as error:
            logger.warning("nobody can sign in: the database cannot be used: %s", error)
            form = SignInForm(request)
            form.point_above()
            context = self.get_context_data(form=form, unavailable=True)
            answer = self.render_to_response(context, status=503)
            answer["Retry-After"] = str(problems.RETRY_AFTER)
            return answer

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The form, or a link that is used up. A preview's HEAD uses up nothing.

        A link does nothing to who is signed in: else one that a stranger sends would make them act
        as somebody else without noticing.
        """
        key = request.GET.get("key", "")
        known = request.user
        if isinstance(known, User) and accounts.role_of(known) is not None:
            if key:
                messages.info(request, "You are signed in, so the link was not used.")
            return redirect(self.get_success_url())
        if not key:
            return super().get(request, *args, **kwargs)
        user = _by_link(request, key) if request.method == "GET" else None
        if user is None:
            if not _wrong_links.take(bucket_of([_address(request)])):
                _audit_failure(request, "a one-time link")
            context = self.get_context_data(link_failed=True)
            return self.render_to_response(context, status=403)
        if not user.has_usable_password():
            messages.info(
                request,
                "You are signed in. To sign in again without a link, choose a "
                "password: it is on your account page, under your name above.",
            )
        return redirect("sessions")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Name and password, not more often than :mod:`sessions_app.attempts` allows."""
        wait = _attempts.begin(request.POST.get("username", ""), _address(request))
        if wait:
            seconds = math.ceil(wait)
            # What was sent is not looked at: that would be an attempt.
            form = SignInForm(request, initial={"username": request.POST.get("username", "")})
            form.point_above()
            context = self.get_context_data(form=form, wait=seconds)
            answer = self.render_to_response(context, status=429)
            answer["Retry-After"] = str(seconds)
            return answer
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Name and password were right."""
        with transaction.atomic():
            answer = super().form_valid(form)
            _audit(self.request, form.get_user(), "password")
        _attempts.succeeded(form.get_user().username, _address(self.request))
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """They were not."""
        _audit_failure(self.request, str(form.data.get("username", ""))[:150])
        if isinstance(form, SignInForm):
            form.tie_to_mistake()
        return self.render_to_response(self.get_context_data(form=form), status=403)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """Forget this browser."""
    if request.user.is_authenticated:
        AuditEvent.objects.record("signed_out")
    auth.logout(request)
    messages.info(request, "You are signed out.")
    return redirect("login")


def _by_link(request: HttpRequest, key: str) -> User | None:
    """Use up a link and sign its user in, both or neither."""
    with transaction.atomic():
        user = access.redeem(key)
        if user is not None:
            auth.login(request, user, backend=_BACKEND)
            _audit(request, user, "link")
    return user


def _audit(request: HttpRequest, user: Any, by: str) -> None:
    role = accounts.role_of(user) or Role.VIEWER
    caller = Caller(user.username, role, Via.SESSION, address=_address(request))
    AuditEvent.objects.record("signed_in", caller=caller, by=by)


def _audit_failure(request: HttpRequest, name: str) -> None:
    nobody = Caller("nobody", Role.VIEWER, Via.SESSION, address=_address(request))
    AuditEvent.objects.record("sign_in_failed", caller=nobody, name=name)


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))
