"""Django's registration of sessions_app."""

from django.apps import AppConfig

from sessions_app import lean

with lean.without_test_client():
    import ninja  # noqa: F401 - Django would import it next


class SessionsAppConfig(AppConfig):
    """The sessions application."""

    name = "sessions_app"
    verbose_name = "Hive sessions"
    default_auto_field = "django.db.models.BigAutoField"
