"""The ASGI application: Django for HTTP, consumers for websockets, the guard before both."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiveweb.settings")
django_application = get_asgi_application()  # before anything that needs the models

from hiveweb.guard import Guard  # noqa: E402 - needs the settings
from sessions_app.routing import websocket_urlpatterns  # noqa: E402 - needs the models

application = Guard(
    ProtocolTypeRouter({"http": django_application, "websocket": URLRouter(websocket_urlpatterns)})
)
