"""Each form carries a key; the first use does the work, every repeat gets the first one's result."""

from typing import Any
from uuid import UUID

from django.db import connection

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import IdempotencyKey


def claim(key: UUID, by: Actor) -> dict[str, Any] | None:
    """Claim `key` in this transaction: None if it is ours to do, else the result of the first use.

    A second user of the same key waits here until the first has committed or rolled back.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lib_idempotencykey (key, by, at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [key, by.subject, clock.now()],
        )
        if cursor.rowcount == 1:
            return None
    result: dict[str, Any] = IdempotencyKey.objects.get(key=key).result or {}
    return result


def settle(key: UUID, result: dict[str, Any]) -> None:
    """Keep what came of `key`, in the transaction that did the work."""
    IdempotencyKey.objects.filter(key=key).update(result=result)
