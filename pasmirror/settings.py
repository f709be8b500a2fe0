"""All settings: what differs between sites comes from the environment, secrets from there or the var folder only."""

import os
import secrets
from pathlib import Path
from typing import Any

import structlog
from csp.constants import NONE, SELF
from structlog.typing import Processor

from pasmirror import embedded, logs
from pasmirror.lib.env import Env

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env(os.environ)

# Where a run keeps what it writes, and the site's own file.
VAR = env.path("PASMIRROR_VAR", BASE_DIR / "var")
SITE_FILE = env.path("PASMIRROR_SITE", BASE_DIR / "site.toml")

# Which of several mirrors this is: number blocks declared for another node are never used here.
NODE = env.text("PASMIRROR_NODE", "")

# Ports. The host is this machine alone unless said otherwise.
HTTP_HOST = env.text("PASMIRROR_HTTP_HOST", "127.0.0.1")
HTTP_PORT = env.port("PASMIRROR_HTTP_PORT", 8000)
MLLP_HOST = env.text("PASMIRROR_MLLP_HOST", "127.0.0.1")
MLLP_PORT = env.port("PASMIRROR_MLLP_PORT", 2575)
SIM_BASE_PORT = env.port("PASMIRROR_SIM_BASE_PORT", 2600)
WEB_WORKERS = env.whole("PASMIRROR_WEB_WORKERS", 2, least=1, most=64)

# The database. The pool is one process's share of the server's connections; 0 is none.
TRANSACTION_TIMEOUT = env.whole("PASMIRROR_TRANSACTION_TIMEOUT", 5000)  # milliseconds; 0 is without end
ROLE = env.text("PASMIRROR_ROLE", "command")
POOL = env.whole("PASMIRROR_DB_POOL", 40 if ROLE in ("work", "sweep") else 16, most=200)  # those two: one a lane
DATABASE_URL = env.text("DATABASE_URL", embedded.postgres_url(VAR))
_database = env.database("DATABASE_URL", DATABASE_URL)
_options: dict[str, Any] = _database.pop("OPTIONS")
_session = {
    # Said by every connection, so that a change of the server's default cannot lose an acknowledged save.
    "synchronous_commit": "on",
    "transaction_timeout": str(TRANSACTION_TIMEOUT),
    "lock_timeout": "3000",
    "idle_in_transaction_session_timeout": "60000",
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **_database,
        "CONN_MAX_AGE": 0 if POOL else None,
        "OPTIONS": {
            **_options,
            "connect_timeout": 5,
            "server_side_binding": True,  # client-side quoting of JSON cost a quarter of the applier's time
            "application_name": f"pasmirror-{ROLE}",
            "options": " ".join(f"-c {name}={value}" for name, value in _session.items()),
            **({"pool": {"min_size": 1, "max_size": POOL, "timeout": 5, "max_idle": 60}} if POOL else {}),
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The broker: it carries wakes and nothing else, and may be away.
REDIS_URL = env.broker("REDIS_URL", embedded.redis_url(VAR))
# For whoever rings, in seconds. Without max_retries the client itself goes on for some 4 s when the broker is away.
_patience = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25, "max_retries": 0}
CELERY_BROKER_URL = REDIS_URL
# For the worker, which waits for wakes (1 s at a time): a broker gone without a word is noticed, and asked anew.
_waiting = {
    "socket_connect_timeout": 1.0,
    "socket_timeout": 2.0,
    "socket_keepalive": True,
    "health_check_interval": 5,
}
CELERY_BROKER_TRANSPORT_OPTIONS = _patience if ROLE != "work" else _waiting
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = False
CELERY_RESULT_BACKEND = None
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "wakes"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False

# Who may ask, and how cookies travel.
HTTPS = env.flag("PASMIRROR_HTTPS", default=True)
ALLOWED_HOSTS = env.words("PASMIRROR_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("PASMIRROR_TRUSTED_ORIGINS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True  # wards share their PCs
SESSION_COOKIE_AGE = 12 * 60 * 60  # seconds; one shift
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

# Who may read the figures at /metrics: whoever shows the token, from one of these networks; both where both are given,
# nobody where neither is.
METRICS_TOKEN = env.text("PASMIRROR_METRICS_TOKEN")
METRICS_PEERS = env.networks("PASMIRROR_METRICS_PEERS")

# How alarms are told to the site's hooks: what requests are signed with, and the server that takes mail.
HOOK_SECRET = env.text("PASMIRROR_HOOK_SECRET")
EMAIL_HOST = env.text("PASMIRROR_MAIL_HOST", "localhost")
EMAIL_PORT = env.port("PASMIRROR_MAIL_PORT", 25)
EMAIL_HOST_USER = env.text("PASMIRROR_MAIL_USER")
EMAIL_HOST_PASSWORD = env.text("PASMIRROR_MAIL_PASSWORD")
EMAIL_USE_TLS = env.flag("PASMIRROR_MAIL_TLS", default=False)
DEFAULT_FROM_EMAIL = env.text("PASMIRROR_MAIL_FROM", "pasmirror@localhost")

DEBUG = False
INSTALLED_APPS = [
    "pasmirror",
    "failover",
    "messaging",
    "patients",
    "pasmirror.lib",
    "django_htmx",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "pasmirror.middleware.NoStore",
    "pasmirror.middleware.DatabaseAway",
    "pasmirror.middleware.SignInAgain",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "pasmirror.urls"
WSGI_APPLICATION = "pasmirror.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "environment": "pasmirror.jinja.environment",
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "pasmirror.context_processors.banner",
            ],
        },
    },
]

AUTH_USER_MODEL = "lib.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "/"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "Europe/London"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

_shared: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    logs.exception_by_class,
]
structlog.configure(
    processors=[*_shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "structlog.stdlib.ProcessorFormatter",
            "foreign_pre_chain": [*_shared[1:], logs.text_of_foreign],
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.text("PASMIRROR_LOG_LEVEL", "INFO").upper()},
    "loggers": {
        # Django's own handlers would mail or print a fault's text and frames.
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
    },
}


def _secret_key() -> str:
    """The key from the environment; else one made once and kept in the var folder for this account alone."""
    if key := env.text("PASMIRROR_SECRET_KEY"):
        return key
    path = VAR / "secret-key"
    VAR.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(made, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text()


SECRET_KEY = _secret_key()
env.finish()
if ROLE != "command":
    logs.take_over_uncaught()
