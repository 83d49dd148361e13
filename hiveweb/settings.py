"""Django settings. Values come from the environment or an env file, checked at start-up."""

import hashlib
import sys
from pathlib import Path

from hiveweb import databases, logs
from hiveweb.env import Env
from hiveweb.installation import build_conf, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = Env(str(BASE_DIR))

#: The typed settings of sessions_app; see sessions_app.conf.
HIVE = build_conf(ENV, BASE_DIR)

DEBUG = ENV.switch("HIVE_DEBUG", False)
SECRET_KEY = ENV.text("HIVE_SECRET_KEY") or secret_key(HIVE.state_dir)

#: hiveweb.guard decides, in one place and for websockets too, which Host headers are accepted; its
#: rule (addresses, but no strange names, beyond loopback) cannot be expressed in Django's list.
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = [
    # Only there for its runserver; loading Twisted costs every other command a third of a second.
    *(["daphne"] if sys.argv[1:2] == ["runserver"] else []),
    "channels",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "sessions_app",
    "ninja",  # after ours, which makes it import less (sessions_app/lean.py)
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "hiveweb.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "hiveweb.trouble.DatabaseTroubleMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "hiveweb.urls"
ASGI_APPLICATION = "hiveweb.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,  # the API's documentation page is Ninja's
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sessions_app.presentation.people.caller",
            ],
        },
    },
]

DATABASES = {"default": databases.database(ENV, BASE_DIR, HIVE.state_dir)}
INSTALLED_APPS += databases.apps(DATABASES["default"])
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    # What pages and streams of this process listen to; no server can be away from it.
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    **databases.channel_layers(ENV, DATABASES["default"]),
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False  # its default lets other sites read them

#: Ports share one cookie jar: each installation has names of its own.
_ours = hashlib.sha256(f"hiveweb.cookies {SECRET_KEY}".encode()).hexdigest()[:8]
SESSION_COOKIE_NAME = f"hive_{_ours}"
CSRF_COOKIE_NAME = f"hive_csrf_{_ours}"
SESSION_COOKIE_AGE = 30 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "sessions"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

#: What `check --deploy` asks for and hiveweb does for each request instead, since one server is
#: reached by TLS through a proxy and without it on its own machine (docs/decisions/proxies.md).
SILENCED_SYSTEM_CHECKS = [
    "security.W004",  # HSTS: hiveweb.headers sends it with what came by TLS
    "security.W008",  # a redirect to TLS: the proxy where TLS ends redirects; we have one port
    "security.W012",  # a Secure session cookie: hiveweb.headers makes every cookie so behind TLS
    "security.W016",  # a Secure CSRF cookie: the same
]

DEFAULT_EXCEPTION_REPORTER = "hiveweb.reports.Report"

LOGGING = logs.config(ENV)
