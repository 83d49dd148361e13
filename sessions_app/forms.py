"""The form that creates a session; what may be entered is said by sessions_app.validation."""

import shlex
from collections.abc import Callable
from typing import Any, TypeVar

from django import forms

from sessions_app import validation
from sessions_app.conf import current
from sessions_app.errors import Invalid
from sessions_app.lifecycle import Priority
from sessions_app.profiles import DEFAULT_PROFILE, SAMPLE_PROFILE

T = TypeVar("T")

_PROFILE_NOTES = {SAMPLE_PROFILE: " (a harmless demonstration)", DEFAULT_PROFILE: " (default)"}


class NewSessionForm(forms.Form):
    """Task, priority, metadata, arguments, profile, and whether to start at once.

    ``cleaned_data`` has values as :func:`sessions_app.services.create` takes them. Lengths and
    characters are left to the validation that every caller shares, so that all get one answer.
    """

    task = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "autofocus": True, "spellcheck": "true"}),
        label="Task",
        help_text="What the hive is to work on. It reaches the command as one argument, as it is.",
    )
    priority = forms.ChoiceField(
        choices=[(priority.word, priority.word) for priority in Priority],
        initial=Priority.MEDIUM.word,
        label="Priority",
        help_text="Which waiting session runs first.",
    )
    profile = forms.ChoiceField(label="Profile", help_text="The command that is run.")
    args = forms.CharField(
        required=False,
        strip=False,
        label="Extra arguments",
        help_text="As on a command line, with quotes where needed: --max-workers 8",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
        ),
    )
    metadata = forms.CharField(
        required=False,
        strip=False,
        label="Metadata",
        help_text='A JSON object that is kept with the session: {"project": "demo"}',
        widget=forms.Textarea(attrs={"rows": 3, "autocapitalize": "off", "spellcheck": "false"}),
    )
    start = forms.BooleanField(required=False, initial=True, label="Start now")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        profile = self.fields["profile"]
        assert isinstance(profile, forms.ChoiceField)  # noqa: S101 - for the type checker
        profile.choices = [
            (name, name + _PROFILE_NOTES.get(name, "")) for name in current().profiles
        ]
        profile.initial = DEFAULT_PROFILE
        for name in ("task", "args", "metadata"):
            # Django's own check of NUL bytes has other words than ours.
            self.fields[name].validators = []

    def clean_task(self) -> str:
        """Line ends as the task's author typed them: browsers send CRLF for each."""
        return _checked(validation.task, self.cleaned_data["task"].replace("\r\n", "\n"))

    def clean_metadata(self) -> dict[str, Any] | None:
        """A JSON object, or nothing."""
        return _checked(validation.metadata_text, self.cleaned_data["metadata"])

    def clean_args(self) -> list[str]:
        """Words, split as a shell would split them, without any expansion."""
        try:
            words = shlex.split(self.cleaned_data["args"])
        except ValueError as error:
            raise forms.ValidationError(
                f"the arguments cannot be split: {str(error).lower()}"
            ) from None
        return _checked(validation.args, words)


def _checked(check: Callable[[Any], T], value: object) -> T:
    try:
        return check(value)
    except Invalid as error:
        raise forms.ValidationError(error.detail) from None
