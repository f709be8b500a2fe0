"""Reads the lanes: what each holds, for the console, and which have something to send, for wakes and the sweep."""

from datetime import datetime
from typing import Any, TypedDict

from django.db import connection

from messaging.models import Destination, Outbound
from messaging.services import emission
from messaging.states import OPEN_LEGS, Holds, Leg, why_not_send
from patients.selectors import gate


class LaneStatus(TypedDict):
    """One lane as console and `manage.py status` show it; `oldest_seconds`: the age of the oldest open message."""

    code: str
    name: str
    is_pas: bool
    head: int
    unreleased: int
    queued: int
    in_doubt: int
    accepted: int
    held: int
    set_aside: int
    left_to_pas: int
    skipped: int
    shadowed: int
    filtered: int
    resends: int
    oldest_seconds: float | None
    paused: bool
    paused_reason: str
    shadow: bool
    declared: bool
    failures: int
    last_ack_at: datetime | None


def lane_status() -> list[LaneStatus]:
    """Give every lane's counts, the declared ones first, by code."""
    with connection.cursor() as cursor:
        cursor.execute(_STATUS)
        names = [column[0] for column in cursor.description]
        return [_status(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def due(*, for_seconds: float = 0.0) -> list[str]:
    """Name the lanes with something that may leave now and could have for `for_seconds`, and that nobody is sending."""
    stand, valve = gate.now(), emission.now().valve
    codes = []
    able = Destination.objects.filter(declared=True, paused=False, lane__paused_since=None)
    for to in able.order_by("pk"):
        may = {
            name: why_not_send(
                to_pas=to.is_pas,
                mode=stand.mode,
                valve=valve,
                attempted=attempted,
                epoch=stand.epoch,
                fenced=stand.fenced,
            )
            is None
            for name, attempted in (("fresh", False), ("again", True))
        }
        if any(may.values()) and _has_due(to, fenced=stand.fenced, seconds=for_seconds, **may):
            codes.append(to.code)
    return codes


# Asked for every few seconds, so nothing is counted over the whole outbox: what is open, what ended otherwise than
# accepted and what was sent more than once have partial indexes of their own. Numbers have no gap, so all others of a
# lane are accepted; the last answer is that to the newest accepted number, looked for among the newest 100,000.
_STATUS = """
SELECT d.code, d.name, d.is_pas, d.paused OR l.paused_since IS NOT NULL AS paused, d.shadow, d.declared, l.head,
       l.failures, l.filtered,
       CASE WHEN l.paused_since IS NOT NULL THEN l.paused_reason WHEN d.paused THEN 'by the site file' ELSE '' END
         AS paused_reason,
       coalesce(w.unreleased, 0) AS unreleased, coalesce(w.queued, 0) AS queued, coalesce(w.sending, 0) AS sending,
       coalesce(w.held, 0) AS held, coalesce(e.set_aside, 0) AS set_aside, coalesce(e.left_to_pas, 0) AS left_to_pas,
       coalesce(e.skipped, 0) AS skipped, coalesce(e.shadowed, 0) AS shadowed,
       greatest(l.head - coalesce(w.n, 0) - coalesce(e.n, 0), 0) AS accepted, coalesce(r.n, 0)::bigint AS resends,
       extract(epoch FROM clock_timestamp() - w.oldest)::float AS oldest_seconds, a.settled_at AS last_ack_at
FROM messaging_lane l
JOIN messaging_destination d ON d.id = l.destination_id
LEFT JOIN (
  SELECT lane_id, count(*) AS n, count(*) FILTER (WHERE leg = 'unreleased') AS unreleased,
         count(*) FILTER (WHERE leg = 'queued') AS queued, count(*) FILTER (WHERE leg = 'sending') AS sending,
         count(*) FILTER (WHERE leg = 'held') AS held, min(queued_at) FILTER (WHERE leg <> 'unreleased') AS oldest
  FROM messaging_outbound WHERE leg IN ('unreleased', 'queued', 'sending', 'held') GROUP BY lane_id
) w ON w.lane_id = l.destination_id
LEFT JOIN (
  SELECT lane_id, count(*) AS n, count(*) FILTER (WHERE leg = 'set_aside') AS set_aside,
         count(*) FILTER (WHERE leg = 'left_to_pas') AS left_to_pas, count(*) FILTER (WHERE leg = 'skipped') AS skipped,
         count(*) FILTER (WHERE leg = 'shadowed') AS shadowed
  FROM messaging_outbound WHERE leg IN ('set_aside', 'left_to_pas', 'skipped', 'shadowed') GROUP BY lane_id
) e ON e.lane_id = l.destination_id
LEFT JOIN (
  SELECT lane_id, sum(attempts - 1) AS n FROM messaging_outbound WHERE attempts > 1 GROUP BY lane_id
) r ON r.lane_id = l.destination_id
LEFT JOIN LATERAL (
  SELECT settled_at FROM messaging_outbound
  WHERE lane_id = l.destination_id AND leg = 'accepted' AND seq > l.head - 100000 ORDER BY seq DESC LIMIT 1
) a ON true
ORDER BY d.declared DESC, d.code
"""


def _status(row: dict[str, Any]) -> LaneStatus:
    counts = {leg.value: int(row[leg.value]) for leg in Leg}
    return LaneStatus(
        code=row["code"],
        name=row["name"],
        is_pas=row["is_pas"],
        head=row["head"],
        unreleased=counts[Leg.UNRELEASED],
        queued=counts[Leg.QUEUED],
        in_doubt=counts[Leg.SENDING],
        accepted=counts[Leg.ACCEPTED],
        held=counts[Leg.HELD],
        set_aside=counts[Leg.SET_ASIDE],
        left_to_pas=counts[Leg.LEFT_TO_PAS],
        skipped=counts[Leg.SKIPPED],
        shadowed=counts[Leg.SHADOWED],
        filtered=row["filtered"],
        resends=int(row["resends"]),
        oldest_seconds=row["oldest_seconds"],
        paused=row["paused"],
        paused_reason=row["paused_reason"],
        shadow=row["shadow"],
        declared=row["declared"],
        failures=row["failures"],
        last_ack_at=row["last_ack_at"],
    )


# As messaging.services.attempts picks, without locking and without what is merely waiting for an answer. Whether the
# lane may send at all comes first, then its messages in their order, so that a long queue of a dead one costs nothing.
_DUE = """
SELECT EXISTS (
  SELECT 1 FROM messaging_lane l
  WHERE l.destination_id = %(lane)s
    AND coalesce(l.rest_until <= clock_timestamp(), true) AND coalesce(l.next_at <= clock_timestamp(), true)
    AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.pid = l.backend AND l.until > clock_timestamp()
                    AND a.application_name = 'pasmirror lane ' || l.destination_id || ' token ' || l.token))
AND (
  SELECT true FROM messaging_outbound o
  WHERE o.lane_id = %(lane)s AND o.leg IN ('queued', 'sending') AND o.body IS NOT NULL AND o.epoch > %(fenced)s
    AND o.due_at <= clock_timestamp() - %(seconds)s * interval '1 second'
    AND CASE WHEN o.attempts > 0 THEN %(again)s ELSE %(fresh)s END
    AND (o.leg = 'queued' OR NOT %(shadow)s)
    AND NOT EXISTS (
      SELECT 1 FROM messaging_outbound e
      WHERE e.lane_id = o.lane_id AND e.patient = o.patient AND e.seq < o.seq AND e.epoch > %(fenced)s
        AND e.leg IN ('unreleased', 'queued', 'sending', 'held'))
    AND (NOT %(in_line)s OR o.seq = (
      SELECT min(f.seq) FROM messaging_outbound f
      WHERE f.lane_id = %(lane)s AND f.epoch > %(fenced)s AND f.leg IN ('unreleased', 'queued', 'sending', 'held')))
  ORDER BY o.seq LIMIT 1) IS TRUE
"""


def _has_due(to: Destination, *, fenced: int, seconds: float, fresh: bool, again: bool) -> bool:
    how = {"in_line": to.holds == Holds.LANE, "shadow": to.shadow}
    asked = {"lane": to.pk, "fenced": fenced, "seconds": seconds, "fresh": fresh, "again": again, **how}
    with connection.cursor() as cursor:
        cursor.execute(_DUE, asked)
        return bool(cursor.fetchone()[0])


def open_lines(code: str) -> list[str]:
    """Give a line for each message of a lane that has not ended, in order: ids and codes only."""
    rows = Outbound.objects.filter(lane__destination__code=code, leg__in=(*OPEN_LEGS, Leg.SET_ASIDE)).order_by("seq")
    return [
        f"{row.pk}  no. {row.seq}  change {row.change}  {row.event}  {row.leg}  attempts {row.attempts}  {row.reason}"
        for row in rows
    ]
