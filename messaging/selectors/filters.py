"""Which destinations want a change, by the filters the site file declares; the one place that says so.

A filter names what is wanted; an empty one wants all. Wards bind stays and what is written about them, clinics bind
appointments, sites bind both; who a patient is goes to everyone. What moves between two places is told to both.
"""

import json
from typing import Any

from django.db import connection

from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS, Event

WANTED = """
(d.events = '[]' OR d.events ? c.event)
  AND (d.wards = '[]' OR NOT (c.event = ANY(%(stay_events)s) OR c.event = %(document)s AND c.facts ? 'stay')
       OR d.wards ?| ARRAY[c.facts #>> '{stay,place,ward}', c.facts #>> '{prior_place,ward}'])
  AND (d.sites = '[]' OR NOT (c.event = ANY(%(stay_events)s) OR c.event = %(document)s AND c.facts ? 'stay')
       OR d.sites ?| ARRAY[c.facts #>> '{stay,place,site}', c.facts #>> '{prior_place,site}'])
  AND (d.clinics = '[]' OR c.event <> ALL(%(appointment_events)s)
       OR d.clinics ?| ARRAY[c.facts #>> '{appointment,booking,clinic}', c.before #>> '{appointment,booking,clinic}'])
  AND (d.sites = '[]' OR c.event <> ALL(%(appointment_events)s) OR EXISTS (
       SELECT FROM patients_clinic k WHERE d.sites ? k.site AND k.code = ANY(
         ARRAY[c.facts #>> '{appointment,booking,clinic}', c.before #>> '{appointment,booking,clinic}'])))
"""
"""Of a change `c` and a destination `d`, with the parameters of `KINDS`."""
KINDS: dict[str, Any] = {
    "stay_events": list(STAY_EVENTS),
    "appointment_events": list(APPOINTMENT_EVENTS),
    "document": Event.DOCUMENT,
}


def wanting(change: int) -> set[int]:
    """Give the declared destinations, the PAS too, whose filters let a change through."""
    with connection.cursor() as cursor:
        cursor.execute(_WANTING, {"change": change, **KINDS})
        return {row[0] for row in cursor.fetchall()}


_WANTING = (
    "SELECT d.id FROM messaging_destination d JOIN patients_change c ON c.id = %(change)s "  # noqa: S608 - of constants
    f"WHERE d.declared AND {WANTED}"
)


def lets_through(to: int, *, event: str, facts: dict[str, Any]) -> bool:
    """Say whether a destination's filters let through what is told of no change of its own: `facts` as of a change."""
    with connection.cursor() as cursor:
        cursor.execute(_LETS_THROUGH, {"to": to, "event": event, "facts": json.dumps(facts), **KINDS})
        return cursor.fetchone() is not None


_LETS_THROUGH = (
    "SELECT FROM messaging_destination d, "
    "(SELECT %(event)s::text AS event, %(facts)s::jsonb AS facts, '{}'::jsonb AS before) c "
    f"WHERE d.id = %(to)s AND {WANTED}"
)
