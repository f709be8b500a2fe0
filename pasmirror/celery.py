"""The Celery app: carries wakes to the delivery threads. Knows no task; the truth is in PostgreSQL alone."""

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pasmirror.settings")

app = Celery("pasmirror")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["messaging", "failover"])


@setup_logging.connect
def leave_logging_alone(**_: object) -> None:
    """The settings have said how everything is logged; a listener here keeps Celery from saying otherwise."""
