"""Django's admin at /admin: rows to search and to look at, for administrators who are signed in.

Nothing is changed here. Facts are facts, and what may be changed has a verb, which checks it, tells
the spawner and leaves a row in the audit trail.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, reverse
from django.utils.html import format_html

from sessions_app import accounts, callers, presentation
from sessions_app.callers import Role, Via
from sessions_app.lifecycle import EventKind, Reason
from sessions_app.models import AgentSession, ApiToken, AuditEvent, SessionEvent
from sessions_app.validation import shorten

#: Ways in and out and to another password are our own pages: they count attempts and leave a trail.
_OURS = ("login", "logout", "password_change", "password_change_done", "autocomplete")
_NOT_OURS = "view_on_site"


class Site(admin.AdminSite):
    """The admin, let in to by role: what Django calls staff plays no part."""

    site_header = site_title = "hiveweb administration"
    index_title = "Rows, to look at"
    index_template = "admin/rows.html"
    empty_value_display = "–"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether an administrator asks, from a browser that is signed in."""
        caller = callers.known()
        return (
            caller is not None
            and caller.via is Via.SESSION
            and caller.role is Role.ADMINISTRATOR
            and request.user.is_authenticated
        )

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """As Django's, but who may not come in is told so, and not sent to sign in."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_permission(request):
                raise PermissionDenied("this takes the role administrator, and an account")
            answer: HttpResponse = inner(request, *args, **kwargs)
            return answer

        return guarded

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Django's without those that have pages of ours."""
        left_out = (*_OURS, _NOT_OURS)
        return [url for url in super().get_urls() if getattr(url, "name", "") not in left_out]


site = Site(name="admin")


class Rows(admin.ModelAdmin):  # type: ignore[type-arg]  # it takes none when it runs
    """Rows that are looked at.

    ``hidden`` columns are neither shown nor searched, not even by a hand-written address.
    """

    actions = None
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a count for each filter reads the whole table
    view_on_site = False
    change_form_template = "admin/row.html"
    hidden: ClassVar[frozenset[str]] = frozenset()

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whoever the site lets in may look."""
        return site.has_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The same."""
        return site.has_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """All columns but the hidden ones."""
        columns = [field.name for field in self.model._meta.fields]
        return [name for name in columns if name not in self.hidden]

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        """By the filters at the side, and by nothing else that an address may say."""
        filters = {getattr(each, "parameter_name", each) for each in self.list_filter}
        exact = lookup.removesuffix("__exact").removesuffix("__isnull")
        return exact in filters and super().lookup_allowed(lookup, value, request)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """There is none: nothing is changed here."""
        raise PermissionDenied("what was done is in the audit events")


def _by(name: str, words: Iterable[str]) -> type[admin.SimpleListFilter]:
    """A filter of a column that has one of these words: no query finds out which there are."""

    class ByWord(admin.SimpleListFilter):
        title = name
        parameter_name = name

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(str(word), str(word)) for word in words]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{name: self.value()}) if self.value() else queryset

    return ByWord


def _time(name: str) -> Callable[[Any, Any], str | None]:
    """A column of times, short enough for a list."""

    @admin.display(description=f"{name.replace('_', ' ')} (UTC)", ordering=name)
    def shown(_rows: Any, row: Any) -> str | None:
        moment = getattr(row, name)
        return f"{moment:%Y-%m-%d %H:%M}" if moment else None

    return shown


@admin.register(AgentSession, site=site)
class Sessions(Rows):
    """Every session."""

    list_display = ("title", "status", "reason", "owner", "made", "page")
    list_filter = ("status", _by("reason", Reason), "profile", "pinned")
    search_fields = ("id", "task", "owner", "swarm_id")
    search_help_text = "Part of the id, the task, the owner or the swarm's id"
    ordering = ("-created", "-id")
    made = _time("created")

    @admin.display(description="Task", ordering="task")
    def title(self, row: AgentSession) -> str:
        """The first line of its task."""
        return shorten(presentation.title(row.task), 100)

    @admin.display(description="Page")
    def page(self, row: AgentSession) -> str:
        """The way to its page."""
        return _link(row.id)


@admin.register(SessionEvent, site=site)
class Events(Rows):
    """What happened to sessions."""

    list_display = ("id", "moment", "kind", "what", "page")
    moment = _time("at")
    list_filter = (_by("kind", EventKind),)
    search_fields = ("session_id",)
    search_help_text = "Part of a session's id"
    ordering = ("-id",)

    @admin.display(description="Data")
    def what(self, row: SessionEvent) -> str:
        """What it recorded."""
        return _brief(row.data)

    @admin.display(description="Session")
    def page(self, row: SessionEvent) -> str:
        """The way to the session's page."""
        return _link(row.session_id)


@admin.register(AuditEvent, site=site)
class Trail(Rows):
    """Who did what."""

    list_display = ("id", "moment", "action", "principal", "via", "address", "what", "page")
    moment = _time("at")
    list_filter = (_by("role", Role), _by("via", Via))
    search_fields = ("action", "principal", "address", "token", "session_id")
    search_help_text = "Part of an action, a name, an address, a token's name or a session's id"
    ordering = ("-id",)

    @admin.display(description="Data")
    def what(self, row: AuditEvent) -> str:
        """What else is known."""
        return _brief(row.data)

    @admin.display(description="Session")
    def page(self, row: AuditEvent) -> str:
        """The way to the session's page."""
        return _link(row.session_id)


@admin.register(ApiToken, site=site)
class Tokens(Rows):
    """Tokens; never what they are looked up by."""

    list_display = ("name", "hint", "role", "user", "made", "ends", "ended", "used")
    made, ends = _time("created"), _time("expires")
    ended, used = _time("revoked"), _time("last_used")
    list_filter = ("role",)
    search_fields = ("name", "created_by", "user__username")
    search_help_text = "Part of a token's name, of whose it is or who made it"
    ordering = ("-created", "-id")
    hidden = frozenset({"digest"})


@admin.register(User, site=site)
class People(Rows):
    """Accounts: names and roles. `hive user` makes and changes them."""

    list_display = ("username", "role", "is_active", "came", "joined")
    came, joined = _time("last_login"), _time("date_joined")
    list_filter = ("is_active",)
    search_fields = ("username",)
    search_help_text = "Part of a name"
    ordering = ("username",)
    readonly_fields = ("role", "others")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """What an account is; the rest of Django's columns means nothing here."""
        return ["username", "role", "others", "is_active", "last_login", "date_joined"]

    @admin.display(description="Role")
    def role(self, row: User) -> str:
        """What they may do."""
        return accounts.role_of(row) or "none"

    @admin.display(description="Acts on sessions of others", boolean=True)
    def others(self, row: User) -> bool:
        """Whether an operator may."""
        return accounts.manages_others(row)


def _brief(data: object) -> str:
    return shorten(json.dumps(data, ensure_ascii=False), 200) if data else ""


def _link(session_id: object) -> str:
    if session_id is None:
        return ""
    url = reverse("session", args=[session_id])
    return format_html('<a href="{}">{}</a>', url, str(session_id)[:8])
