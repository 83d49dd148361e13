"""The hosts that run sessions: whoever may read sees them, administrators act."""

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import Field

from sessions_app.api.answers import answer, responses, show
from sessions_app.cluster import forgetting, nodes

router = Router(tags=["hosts"])


class Node(Schema):
    """A host."""

    name: str
    state: Literal["active", "draining", "lost", "left"] = Field(
        description="`left`: gone, and nobody is to look after it: it was switched off with "
        "nothing left to run, or drained"
    )
    draining: bool = Field(description="whether it is to take no further session, lost or not")
    pools: list[str] = Field(description="whose sessions it runs; its own name is one of them")
    slots: int
    taken: int
    memory: int = Field(description="bytes")
    free_memory: int | None = Field(description="of it, at the last heartbeat")
    load: float | None = Field(description="of the last minute, at the last heartbeat")
    processors: int | None = Field(description="that the load is to be seen against")
    version: str
    boot_id: str
    obstacle: str | None = Field(description="what keeps it from starting anything now")
    address: str | None = Field(
        description="where other hosts reach its API; administrators see it"
    )
    lease: float = Field(description="seconds of silence after which it is taken for lost")
    heartbeat: str = Field(description="when it was heard of last, by the database's clock")
    silent_seconds: float
    since: str = Field(description="when its spawner started")
    lost: str | None = Field(description="since when it is lost, or has left")


class Forgotten(Schema):
    """A host that is gone for ever."""

    name: str
    removed: str = Field(description="since when")
    sessions: int = Field(description="that were its; they stay in the list")


class Nodes(Schema):
    """All hosts, by name; empty where one host is all there is."""

    nodes: list[Node]


#: An example of a host.
EXAMPLE: dict[str, Any] = {
    "name": "host-1",
    "state": "active",
    "draining": False,
    "pools": ["default", "host-1"],
    "slots": 40,
    "taken": 12,
    "memory": 16_777_216_000,
    "free_memory": 9_214_361_600,
    "load": 3.41,
    "processors": 8,
    "version": "0.1.0",
    "boot_id": "0b6f3c1e-6a6c-4c8f-9f57-0d3d4b1f7e11",
    "obstacle": None,
    "address": "http://10.0.0.5:8765",
    "lease": 60.0,
    "heartbeat": "2026-11-26T07:00:00+00:00",
    "silent_seconds": 2.113,
    "since": "2026-11-25T21:14:05+00:00",
    "lost": None,
}
#: An example of one that was forgotten.
FORGOTTEN: dict[str, Any] = {
    "name": "host-3",
    "removed": "2026-11-26T07:00:00+00:00",
    "sessions": 118,
}


@router.get(
    "/nodes",
    operation_id="list_nodes",
    summary="List hosts",
    response=responses(200, Nodes),
)
async def list_nodes(request: HttpRequest) -> HttpResponse:
    """The hosts that run sessions, with their states, slots and load; addresses only for
    administrators."""
    return await show(lambda: {"nodes": nodes.everybody()})


@router.post(
    "/nodes/{name}/drain",
    operation_id="drain_node",
    summary="Start nothing more on a host",
    response=responses(200, Node, 404),
)
async def drain_node(request: HttpRequest, name: str) -> HttpResponse:
    """What runs there goes on to its end. Drained already: success. For administrators."""
    return await answer(200, nodes.drain, name)


@router.post(
    "/nodes/{name}/uncordon",
    operation_id="uncordon_node",
    summary="Let a host take sessions again",
    response=responses(200, Node, 404),
)
async def uncordon_node(request: HttpRequest, name: str) -> HttpResponse:
    """The end of a drain. For administrators."""
    return await answer(200, lambda: nodes.drain(name, wanted=False))


@router.post(
    "/nodes/{name}/forget",
    operation_id="forget_node",
    summary="Forget a host that is gone for ever",
    response=responses(200, Forgotten, 404, 409),
)
async def forget_node(request: HttpRequest, name: str) -> HttpResponse:
    """A host that is lost or has left, and silent for longer than its lease. Its sessions stay;
    what only it had of them is gone with it. For administrators."""
    return await answer(200, forgetting.forget, name)
