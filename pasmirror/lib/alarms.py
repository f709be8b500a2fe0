"""Raises, clears and lists alarms; a sentence holds ids and codes, never a name or number of a patient.

Whoever else is to hear of it (the site file's hooks) is told later and elsewhere: here a row is written, no more.
"""

import structlog
from django.db import connection

from pasmirror.lib import clock
from pasmirror.lib.models import Alarm, Notice

log = structlog.get_logger()


def sound(code: str, sentence: str, *, subject: str = "") -> None:
    """Raise alarm `code` for `subject` unless it stands already; in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lib_alarm (code, subject, sentence, raised_at, acknowledged_by) VALUES (%s, %s, %s, %s, '') "
            "ON CONFLICT (code, subject) WHERE cleared_at IS NULL DO NOTHING RETURNING id",
            [code, subject, sentence, clock.now()],
        )
        raised = cursor.fetchone()
        if raised:
            cursor.execute(_NOTICE, [raised[0], Notice.What.RAISED, code])
            log.warning("alarm.raised", code=code, subject=subject)


def clear(code: str, *, subject: str = "") -> None:
    """Clear the standing alarm, if there is one; in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE lib_alarm SET cleared_at = %s WHERE code = %s AND subject = %s AND cleared_at IS NULL RETURNING id",
            [clock.now(), code, subject],
        )
        cleared = cursor.fetchone()
        if cleared:
            cursor.execute(_NOTICE, [cleared[0], Notice.What.CLEARED, code])
            log.info("alarm.cleared", code=code, subject=subject)


def stand_only(code: str, sentences: dict[str, str]) -> None:
    """Let alarm `code` stand for exactly the subjects of `sentences`: sound those, clear all others."""
    for subject, sentence in sentences.items():
        sound(code, sentence, subject=subject)
    for alarm in Alarm.objects.filter(code=code, cleared_at=None).exclude(subject__in=sentences):
        clear(code, subject=alarm.subject)


def standing() -> list[Alarm]:
    """Give the open alarms, oldest first."""
    return list(Alarm.objects.filter(cleared_at=None).order_by("raised_at"))


_NOTICE = """
INSERT INTO lib_notice (hook_id, alarm_id, what, at, state, tries)
SELECT h.id, %s, %s, clock_timestamp(), 'waiting', 0 FROM lib_hook h
WHERE h.declared AND (h.alarms = '[]'::jsonb OR h.alarms @> to_jsonb(%s::text))
"""
