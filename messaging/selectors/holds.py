"""Reads who waits behind which parked message, and what follows once it is settled."""

from collections.abc import Collection

from django.db import connection

from messaging.models import Hold
from patients.identifiers import Identifier
from patients.services.taken import Blocked


def standing() -> Blocked:
    """Give everybody who waits, and behind which message."""
    blocked = Blocked()
    for message, patient, *number in Hold.objects.values_list("message", "patient", "type", "authority", "value"):
        if patient is None:
            blocked.add(message, (), (Identifier(*number),))
        else:
            blocked.add(message, (patient,), ())
    return blocked


def behind(messages: Collection[int]) -> set[int]:
    """Give the messages that wait behind these, directly or behind another that does."""
    with connection.cursor() as cursor:
        cursor.execute(_BEHIND, {"heads": list(messages), "first": min(messages, default=0)})
        return {message for (message,) in cursor.fetchall()}


def counts(messages: Collection[int]) -> dict[int, int]:
    """Give how many wait behind each of these."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [list(messages)])
        return dict(cursor.fetchall())


def ahead(message: int) -> list[int]:
    """Give the messages that need a person and behind which this one waits, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_AHEAD, [message])
        return [head for (head,) in cursor.fetchall()]


# Who is held as k is: the same patient, or where there is none the same number.
_NEAR = """LATERAL (
    SELECT h.message FROM messaging_hold h WHERE h.patient = k.patient
    UNION ALL
    SELECT h.message FROM messaging_hold h WHERE h.patient IS NULL AND k.patient IS NULL AND h.value = k.value) near"""
_WAITING = "messaging_inbound i ON i.id = near.message AND i.outcome = 'parked' AND i.code = 'waits' AND i.id > FIRST"
# From whom HEADS hold to who is held by what waits for one of these: everybody is looked at once.
_BEHIND = """WITH RECURSIVE
held(patient, value) AS (
    SELECT patient, CASE WHEN patient IS NULL THEN value END FROM messaging_hold WHERE message = ANY(HEADS)
    UNION
    SELECT o.patient, CASE WHEN o.patient IS NULL THEN o.value END
    FROM held k CROSS JOIN NEAR JOIN WAITING JOIN messaging_hold o ON o.message = i.id
)
SELECT DISTINCT i.id FROM held k CROSS JOIN NEAR JOIN WAITING""".replace("NEAR", _NEAR).replace("WAITING", _WAITING)
_COUNTS = """SELECT asked.head, (SELECT count(*) FROM (BEHIND) waiting)
FROM unnest(%s::bigint[]) AS asked(head)""".replace(
    "BEHIND", _BEHIND.replace("HEADS", "ARRAY[asked.head]").replace("FIRST", "asked.head")
)
_BEHIND = _BEHIND.replace("HEADS", "%(heads)s::bigint[]").replace("FIRST", "%(first)s")
# From who waits to what came before and holds the same, until there is no more.
_AHEAD = """WITH RECURSIVE
chain(message, waits) AS (
    SELECT id, code = 'waits' FROM messaging_inbound WHERE id = %s
    UNION
    SELECT i.id, i.code = 'waits' FROM chain c JOIN messaging_hold k ON k.message = c.message AND c.waits
    CROSS JOIN NEAR
    JOIN messaging_inbound i ON i.id = near.message AND i.outcome = 'parked' AND i.id < c.message
)
SELECT message FROM chain WHERE NOT waits ORDER BY message""".replace("NEAR", _NEAR)
