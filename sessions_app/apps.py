"""Django's registration of sessions_app."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from sessions_app import lean

with lean.without_test_client():
    import ninja  # noqa: F401 - Django would import it next


class SessionsAppConfig(AppConfig):
    """The sessions application."""

    name = "sessions_app"
    verbose_name = "Hive sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """See Django's."""
        from sessions_app.models import postgresql  # noqa: PLC0415 - models come after apps

        connection_created.connect(postgresql.connected)
