"""Destinations that only rehearse (`shadow`): what would leave now is marked as such, and no byte of it is sent.

The messages are written and kept like any other, so that an engineer can read what a new destination would have got.
They count as rehearsed, never as sent: no attempt is opened, and the PAS tells that destination of everything.
"""

from django.db import connection

from messaging.models import Destination, Outbound
from messaging.states import Leg
from pasmirror.lib import clock
from patients.models import Fate
from patients.services import fates

SAID = "the destination only rehearses: written, and never sent"
MOST = 500  # messages in one transaction


def play(to: Destination, *, fenced: int) -> int:
    """Mark what is written and was never attempted as rehearsed, in order and in the caller's transaction; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            _PLAY,
            {
                "lane": to.pk,
                "fenced": fenced,
                "most": MOST,
                "leg": Leg.SHADOWED,
                "speaker": Outbound.Speaker.PAS,
                "now": clock.now(),
                "reason": SAID,
            },
        )
        changes = [row[0] for row in cursor.fetchall()]
    fates.tell((change, to.code, Fate.WITHDRAWN, SAID) for change in changes)
    return len(changes)


_PLAY = """
UPDATE messaging_outbound SET leg = %(leg)s, speaker = %(speaker)s, settled_at = %(now)s, reason = %(reason)s
WHERE id IN (
  SELECT o.id FROM messaging_outbound o
  WHERE o.lane_id = %(lane)s AND o.leg = 'queued' AND o.attempts = 0 AND o.body IS NOT NULL AND o.epoch > %(fenced)s
  ORDER BY o.seq LIMIT %(most)s FOR UPDATE SKIP LOCKED)
RETURNING change
"""
