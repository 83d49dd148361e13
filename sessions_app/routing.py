"""Which consumer serves which websocket path."""

from django.urls import re_path

from sessions_app.consumers import SessionConsumer, SessionsConsumer, UnknownConsumer
from sessions_app.overview_consumer import OverviewConsumer
from sessions_app.telemetry_consumer import TelemetryConsumer

websocket_urlpatterns = [
    re_path(r"^ws/sessions/?$", SessionsConsumer.as_asgi()),
    re_path(r"^ws/sessions/(?P<session_id>[^/]+)/?$", SessionConsumer.as_asgi()),
    re_path(r"^ws/overview/?$", OverviewConsumer.as_asgi()),
    re_path(r"^ws/telemetry/?$", TelemetryConsumer.as_asgi()),
    re_path(r"^", UnknownConsumer.as_asgi()),
]
