"""The forms of one's own account: the password, a new token."""

from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User

from sessions_app import callers
from sessions_app.callers import Role

_PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
_LASTS = [("30d", "30 days"), ("90d", "90 days"), ("365d", "a year"), ("", "until it is revoked")]
_ROLES = {
    Role.VIEWER: "viewer: sees",
    Role.OPERATOR: "operator: creates and acts",
    Role.ADMINISTRATOR: "administrator: everything",
}


class TokenForm(forms.Form):
    """A new token of one's own, which may no more than oneself."""

    name = forms.CharField(
        max_length=64,
        label="Name",
        help_text="What it is for: letters, digits, dots and dashes.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    role = forms.ChoiceField(label="Role")
    lasts = forms.ChoiceField(choices=_LASTS, initial="90d", required=False, label="Valid for")

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="token_%s")
        mine = callers.current().role
        role = self.fields["role"]
        assert isinstance(role, forms.ChoiceField)  # noqa: S101 - for the type checker
        role.choices = [(r.value, words) for r, words in _ROLES.items() if mine.covers(r)]
        role.initial = (Role.OPERATOR if mine.covers(Role.OPERATOR) else mine).value


class _Told:
    """The rules stand beside the new password before it is typed, and so do its mistakes."""

    fields: dict[str, forms.Field]
    user: User

    def tell(self) -> None:
        """Our words in the place of Django's."""
        first, second = self.fields["new_password1"], self.fields["new_password2"]
        first.help_text = _rules()
        second.label, second.help_text = "New password, once more", ""
        for field in self.fields.values():
            field.widget.attrs.pop("autofocus", None)  # it is not the only form of the page

    def clean(self) -> None:
        """As Django's, but a password that is refused is told beside the first field."""
        self.validate_passwords("new_password1", "new_password2")  # type: ignore[attr-defined]
        self.validate_password_for_user(self.user, "new_password1")  # type: ignore[attr-defined]


class FirstPasswordForm(_Told, SetPasswordForm):  # type: ignore[type-arg]
    """For whoever came by a link and has no password yet."""

    error_messages = {"password_mismatch": "This is not the same password."}  # noqa: RUF012 - Django's

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(user, data)
        self.tell()


class OtherPasswordForm(_Told, PasswordChangeForm):
    """Another password, for whoever knows the present one."""

    error_messages = {  # noqa: RUF012 - Django's
        "password_mismatch": "This is not the same password.",
        "password_incorrect": "This is not your present password.",
    }

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(user, data)
        self.fields["old_password"].label = "Present password"
        self.tell()


def password_form(user: User, data: Any = None) -> "FirstPasswordForm | OtherPasswordForm":
    """The form that fits: who has no password yet is not asked for the present one."""
    kind = OtherPasswordForm if user.has_usable_password() else FirstPasswordForm
    return kind(user, data)


def focus_mistake(form: forms.BaseForm) -> None:
    """The cursor waits in the first field that has a mistake."""
    wrong = next((name for name in form.fields if name in form.errors), None)
    for name, field in form.fields.items():
        field.widget.attrs.pop("autofocus", None)
        if name == wrong:
            field.widget.attrs["autofocus"] = True


def _rules() -> str:
    shortest = next(
        (
            validator.min_length
            for validator in password_validation.get_default_password_validators()
            if isinstance(validator, password_validation.MinimumLengthValidator)
        ),
        1,
    )
    return (
        f"At least {shortest} characters; not like your name, not a common password, not only "
        "digits. A few words in a row are good."
    )
