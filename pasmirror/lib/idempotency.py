"""Each form carries a key; the first use does the work, every repeat gets the first one's result."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.db import connection

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import IdempotencyKey


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it was sent: its key, and its fields, which make it the same one when it comes again."""

    key: UUID
    fields: tuple[tuple[str, str], ...]

    @classmethod
    def sent(cls, key: UUID, fields: Mapping[str, str]) -> Self:
        """Take the fields as they came, without those that say nothing of what is asked."""
        return cls(key, tuple(sorted((name, str(fields[name])) for name in fields if name not in NOT_ASKED)))


Key = UUID | Form
NOT_ASKED = frozenset({"csrfmiddlewaretoken", "password"})  # a password is kept in no digest


class KeyReused(Exception):
    """The key was used before by somebody else, or for something else: nothing may be reported as done."""


def claim(key: Key, by: Actor, *, asked: Any) -> dict[str, Any] | None:
    """Claim `key` in this transaction: None if it is ours to do, else the result of the first use.

    `asked`: what is asked for, as JSON values, where `key` is not a form, whose fields say it; KeyReused if the key was
    used by another person or for another thing. A second use of the same key waits here until the first has committed
    or rolled back.
    """
    digest = _digest(key, asked)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO lib_idempotencykey (key, by, at, digest) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [_id(key), by.subject, clock.now(), digest],
        )
        if cursor.rowcount == 1:
            return None
    first = IdempotencyKey.objects.get(key=_id(key))
    if (first.by, first.digest) != (by.subject, digest):
        raise KeyReused
    result: dict[str, Any] = first.result or {}
    return result


def earlier(form: Form, by: Actor) -> dict[str, Any] | None:
    """Give what came of this very form when the same person sent it before; None if nothing is committed of it."""
    first = IdempotencyKey.objects.filter(key=form.key, by=by.subject, digest=_digest(form, None)).first()
    return first.result if first else None


def settle(key: Key, result: dict[str, Any]) -> None:
    """Keep what came of `key`, in the transaction that did the work."""
    IdempotencyKey.objects.filter(key=_id(key)).update(result=result)


def _id(key: Key) -> UUID:
    return key.key if isinstance(key, Form) else key


def _digest(key: Key, asked: Any) -> str:
    said = key.fields if isinstance(key, Form) else asked
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
