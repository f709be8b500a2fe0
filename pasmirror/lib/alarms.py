"""Raises, clears and lists alarms; a sentence holds ids and codes, never a name or number of a patient."""

import structlog
from django.db import connection

from pasmirror.lib import clock
from pasmirror.lib.models import Alarm

log = structlog.get_logger()


def sound(code: str, sentence: str, *, subject: str = "") -> None:
    """Raise alarm `code` for `subject` unless it stands already; in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lib_alarm (code, subject, sentence, raised_at, acknowledged_by) VALUES (%s, %s, %s, %s, '') "
            "ON CONFLICT (code, subject) WHERE cleared_at IS NULL DO NOTHING",
            [code, subject, sentence, clock.now()],
        )
        if cursor.rowcount:
            log.warning("alarm.raised", code=code, subject=subject)


def clear(code: str, *, subject: str = "") -> None:
    """Clear the standing alarm, if there is one."""
    if Alarm.objects.filter(code=code, subject=subject, cleared_at=None).update(cleared_at=clock.now()):
        log.info("alarm.cleared", code=code, subject=subject)


def standing() -> list[Alarm]:
    """Give the open alarms, oldest first."""
    return list(Alarm.objects.filter(cleared_at=None).order_by("raised_at"))
