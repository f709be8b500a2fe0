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


_STATUS = """
SELECT count(*), count(*) FILTER (WHERE outcome IN ('applied', 'already', 'filed')),
       count(*) FILTER (WHERE outcome = 'parked'), count(*) FILTER (WHERE outcome = 'refused'),
       count(*) FILTER (WHERE outcome = 'stored'),
       extract(epoch FROM clock_timestamp() - min(received_at) FILTER (WHERE outcome = 'stored'))::float,
       (SELECT max(received_at) FROM messaging_channel)
FROM messaging_inbound
"""
