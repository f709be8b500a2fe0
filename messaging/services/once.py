"""Does a decision once per form: a double click, or a form sent again, is answered with what the first one did."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction

from pasmirror.lib import idempotency
from pasmirror.lib.actor import Actor
from patients.refusals import Refused


def once(key: UUID, by: Actor, asked: dict[str, Any], work: Callable[[], str]) -> str:
    """Do `work` and give its sentence, or the sentence of the first time; raises Refused, and then nothing was done.

    `asked`: what is asked for, as JSON values.
    """
    try:
        with transaction.atomic():
            first = idempotency.claim(key, by, asked=asked)
            if first is not None:
                return str(first.get("said", ""))
            said = work()
            idempotency.settle(key, {"said": said})
            return said
    except idempotency.KeyReused:
        raise Refused("This form was used before for something else. Open the page again.") from None
