"""gunicorn's settings: `gunicorn pasmirror.wsgi -c python:pasmirror.serving`. Knows no page."""

import os

from pasmirror import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pasmirror.settings")

bind = f"{settings.HTTP_HOST}:{settings.HTTP_PORT}"
worker_class = "gthread"
workers = settings.WEB_WORKERS
threads = 8
preload_app = True  # the workers share what the master has loaded
timeout = 30  # seconds without a sign of life from a worker
graceful_timeout = 5
keepalive = 5
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  (a heartbeat, off the disk)
control_socket_disable = True
logconfig_dict = {
    **settings.LOGGING,
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}
