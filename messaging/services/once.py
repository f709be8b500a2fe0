"""Does a decision once per form: a double click, or a form sent again, is answered with what the first one did."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from pasmirror.lib import idempotency
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.refusals import Refused


def once(key: Key, by: Actor, asked: dict[str, Any], work: Callable[[], str]) -> str:
    """Do `work` and give its sentence, or the sentence of the first time; raises Refused, and then nothing was done.

    `asked`: what is asked for, as JSON values, where the key is not a form, whose fields say it.
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
