"""Numbers the journal's tail onto the lanes, one sequencer at a time; knows nothing of bytes or sockets.

One transaction: the visible tail rows by change id, the next numbers of every lane that wants them, the heads, the
fates, the audit links. Numbers are gapless because head and rows commit together. One patient's changes never swap:
a save takes the patient's lock before it takes its change id.
"""

from collections import Counter

from django.db import connection, transaction

from messaging.models import Destination
from messaging.selectors.filters import KINDS, WANTED
from messaging.states import Leg
from pasmirror.lib import audit, crash, locks
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from patients.models import Fate
from patients.services import fates


def run_once(limit: int = 1000) -> int:
    """Number up to `limit` changes and link the audit chain; gives how many. 0 while another sequencer works."""
    if not _anything_waits():
        return 0
    with transaction.atomic():
        if not locks.try_take(Lock.SEQUENCER):
            return 0
        lanes = _lock_lanes()
        changes = _take_tail(limit)
        crash.at(Point.NUMBER_TAIL_TAKEN)
        if changes:
            numbered = _number(changes, list(lanes))
            crash.at(Point.NUMBER_NUMBERED)
            _raise_heads(numbered)
            _count_filtered(len(changes), list(lanes), numbered)
            fates.tell((change, lanes[lane], Fate.QUEUED, "") for lane, _, change in numbered)
        audit.link()
        crash.at(Point.NUMBER_LINKED)
    crash.at(Point.NUMBER_COMMITTED)
    return len(changes)


def _anything_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM patients_journaltail) OR EXISTS (SELECT FROM lib_audittail)")
        return bool(cursor.fetchone()[0])


def _lock_lanes() -> dict[int, str]:
    """Lock the lanes of declared destinations in the order of their ids: lane -> code.

    NO KEY: an attempt being opened holds its lane FOR KEY SHARE and is not in the way.
    """
    rows = (
        Destination.objects.filter(declared=True, lane__isnull=False)
        .select_related("lane")
        .select_for_update(of=("lane",), no_key=True)
        .order_by("pk")
    )
    return {row.pk: row.code for row in rows}


def _take_tail(limit: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM patients_journaltail WHERE change_id IN "
            "(SELECT change_id FROM patients_journaltail ORDER BY change_id LIMIT %s) RETURNING change_id",
            [limit],
        )
        return sorted(row[0] for row in cursor.fetchall())


_NUMBER = f"""
INSERT INTO messaging_outbound (lane_id, seq, change, patient, event, epoch, leg, speaker, control_id, attempts,
                                rejects, queued_at, due_at, reason)
SELECT d.id, l.head + row_number() OVER (PARTITION BY d.id ORDER BY c.id), c.id, c.patient_id, c.event, c.epoch,
       CASE WHEN d.is_pas THEN %(unreleased)s ELSE %(queued)s END, '', '', 0, 0, now(), now(), ''
FROM patients_change c CROSS JOIN messaging_destination d JOIN messaging_lane l ON l.destination_id = d.id
WHERE c.id = ANY(%(changes)s) AND d.id = ANY(%(lanes)s)
  AND {WANTED}
RETURNING lane_id, seq, change
"""  # noqa: S608 - of constants


def _number(changes: list[int], lanes: list[int]) -> list[tuple[int, int, int]]:
    """Insert the outbound rows; gives (lane, number, change) each."""
    with connection.cursor() as cursor:
        cursor.execute(
            _NUMBER,
            {
                "changes": changes,
                "lanes": lanes,
                "queued": Leg.QUEUED,
                "unreleased": Leg.UNRELEASED,
                **KINDS,
            },
        )
        return [(row[0], row[1], row[2]) for row in cursor.fetchall()]


def _raise_heads(numbered: list[tuple[int, int, int]]) -> None:
    heads: dict[int, int] = {}
    for lane, seq, _ in numbered:
        heads[lane] = max(seq, heads.get(lane, 0))
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE messaging_lane SET head = %s WHERE destination_id = %s",
            [(head, lane) for lane, head in sorted(heads.items())],
        )


def _count_filtered(changes: int, lanes: list[int], numbered: list[tuple[int, int, int]]) -> None:
    """Count, for each lane, the changes that its destination's filter kept from it."""
    taken = Counter(lane for lane, _, _ in numbered)
    kept_back = [(changes - taken[lane], lane) for lane in lanes if taken[lane] < changes]
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE messaging_lane SET filtered = filtered + %s WHERE destination_id = %s", kept_back)
