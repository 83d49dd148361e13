"""How endpoints answer: JSON made in a database thread, problems, and what OpenAPI says of both."""

from collections.abc import Callable
from typing import Any, ParamSpec

from django.http import HttpResponse

from sessions_app import db, problems
from sessions_app.api.schemas import Problem
from sessions_app.errors import HiveError, TooManyRequests

P = ParamSpec("P")

#: Errors that every endpoint may answer with: what the gate, the listener below it and the
#: database refuse.
_ALWAYS = (400, 401, 403, 408, 413, 429, 431, 500, 503)


def responses(status: int, schema: Any, *errors: int) -> dict[int, Any]:
    """The ``response`` argument of a route: what it answers, and its errors as problems."""
    return {status: schema, **dict.fromkeys(sorted({*errors, *_ALWAYS}), Problem)}


async def answer(
    status: int, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs
) -> HttpResponse:
    """Run a function that may use the database and send what it returns as JSON.

    It is encoded in the same thread: a registry of 100,000 sessions takes half a second.
    """
    body = await db.call(lambda: problems.encode(function(*args, **kwargs)))
    return HttpResponse(body, status=status, content_type="application/json")


async def show(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
    """:func:`answer`, with 200, for a function that only reads rows."""
    body = await db.read(lambda: problems.encode(function(*args, **kwargs)))
    return HttpResponse(body, content_type="application/json")


def problem(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> HttpResponse:
    """A problem document as a response."""
    return HttpResponse(
        problems.encode(problems.document(status, code, detail, errors)),
        status=status,
        content_type=problems.CONTENT_TYPE,
        headers=problems.headers(status),
    )


def problem_of(error: HiveError) -> HttpResponse:
    """An error of ours as a response."""
    response = problem(error.http_status, error.code, error.detail)
    if isinstance(error, TooManyRequests):
        told = problems.headers(error.http_status, error.retry_after)
        response["Retry-After"] = told["Retry-After"]
    return response
