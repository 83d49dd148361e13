"""The endpoint: who may scrape, and the text in the form that was asked for."""

import asyncio
import importlib
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from sessions_app import callers
from sessions_app.api.answers import problem_of
from sessions_app.conf import current
from sessions_app.errors import Forbidden, HiveError

if TYPE_CHECKING:
    from sessions_app.prometheus.exporter import Exporter

_exporters: "WeakKeyDictionary[asyncio.AbstractEventLoop, Exporter]" = WeakKeyDictionary()


@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    """Figures of the whole installation, for whoever may see all sessions."""
    try:
        caller = callers.current()
        if current().private_sessions and not caller.rules_all:
            raise Forbidden(
                "the figures are of everybody's sessions: with HIVE_PRIVATE_SESSIONS they take an "
                "administrator, or an operator who may act on sessions of others"
            )
    except HiveError as refusal:
        return problem_of(refusal)
    exporter = await _exporter()
    text, content_type = await exporter.text(request.headers.get("Accept", ""))
    return HttpResponse(text, content_type=content_type, headers={"Cache-Control": "no-store"})


async def _exporter() -> "Exporter":
    """This loop's exporter. Its module loads the client library, which takes its time."""
    module = await asyncio.to_thread(importlib.import_module, "sessions_app.prometheus.exporter")
    loop = asyncio.get_running_loop()
    if loop not in _exporters:
        _exporters[loop] = module.Exporter()
    return _exporters[loop]
