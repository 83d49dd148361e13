"""Django's registration of sessions_app."""

from django.apps import AppConfig


class SessionsAppConfig(AppConfig):
    """The sessions application."""

    name = "sessions_app"
    verbose_name = "Hive sessions"
    default_auto_field = "django.db.models.BigAutoField"
