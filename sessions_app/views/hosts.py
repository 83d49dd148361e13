"""The hosts: how each does, and for administrators the buttons that drain or forget one."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from sessions_app import callers, db, presentation
from sessions_app.callers import Role
from sessions_app.cluster import forgetting, nodes, standing
from sessions_app.errors import HiveError
from sessions_app.lifecycle import NodeState, Status
from sessions_app.models import AgentSession
from sessions_app.views.answers import told

#: What a state means, for whoever does not know the words.
MEANING: dict[str, str] = {
    NodeState.ACTIVE: "takes sessions",
    NodeState.DRAINING: "takes no further session; what runs goes on to its end",
    NodeState.LOST: "silent for longer than its lease",
    standing.LEFT: "switched off with nothing left to run, or drained: nobody need look after it",
}


@require_safe
@never_cache
def hosts(request: HttpRequest) -> HttpResponse:
    """All hosts; static/js/hosts.js asks for it again and again."""
    administers = callers.current().role.covers(Role.ADMINISTRATOR)
    found = [_host(node) for node in nodes.everybody()]
    there = [host for host in found if not host["gone"]]
    running = _running()
    for host in found:
        host["running"] = running.get(host["name"], 0)
    context = {
        "clustered": db.clustered(),
        "hosts": found,
        "there": len(there),
        "free": sum(host["free"] for host in there),
        "slots": sum(host["slots"] for host in there),
        "administers": administers,
    }
    return render(request, "hosts.html", context)


@require_POST
def drain(request: HttpRequest) -> HttpResponse:
    """Let a host take no further session."""
    return _set(request, wanted=True)


@require_POST
def uncordon(request: HttpRequest) -> HttpResponse:
    """Let it take sessions again."""
    return _set(request, wanted=False)


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    """A host is gone for ever."""
    name = request.POST.get("name", "")
    try:
        sessions = forgetting.forget(name)["sessions"]
    except HiveError as error:  # as below; or it may be alive still
        messages.error(request, told(error))
    else:
        whose = f"{sessions} session{'' if sessions == 1 else 's'}"
        messages.success(request, f"The host {name} is forgotten; {whose} of it stay listed.")
    return redirect("hosts")


def _set(request: HttpRequest, *, wanted: bool) -> HttpResponse:
    name = request.POST.get("name", "")
    try:
        nodes.drain(name, wanted=wanted)
    except HiveError as error:  # not theirs to drain, or there is no such host
        messages.error(request, told(error))
    else:
        what = "takes no further session" if wanted else "takes sessions again"
        messages.success(request, f"The host {name} {what}.")
    return redirect("hosts")


def _running() -> dict[str, int]:
    """Running sessions by host, of those that the reader may see: the list shows no others."""
    rows = AgentSession.objects.visible().filter(status=Status.RUNNING).order_by()
    return dict(rows.values_list("node").annotate(count=Count("id")))


def _host(node: dict[str, Any]) -> dict[str, Any]:
    """A host as the page has it. Ages are by the database's clock, whatever ours says."""
    free = node["free_memory"]
    takes = node["state"] == NodeState.ACTIVE and not node["obstacle"]
    gone = node["state"] in (NodeState.LOST, standing.LEFT)
    return {
        **node,
        "meaning": MEANING[node["state"]],
        "gone": gone,
        "forgettable": gone and node["silent_seconds"] > node["lease"],
        "pools": [pool for pool in node["pools"] if pool != node["name"]],
        "free": max(0, node["slots"] - node["taken"]) if takes else 0,
        "takes": takes,
        "heard": timezone.now() - timedelta(seconds=node["silent_seconds"]),
        "late": node["silent_seconds"] > node["lease"] / 2 and not gone,
        "memory_words": presentation.size(node["memory"]),
        "free_words": "" if free is None or gone else presentation.size(free),
        "load_words": "" if node["load"] is None or gone else f"{node['load']:.2f}",
    }
