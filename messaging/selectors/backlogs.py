"""Reads what waits on every lane, by the partial indexes of the outbox alone: for figures, and for the alarms of lanes.

What has been accepted is never looked at, so it costs as much as what waits.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection


@dataclass(frozen=True, slots=True)
class Backlog:
    """One lane. `oldest_at`: since when its oldest message not ended waits; `attempts`: made at what has not ended.

    `head`: numbers ever given. `failures`: without an answer in a row.
    """

    code: str
    name: str
    is_pas: bool
    declared: bool
    paused: bool
    shadow: bool
    backlog_limit: int
    wait_limit: float
    head: int
    failures: int
    unreleased: int
    queued: int
    in_doubt: int
    held: int
    set_aside: int
    attempts: int
    oldest_at: datetime | None

    @property
    def depth(self) -> int:
        """How many wait to be sent or for a person; not those that wait for the comparison with the PAS."""
        return self.queued + self.in_doubt + self.held


def backlogs() -> list[Backlog]:
    """Give every lane, by code."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        names = [column[0] for column in cursor.description]
        rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [Backlog(**row) for row in rows]


_WAITING = """
SELECT d.code, d.name, d.is_pas, d.declared, d.paused OR l.paused_since IS NOT NULL AS paused, d.shadow,
       d.backlog_limit, d.wait_limit, l.head, l.failures, coalesce(w.unreleased, 0) AS unreleased,
       coalesce(w.queued, 0) AS queued, coalesce(w.in_doubt, 0) AS in_doubt, coalesce(w.held, 0) AS held,
       coalesce(s.set_aside, 0) AS set_aside, coalesce(w.attempts, 0) AS attempts, w.oldest_at
FROM messaging_lane l
JOIN messaging_destination d ON d.id = l.destination_id
LEFT JOIN (
  SELECT lane_id, count(*) FILTER (WHERE leg = 'unreleased') AS unreleased,
         count(*) FILTER (WHERE leg = 'queued') AS queued, count(*) FILTER (WHERE leg = 'sending') AS in_doubt,
         count(*) FILTER (WHERE leg = 'held') AS held, sum(attempts) AS attempts,
         min(queued_at) FILTER (WHERE leg <> 'unreleased') AS oldest_at
  FROM messaging_outbound WHERE leg IN ('unreleased', 'queued', 'sending', 'held') GROUP BY lane_id
) w ON w.lane_id = l.destination_id
LEFT JOIN (
  SELECT lane_id, count(*) AS set_aside FROM messaging_outbound WHERE leg = 'set_aside' GROUP BY lane_id
) s ON s.lane_id = l.destination_id
ORDER BY d.code
"""
