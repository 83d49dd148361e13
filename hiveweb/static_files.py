"""Static files by WhiteNoise, without a thread for every request that passes by.

WhiteNoise is synchronous: under ASGI, Django would run everything behind it from a thread that
waits; a long poll would hold one for minutes, and stopping the server would wait for it for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # it is untyped
    """WhiteNoise's middleware, in either mode of Django's."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve a static file, or pass the request on."""
        if iscoroutinefunction(self):
            return self._call(request)
        response: HttpResponseBase = super().__call__(request)
        return response

    async def _call(self, request: HttpRequest) -> HttpResponseBase:
        if self.autorefresh:
            found = await asyncio.to_thread(self.find_file, request.path_info)
        else:
            found = self.files.get(request.path_info)
        if found is None:
            passed: HttpResponseBase = await self.get_response(request)
            return passed
        return await asyncio.to_thread(_read, found, request)


def _read(found: Any, request: HttpRequest) -> HttpResponse:
    """WhiteNoise's answer with its file read: they are small, and Django streams async only."""
    answer = found.get_response(request.method, request.META)
    content = b""
    if answer.file is not None:
        with answer.file as file:
            content = file.read()
    response = HttpResponse(content, status=int(answer.status))
    del response["Content-Type"]
    for name, value in answer.headers:
        response[name] = value
    if answer.file is not None:  # an upgrade may have changed the file since we started
        response["Content-Length"] = str(len(content))
    return response
