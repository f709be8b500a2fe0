"""Checks that the whole holds together: lanes, tail, audit chain, journal and ledger; changes nothing."""

from datetime import timedelta
from pathlib import Path

from django.db import connection

from failover.selectors import incidents, ledger
from messaging.models import Destination, Lane
from pasmirror.lib import audit, clock
from patients.models import JournalTail

TAIL_YOUNG = timedelta(seconds=5)
NAMED = 20  # findings of one sort that are named one by one


def findings(anchor: Path) -> list[str]:
    """Give each finding in a sentence that names the row; empty means whole. `anchor` is the audit anchor file."""
    return [*lanes(), *tail(), *journal(), *anchored(anchor), *audit.verify(audit.anchored(anchor)), *balance()]


def anchored(anchor: Path) -> list[str]:
    """Find that the anchor file is gone: without it nothing outside the database tells how long the chain was."""
    gone = not anchor.exists() and audit.head()[0] > 0
    return [f"the audit anchor file {anchor.name} is missing"] if gone else []


def lanes() -> list[str]:
    """Find lanes whose numbers are not 1 to their head without a gap."""
    with connection.cursor() as cursor:
        cursor.execute(_LANES)
        return [
            f"lane {code}: {count} messages numbered {first} to {last}, and its head is {head}"
            for code, count, first, last, head in cursor.fetchall()
        ]


def tail() -> list[str]:
    """Find clerks' changes that have waited too long for their numbers."""
    old = JournalTail.objects.filter(at__lt=clock.now() - TAIL_YOUNG).order_by("pk")
    return _named([f"change {pk} has waited over 5 s for its lane numbers" for pk in old.values_list("pk", flat=True)])


def journal() -> list[str]:
    """Find clerks' changes that are neither on the PAS's lane nor on their way to it."""
    pas = Lane.objects.filter(destination__in=Destination.objects.filter(is_pas=True)).first()
    if pas is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LOST, [pas.pk])
        return _named([f"change {row[0]} is neither on the PAS's lane nor in the tail" for row in cursor.fetchall()])


def balance() -> list[str]:
    """Find a closed incident whose ledger does not balance; an open one may still be open."""
    incident = incidents.latest()
    if incident is None or incident.closed_at is None:
        return []
    return [] if ledger.ledger(incident).balanced else [f"the ledger of incident {incident.pk} does not balance"]


def _named(sentences: list[str]) -> list[str]:
    more = len(sentences) - NAMED
    return [*sentences[:NAMED], f"… and {more} more like that"] if more > 0 else sentences


_LANES = """
SELECT d.code, count(o.id), coalesce(min(o.seq), 0), coalesce(max(o.seq), 0), l.head
FROM messaging_lane l
JOIN messaging_destination d ON d.id = l.destination_id
LEFT JOIN messaging_outbound o ON o.lane_id = l.destination_id
GROUP BY d.code, l.destination_id
HAVING count(o.id) <> l.head OR coalesce(max(o.seq), 0) <> l.head OR coalesce(min(o.seq), 1) <> 1
ORDER BY d.code
"""
_LOST = """
SELECT c.id FROM patients_change c
WHERE c.source = 'clerk'
  AND NOT EXISTS (SELECT 1 FROM messaging_outbound o WHERE o.lane_id = %s AND o.change = c.id AND NOT o.snapshot)
  AND NOT EXISTS (SELECT 1 FROM patients_journaltail t WHERE t.change_id = c.id)
ORDER BY c.id
"""
