"""PostgreSQL advisory locks by name; the order in which several may be held is in docs/hazards.md."""

from enum import IntEnum

from django.db import connection


class Lock(IntEnum):
    """One number per thing that is locked by name rather than by row."""

    GATE = 7001  # shared by every save, exclusive for a flip
    SEQUENCER = 7002  # one sequencer at a time
    MONITOR = 7003  # one monitor decides at a time
    SITE = 7004  # applying a site file
    MIGRATE = 7005  # one migration at a time
    RECONCILE = 7006  # one reconciler at a time
    APPLIER = 7007  # one applier at a time for all channels
    GAPS = 7008  # one learns how quiet the feed usually is


def share(lock: Lock) -> None:
    """Take `lock` shared until the transaction ends; waits for an exclusive holder."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [int(lock)])


def take(lock: Lock) -> None:
    """Take `lock` exclusively until the transaction ends; waits for all holders."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(lock)])


def try_take(lock: Lock) -> bool:
    """Take `lock` exclusively until the transaction ends, or answer False at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int(lock)])
        row = cursor.fetchone()
    return bool(row and row[0])
