"""The forms that create and change a session; sessions_app.validation says what may be entered."""

import json
import shlex
from collections.abc import Callable
from typing import Any, TypeVar

from django import forms
from django.utils import timezone

from sessions_app import presentation, validation
from sessions_app.cluster import nodes
from sessions_app.conf import Conf, current
from sessions_app.errors import Invalid
from sessions_app.lifecycle import DEFAULT_POOL, OnLost, Priority
from sessions_app.limits import NAMES, Limits
from sessions_app.models import AgentSession
from sessions_app.profiles import DEFAULT_PROFILE, CommandProfile

T = TypeVar("T")
NOW, LATER, NOT_YET = "now", "later", "no"
_PRIORITIES = [(priority.word, priority.word) for priority in Priority]
_PLAIN = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
_LIMIT_HELP = {
    "run_time": "Stop it after so long, pauses left out: 90s, 15m, 2h, 1d.",
    "idle_time": "Stop it when it has neither written nor used the processor for so long.",
    "log_size": "Keep its log within so much disk: 500MB. The middle goes, the run goes on.",
    "memory": "Stop it when its processes use more: 2GB.",
}


class NewSessionForm(forms.Form):
    """Task, priority, metadata, arguments, profile, limits, and when to start.

    ``cleaned_data`` has values as :func:`sessions_app.services.create` takes them, ``start``
    (``now``, ``later`` or ``no``) and ``not_before``. Lengths and characters are left to the
    validation that every caller shares, so that all get one answer.
    """

    task = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 8,
                "autofocus": True,
                "spellcheck": "true",
                "data-max-bytes": validation.MAX_TASK_BYTES,
            }
        ),
        label="Task",
        help_text="What the hive is to work on. It reaches the command as one argument, as it is.",
    )
    priority = forms.ChoiceField(
        choices=_PRIORITIES,
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
        widget=forms.TextInput(attrs=_PLAIN),
    )
    metadata = forms.CharField(
        required=False,
        strip=False,
        label="Metadata",
        help_text='A JSON object that is kept with the session: {"project": "demo"}',
        widget=forms.Textarea(attrs={"rows": 3, "autocapitalize": "off", "spellcheck": "false"}),
    )
    on_usage_limit = forms.ChoiceField(
        required=False,
        label="When the account’s usage limit is reached",
        choices=[("", "as its profile says"), *presentation.ON_USAGE_LIMIT.items()],
    )
    pool = forms.CharField(
        required=False,
        label="Pool",
        help_text="Which hosts may run it: those that serve this pool, or one by its own name.",
        max_length=40,
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": DEFAULT_POOL, "list": "pools"}),
    )
    on_lost = forms.ChoiceField(
        required=False,
        label="When the host that runs it is lost",
        choices=list(presentation.ON_LOST.items()),
    )
    start = forms.ChoiceField(
        required=False,
        initial=NOW,
        label="Start",
        choices=[(NOW, "Start now"), (LATER, "Start later"), (NOT_YET, "Do not start yet")],
        widget=forms.RadioSelect,
    )
    not_before = forms.CharField(
        required=False,
        label="Not before",
        help_text="A time in UTC. It then starts as soon as a slot is free.",
        max_length=40,
        widget=forms.TextInput(attrs={"type": "datetime-local", **_PLAIN}),
    )
    #: The offset of that time from UTC, such as +01:00: scripts know the reader's.
    zone = forms.CharField(required=False, max_length=6, widget=forms.HiddenInput)
    #: Tells one request that is sent twice from two that are alike; scripts make it.
    key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        conf = current()
        profile = self.fields["profile"]
        assert isinstance(profile, forms.ChoiceField)  # noqa: S101 - for the type checker
        about = {
            name: presentation.profile_words(command) for name, command in conf.profiles.items()
        }
        profile.choices = [(name, f"{name}: {words}") for name, words in about.items()]
        profile.initial = DEFAULT_PROFILE
        profile.widget.attrs["data-default"] = DEFAULT_PROFILE
        # What it is and what holds where a field is left empty: static/js/new.js shows it.
        defaults = {name: _defaults(conf, command) for name, command in conf.profiles.items()}
        profile.widget.attrs["data-defaults"] = json.dumps(defaults)
        for name in NAMES:
            self.fields[name] = forms.CharField(
                required=False,
                label=presentation.limit_label(name).capitalize(),
                help_text=_LIMIT_HELP[name],
                max_length=40,
                widget=forms.TextInput(attrs={**_PLAIN, "placeholder": "as its profile says"}),
            )
        for name in ("task", "args", "metadata", "pool", *NAMES):
            # Django's own check of NUL bytes has other words than ours.
            self.fields[name].validators = []

    def limit_fields(self) -> list[forms.BoundField]:
        """The fields of the limits."""
        return [self[name] for name in NAMES]

    def limits_given(self) -> bool:
        """Whether a limit, or what follows a usage limit, has a value or an error."""
        fields = [*self.limit_fields(), self["on_usage_limit"]]
        return any(field.value() or field.errors for field in fields)

    def hosts_given(self) -> bool:
        """Whether a pool, or what follows when a host is lost, has a value that is not usual."""
        usual = ("", None, DEFAULT_POOL, OnLost.FAIL)
        fields = (self["pool"], self["on_lost"])
        return any(field.value() not in usual or field.errors for field in fields)

    def pools(self) -> list[str]:
        """Names that may be entered for the pool: what hosts serve."""
        return nodes.pools()

    def clean_task(self) -> str:
        """Line ends as the task's author typed them: browsers send CRLF for each."""
        return _checked(validation.task, self.cleaned_data["task"].replace("\r\n", "\n"))

    def clean_metadata(self) -> dict[str, Any] | None:
        """A JSON object, or nothing."""
        return _checked(validation.metadata_text, self.cleaned_data["metadata"])

    def clean_pool(self) -> str:
        """The name of a pool, or of a host."""
        return _checked(validation.pool, self.cleaned_data["pool"])

    def clean_args(self) -> list[str]:
        """Words, split as a shell would split them, without any expansion."""
        try:
            words = shlex.split(self.cleaned_data["args"])
        except ValueError as error:
            raise forms.ValidationError(
                f"the arguments cannot be split: {str(error).lower()}"
            ) from None
        return _checked(validation.args, words)

    def clean(self) -> dict[str, Any]:
        """The limits that were given, in one mapping, and the time to start from.

        A mistake is told beside its field.
        """
        limits: dict[str, str] = {}
        for name in NAMES:
            text = self.cleaned_data.pop(name, "")
            if not text:
                continue
            try:
                Limits().with_overrides({name: text})
            except Invalid as error:
                self.add_error(name, error.detail)
            else:
                limits[name] = text
        self.cleaned_data["limits"] = limits
        self._clean_not_before()
        return self.cleaned_data

    def _clean_not_before(self) -> None:
        zone = self.cleaned_data.pop("zone", "") or "+00:00"
        text = self.cleaned_data.pop("not_before", "")
        moment = None
        if self.cleaned_data.get("start") == LATER:
            try:
                moment = validation.not_before(text and f"{text}{zone}")
            except Invalid as error:
                self.add_error("not_before", error.detail)
            else:
                if moment is None:
                    self.add_error("not_before", "say from when on it may start")
                elif moment <= timezone.now():
                    self.add_error("not_before", "this time is past; choose one that is to come")
        self.cleaned_data["not_before"] = moment


def like(session: AgentSession) -> dict[str, Any]:
    """The values by which :class:`NewSessionForm` makes another session of the same kind.

    A profile that is gone is left out, and so is what is as the profile says anyway.
    """
    values = {
        "task": session.task,
        "priority": session.priority_word,
        "args": shlex.join(session.args),
        "metadata": presentation.metadata_text(session.metadata),
        "pool": "" if session.pool == DEFAULT_POOL else session.pool,
        "on_lost": session.on_lost,
    }
    conf = current()
    command = conf.profiles.get(session.profile)
    if command is None:
        return values
    usual, limits = conf.limits_of(command), Limits.stored(session.limits)
    for name in NAMES:
        amount = getattr(limits, name)
        if amount != getattr(usual, name):
            values[name] = "off" if amount is None else presentation.limit_text(name, amount)
    if session.on_usage_limit != command.on_usage_limit:
        values["on_usage_limit"] = session.on_usage_limit
    return {**values, "profile": session.profile}


def _defaults(conf: Conf, command: CommandProfile) -> dict[str, str]:
    limits = conf.limits_of(command)
    words = {name: presentation.limit_words(limits, name) or "no limit" for name in NAMES}
    usage = presentation.ON_USAGE_LIMIT[command.on_usage_limit]
    return {**words, "on_usage_limit": usage, "about": presentation.profile_words(command)}


class UpdateForm(forms.Form):
    """Priority and metadata of a session that waits.

    What it had when the page was made is sent along, so that only what the reader has changed is
    changed, whatever others did meanwhile.
    """

    priority = forms.ChoiceField(choices=_PRIORITIES, label="Priority", show_hidden_initial=True)
    metadata = forms.CharField(
        required=False,
        strip=False,
        label="Metadata",
        help_text="A JSON object, or nothing.",
        widget=forms.Textarea(attrs={"rows": 4, "autocapitalize": "off", "spellcheck": "false"}),
        show_hidden_initial=True,
    )

    def __init__(self, session: AgentSession, data: Any = None) -> None:
        initial = {
            "priority": session.priority_word,
            "metadata": presentation.metadata_text(session.metadata),
        }
        super().__init__(data, initial=initial, auto_id="change_%s")
        self.fields["metadata"].validators = []

    def clean_metadata(self) -> dict[str, Any] | None:
        """A JSON object, or nothing."""
        return _checked(validation.metadata_text, self.cleaned_data["metadata"])

    def changes(self) -> dict[str, Any]:
        """What is to be changed, as :func:`sessions_app.control.update` takes it."""
        changed = {name: self.cleaned_data[name] for name in self.changed_data}
        if "metadata" in changed and changed["metadata"] == self._metadata_before():
            del changed["metadata"]  # written in another way, or with other line ends
        return changed

    def _metadata_before(self) -> object:
        try:
            return validation.metadata_text(self.data.get("initial-metadata", ""))
        except Invalid:
            return ...


def _checked(check: Callable[[Any], T], value: object) -> T:
    try:
        return check(value)
    except Invalid as error:
        raise forms.ValidationError(error.detail) from None
