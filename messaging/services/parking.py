"""What a person does with messages that were set aside: apply again, skip, or rule that such messages need nobody.

Whatever waited behind follows by itself, in order. Every decision is audited, with its reason.
"""

from collections.abc import Collection
from datetime import datetime

import structlog
from django.db import transaction

from messaging.models import Hold, Inbound, Ruling
from messaging.selectors import holds
from messaging.states import Outcome
from pasmirror.lib import audit, clock, locks
from pasmirror.lib.actor import Actor
from pasmirror.lib.locks import Lock
from patients.refusals import Refused
from patients.services.taken import WAITS

log = structlog.get_logger()


def release(*, message: int, by: Actor, reason: str) -> int:
    """Apply a parked message again, after what was wrong has been mended; gives how many follow behind it.

    It is parked again if it still cannot be applied. Raises Refused.
    """
    with transaction.atomic():
        _parked(message, reason)
        following = holds.behind([message])
        _again({message, *following})
        _audit("feed.release", by, reason, message, following=len(following))
    return len(following)


def skip(*, message: int, by: Actor, reason: str) -> int:
    """Never apply a parked message; gives how many follow that waited behind it. Raises Refused."""
    with transaction.atomic():
        found = _parked(message, reason)
        following = _let_go([found], f"Skipped by a person; it was set aside as: {found.reason}")
        _audit("feed.skip", by, reason, message, code=found.code, following=len(following))
    return len(following)


def rule(*, sender: str, trigger: str, code: str, until: datetime, by: Actor, reason: str) -> Ruling:
    """File such messages of a sender from now on until a day, and those that are parked now. Raises Refused.

    `sender`: MSH-3 and MSH-4 as "DEMOPAS|RXX"; `trigger`: "ADT^A34"; `code`: why they were set aside.
    """
    if not reason.strip():
        raise Refused("Enter the reason for this decision", "reason")
    if code == WAITS:
        raise Refused("Messages that wait behind another cannot be set aside by a rule: settle the first one", "code")
    at = clock.now()
    if until <= at:
        raise Refused("The rule must end on a day to come", "until")
    with transaction.atomic():
        locks.take(Lock.APPLIER)
        same = Ruling.objects.filter(sender=sender, trigger=trigger, code=code, ended_at=None)
        if same.filter(until__gt=at).exists():
            raise Refused("There is such a rule already")
        same.update(ended_at=at, ended_by=by.as_json())
        made = Ruling.objects.create(
            sender=sender, trigger=trigger, code=code, until=until, reason=reason, made_at=at, by=by.as_json()
        )
        now = Inbound.objects.filter(outcome=Outcome.PARKED, sender=sender, trigger=trigger, code=code)
        filed = list(now.select_for_update().order_by("pk"))
        following = _let_go(filed, f"Set aside by rule {made.pk}")
        said = {"ruling": made.pk, "code": code, "filed": len(filed), "following": len(following)}
        audit.record(action="feed.rule", by=by.because(reason), subject=f"ruling:{made.pk}", detail=said)
    return made


def end_rule(*, ruling: int, by: Actor, reason: str) -> None:
    """End a rule before its day. Raises Refused."""
    if not reason.strip():
        raise Refused("Enter the reason for this decision", "reason")
    with transaction.atomic():
        ended = Ruling.objects.filter(pk=ruling, ended_at=None).update(
            ended_at=clock.now(), ended_by=by.because(reason).as_json()
        )
        if not ended:
            raise Refused("This rule has ended already")
        audit.record(action="feed.end-rule", by=by.because(reason), subject=f"ruling:{ruling}")


def _parked(message: int, reason: str) -> Inbound:
    """Lock a message that is parked on its own account; after the applier, which may just be parking another behind."""
    if not reason.strip():
        raise Refused("Enter the reason for this decision", "reason")
    locks.take(Lock.APPLIER)
    found = Inbound.objects.select_for_update().filter(pk=message).first()
    if found is None or found.outcome != Outcome.PARKED:
        raise Refused("This message is not set aside any more")
    if found.code == WAITS:
        raise Refused("This message waits behind an earlier one of the same patient: settle that one")
    return found


def _let_go(messages: Collection[Inbound], reason: str) -> set[int]:
    """File messages, and let those follow that waited behind them."""
    settled = {message.pk for message in messages}
    following = holds.behind(settled)
    Inbound.objects.filter(pk__in=settled).update(outcome=Outcome.FILED, reason=reason[:300], applied_at=clock.now())
    Hold.objects.filter(message__in=settled).delete()
    _again(following)
    return following


def _again(messages: Collection[int]) -> None:
    """Let the applier take messages once more, each in its place."""
    Hold.objects.filter(message__in=messages).delete()
    Inbound.objects.filter(pk__in=messages).update(
        outcome=Outcome.STORED, code="", reason="", warnings=[], patient=None, applied_at=None
    )


def _audit(action: str, by: Actor, reason: str, message: int, **said: str | int) -> None:
    audit.record(action=action, by=by.because(reason), subject=f"inbound:{message}", detail=dict(said))
    log.info(action, message=message)
