"""Each form carries a key; the first use does the work, every repeat gets the first one's result."""

import hashlib
import json
from typing import Any
from uuid import UUID

from django.db import connection

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import IdempotencyKey


class KeyReused(Exception):
    """The key was used before by somebody else, or for something else: nothing may be reported as done."""


def claim(key: UUID, by: Actor, *, asked: Any) -> dict[str, Any] | None:
    """Claim `key` in this transaction: None if it is ours to do, else the result of the first use.

    `asked`: what is asked for, as JSON values; KeyReused if the key was used by another person or for another thing.
    A second use of the same key waits here until the first has committed or rolled back.
    """
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lib_idempotencykey (key, by, at, digest) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [key, by.subject, clock.now(), digest],
        )
        if cursor.rowcount == 1:
            return None
    first = IdempotencyKey.objects.get(key=key)
    if (first.by, first.digest) != (by.subject, digest):
        raise KeyReused
    result: dict[str, Any] = first.result or {}
    return result


def settle(key: UUID, result: dict[str, Any]) -> None:
    """Keep what came of `key`, in the transaction that did the work."""
    IdempotencyKey.objects.filter(key=key).update(result=result)
