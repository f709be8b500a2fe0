"""Reads where the feed stands: received, applied, set aside, and how far behind the record is."""

from datetime import datetime
from typing import TypedDict

from django.db import connection


class FeedStatus(TypedDict):
    """The feed as console and `manage.py status` show it; `lag_seconds`: the age of the oldest unapplied message."""

    received: int
    applied: int
    exceptions: int
    refused: int
    waiting: int
    lag_seconds: float
    last_received_at: datetime | None


def feed_status() -> FeedStatus:
    """Count all channels' messages by what became of them. `applied` counts what was applied, already so or filed."""
    with connection.cursor() as cursor:
        cursor.execute(_STATUS)
        received, applied, exceptions, refused, waiting, lag, last = cursor.fetchone()
    return FeedStatus(
        received=received,
        applied=applied,
        exceptions=exceptions,
        refused=refused,
        waiting=waiting,
        lag_seconds=max(0.0, lag or 0.0),
        last_received_at=last,
    )


# Each number by an index of its own; what came is counted by the channels, which number it without gaps.
_STATUS = """
SELECT c.received, c.received - p.parked - r.refused - s.waiting, p.parked, r.refused, s.waiting,
       extract(epoch FROM clock_timestamp() - s.oldest)::float, c.newest
FROM (SELECT coalesce(sum(last), 0)::bigint AS received, max(received_at) AS newest FROM messaging_channel) c,
     (SELECT count(*) AS parked FROM messaging_inbound WHERE outcome = 'parked') p,
     (SELECT count(*) AS refused FROM messaging_inbound WHERE outcome = 'refused') r,
     (SELECT count(*) AS waiting, min(received_at) AS oldest FROM messaging_inbound WHERE outcome = 'stored') s
"""
