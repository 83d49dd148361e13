"""Pages while the database cannot be used: they say so (503), not that it is our mistake (500)."""

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sessions_app import problems

logger = logging.getLogger(__name__)


class DatabaseTroubleMiddleware:
    """Answers for views that met a database which is locked, full or away."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Pass the request on."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page that says so; None for what is no trouble of the database."""
        if not isinstance(exception, OperationalError | InterfaceError):
            return None
        logger.error("%s %s: the database: %s", request.method, request.path, exception)
        answer = render(request, "503.html", status=503)
        answer["Retry-After"] = str(problems.RETRY_AFTER)
        return answer
