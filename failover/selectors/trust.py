"""Reads what the monitor must be able to trust: the database's clock and the settings that keep a commit durable."""

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """Give the database's clock, not the start of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def unsafe_settings() -> list[str]:
    """Name the settings with which the database could lose an acknowledged save; empty if it is safe."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') "
            "AND setting = 'off' ORDER BY name"
        )
        return [row[0] for row in cursor.fetchall()]
