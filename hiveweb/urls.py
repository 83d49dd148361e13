"""Mounting only."""

from django.urls import include, path, re_path

from sessions_app import admin
from sessions_app.api import app as api
from sessions_app.health import healthz, readyz
from sessions_app.prometheus import metrics

urlpatterns = [
    path("api/v1/", api.urls),
    re_path(r"^api(?:/|\Z)", api.not_found),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    path("", include("sessions_app.web_urls")),
]
