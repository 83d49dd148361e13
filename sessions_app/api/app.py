"""The NinjaAPI: routes together, errors as problem documents, OpenAPI and its page."""

import functools
import logging
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.urls import URLPattern
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Swagger
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from sessions_app import problems
from sessions_app.api import (
    audit,
    bulk,
    cleaning,
    control,
    document,
    events,
    log_places,
    logs,
    nodes,
    outputs,
    overview,
    performance,
    sessions,
    swarms,
    telemetry,
    webhooks,
)
from sessions_app.api.answers import problem, problem_of
from sessions_app.errors import HiveError, Invalid, TooLarge, Unavailable

logger = logging.getLogger(__name__)


class HiveAPI(NinjaAPI):
    """NinjaAPI whose OpenAPI document is complete (document.py)."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """The document."""
        schema = super().get_openapi_schema(**kwargs)
        whole = document.complete(dict(schema))
        schema.clear()
        schema.update(whole)
        return schema


api = HiveAPI(
    title="hiveweb",
    version=document.VERSION,
    urls_namespace="api",
    docs=Swagger(settings={"validatorUrl": None}),  # its default asks a host in the internet
)
api.add_router("", bulk.router)
api.add_router("", sessions.router)
api.add_router("", control.router)
api.add_router("", cleaning.router)
api.add_router("", events.router)
api.add_router("", logs.router)
api.add_router("", log_places.router)
api.add_router("", outputs.router)
api.add_router("", swarms.router)
api.add_router("", audit.router)
api.add_router("", telemetry.router)
api.add_router("", performance.router)
api.add_router("", overview.router)
api.add_router("", nodes.router)
api.add_router("", webhooks.router)


@api.exception_handler(HiveError)
def _ours(request: HttpRequest, error: HiveError) -> HttpResponse:
    return problem_of(error)


@api.exception_handler(ValidationError)
def _refused(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [{"where": _where(found["loc"]), "what": str(found["msg"])} for found in error.errors]
    detail = "; ".join(f"{wrong['where']}: {wrong['what']}" for wrong in errors)
    return problem(422, Invalid.code, detail, errors)


def _where(location: tuple[str | int, ...]) -> str:
    """``body.task`` for ("body", "body", "task"): the name of our argument is left out."""
    source, *inside = location
    if inside and source in ("body", "query"):
        inside = inside[1:] if source == "body" or len(inside) > 1 else inside
    return ".".join(str(part) for part in (source, *inside))


@api.exception_handler(HttpError)
def _unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja raises this for a body that is no JSON."""
    code = Invalid.code if error.status_code < 500 else "internal"
    return problem(error.status_code, code, f"{error.message}: it must be JSON in UTF-8")


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem_of(TooLarge())


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def _database(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("%s %s: the database: %s", request.method, request.path, error)
    return problem_of(Unavailable("the database cannot be used now; try again"))


@api.exception_handler(Exception)
def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem(500, "internal", problems.INTERNAL)


@csrf_exempt
def not_found(request: HttpRequest) -> HttpResponse:
    """Whatever lies below /api and is not an endpoint."""
    return problem(404, "not_found", "there is no such endpoint; see /api/v1/docs")


def _endpoint(view: Callable[..., Any]) -> Callable[..., Any]:
    """A view of Ninja's that answers HEAD as GET, and what Ninja itself answers as problems."""

    def before(request: HttpRequest) -> bool:
        head = request.method == "HEAD"
        if head:
            request.method = "GET"
        return head

    def after(response: HttpResponseBase, *, head: bool) -> HttpResponseBase:
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            methods = {*response["Allow"].split(", ")}
            methods |= {"HEAD"} if "GET" in methods else set()
            allowed = ", ".join(sorted(methods))
            refusal = problem(405, "method_not_allowed", f"use {allowed} here")
            refusal["Allow"] = allowed
            return refusal
        return _without_body(response) if head else response

    if iscoroutinefunction(view):

        @functools.wraps(view)
        async def async_view(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            head = before(request)
            return after(await view(request, **kwargs), head=head)

        return async_view

    @functools.wraps(view)
    def sync_view(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        head = before(request)
        try:
            return after(view(request, **kwargs), head=head)
        except Http404:  # Ninja's root
            return not_found(request)

    return sync_view


def _without_body(response: HttpResponseBase) -> HttpResponseBase:
    known: dict[str, Any] = {"status": response.status_code, "headers": dict(response.items())}
    bare: HttpResponseBase
    if response.streaming and "Content-Length" not in response:  # nobody is to say that it is 0
        bare = StreamingHttpResponse(_nothing(), **known)
    else:
        bare = HttpResponse(**known)
    if "Content-Type" not in response:  # a 304 has none, and caches would take this one over
        del bare["Content-Type"]
    if isinstance(response, HttpResponse):
        bare.headers.setdefault("Content-Length", str(len(response.content)))
    response.close()
    return bare


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""  # makes it a generator


def _urls() -> tuple[list[URLPattern], str, str]:
    patterns, app_name, namespace = api.urls
    found = []
    for pattern in patterns:
        assert isinstance(pattern, URLPattern)  # noqa: S101 - for the type; Ninja nests nothing
        pattern.callback = _endpoint(pattern.callback)
        found.append(pattern)
    return found, app_name, namespace


#: For ``path("api/v1/", urls)``.
urls = _urls()
