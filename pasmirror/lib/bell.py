"""The bell: a wake sent through Celery after commit. Losing it costs latency only, so a failed ring is silent."""

import structlog
from celery import current_app
from django.db import transaction

log = structlog.get_logger()
WAKE_EXPIRES = 10  # seconds; an older wake has been overtaken by the sweep


def ring(name: str) -> None:
    """Wake whoever works on `name` (a lane's code, or "tail"); never raises, never retries."""
    try:
        current_app.send_task("messaging.wake", args=[name], expires=WAKE_EXPIRES, retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 - any broker fault at all: the sweep is the guarantee
        log.info("bell.unheard", name=name, error=type(error).__name__)


def ring_after_commit(name: str) -> None:
    """Ring once the present transaction has committed; nothing rings if it rolls back."""
    transaction.on_commit(lambda: ring(name), robust=True)
