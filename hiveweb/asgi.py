"""The ASGI application: Django for HTTP, consumers for websockets, the guard before both."""

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiveweb.settings")
django_application = get_asgi_application()  # before anything that needs the models

from hiveweb import direct  # noqa: E402 - as below
from hiveweb.elsewhere import Proxy  # noqa: E402 - needs the models
from hiveweb.guard import Guard  # noqa: E402 - needs the settings
from hiveweb.reads import Reads  # noqa: E402 - needs the models
from sessions_app import schema  # noqa: E402 - as above
from sessions_app.errors import Conflict  # noqa: E402 - as above
from sessions_app.mcp import http as mcp  # noqa: E402 - imports no SDK until it is asked
from sessions_app.routing import websocket_urlpatterns  # noqa: E402 - needs the models

try:
    schema.refuse_moved()  # under daphne alone nobody else has looked
except Conflict as error:
    raise SystemExit(f"hive: {error.detail}") from None

files = Proxy(django_application)


async def http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Requests: the Model Context Protocol has its own application, all others are Django's, or
    those of another host's Django.
    """
    answer = mcp.application if scope["path"] in mcp.PATHS else files
    if direct.takes(scope):
        answer = direct.application
    await answer(scope, receive, send)


application = Guard(
    ProtocolTypeRouter({"http": http, "websocket": URLRouter(websocket_urlpatterns)}),
    Reads(),
)
