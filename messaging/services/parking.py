"""What a person does with messages set aside: apply again, say that it is the same person, skip, or make a rule.

Whatever waited behind follows by itself, in order. Every decision is audited, with its reason.
"""

from collections.abc import Collection
from datetime import datetime

import structlog
from django.db import connection, transaction

from messaging.models import Inbound, Ruling
from messaging.selectors import holds
from messaging.states import SAME_PERSON, Outcome
from pasmirror.lib import audit, clock, locks
from pasmirror.lib.actor import Actor
from pasmirror.lib.locks import Lock
from patients import guard
from patients.refusals import Refused
from patients.services.taken import WAITS

log = structlog.get_logger()
OUR_FAULTS = ("apply-failed",)  # codes that no message is to blame for


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


def same_person(*, message: int, by: Actor, reason: str) -> int:
    """Apply a parked message again as news of the person who has its number here: the identity guard is not asked.

    That holds for this message alone; gives how many follow behind it. Raises Refused.
    """
    with transaction.atomic():
        found = _parked(message, reason)
        if not is_doubted(found):
            raise Refused("There was no doubt about the person in this message: it is set aside for something else")
        following = holds.behind([message])
        _again({message, *following})
        Inbound.objects.filter(pk=message).update(code=SAME_PERSON)
        _audit("feed.same-person", by, reason, message, code=found.code, following=len(following))
    return len(following)


def release_alike(*, message: int, by: Actor, reason: str) -> int:
    """Apply again all that are set aside as this one is: the same sender, trigger and code; gives how many follow.

    For when the site's mapping has been mended. Each is parked again if it still cannot be applied. Raises Refused.
    """
    with transaction.atomic():
        found = _parked(message, reason)
        kind = {"sender": found.sender, "trigger": found.trigger, "code": found.code}
        alike = Inbound.objects.filter(outcome=Outcome.PARKED, **kind)
        released = set(alike.values_list("pk", flat=True))
        following = holds.behind(released) - released
        _again(released | following)
        _audit("feed.release-alike", by, reason, message, **kind, released=len(released), following=len(following))
    return len(following)


def is_doubted(found: Inbound) -> bool:
    """Say whether a message is set aside because it may be of another person, which somebody may know better."""
    return found.outcome == Outcome.PARKED and (found.code, found.reason) in (guard.MISMATCH, guard.RETIRED)


def skip(*, message: int, by: Actor, reason: str) -> int:
    """Never apply a parked message; gives how many follow that waited behind it. Raises Refused."""
    with transaction.atomic():
        found = _parked(message, reason)
        following = _let_go({found.pk}, f"Skipped by a person; it was set aside as: {found.reason}")
        _audit("feed.skip", by, reason, message, code=found.code, following=len(following))
    return len(following)


def rule(*, sender: str, trigger: str, code: str, until: datetime, by: Actor, reason: str) -> Ruling:
    """File such messages of a sender from now on until a day, and those that are parked now. Raises Refused.

    `sender`: MSH-3 and MSH-4 as "DEMOPAS|RXX"; `trigger`: "ADT^A34"; `code`: why they were set aside.
    """
    if not reason.strip():
        raise Refused("Enter the reason for this decision", "reason")
    if refused := why_no_rule(sender=sender, trigger=trigger, code=code):
        raise Refused(refused, "code")
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
        filed = set(now.values_list("pk", flat=True))
        following = _let_go(filed, f"Set aside by rule {made.pk}")
        said = {"ruling": made.pk, "code": code, "filed": len(filed), "following": len(following)}
        audit.record(action="feed.rule", by=by.because(reason), subject=f"ruling:{made.pk}", detail=said)
    return made


def why_no_rule(*, sender: str, trigger: str, code: str) -> str:
    """Say why no rule may be made on such messages; "" if one may."""
    if code == WAITS:
        return "Messages that wait behind another cannot be set aside by a rule: settle the first one"
    if code in OUR_FAULTS:
        return "These were set aside by a fault of PAS Mirror: a rule would hide it. Tell whoever supports PAS Mirror"
    if not sender.strip("|") or not trigger:
        return "Sender or trigger is not known: a rule would silence every such message of every feed. Skip this one"
    return ""


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


def _let_go(settled: Collection[int], reason: str) -> set[int]:
    """File messages, and let those follow that waited behind them."""
    following = holds.behind(settled) - set(settled)
    _run(_REMEMBER, list(settled))
    _run(_FILE, reason[:300], clock.now(), list(settled))
    _run(_UNHOLD, list(settled))
    _again(following)
    return following


def _again(messages: Collection[int]) -> None:
    """Let the applier take messages once more, each in its place."""
    _run(_UNHOLD, list(messages))
    _run(_AGAIN, list(messages))


def _run(statement: str, *values: str | datetime | list[int]) -> None:
    """Run a statement whose last value is a list of messages: one value, however many there are."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _audit(action: str, by: Actor, reason: str, message: int, **said: str | int) -> None:
    audit.record(action=action, by=by.because(reason), subject=f"inbound:{message}", detail=dict(said))
    log.info(action, message=message)


_UNHOLD = "DELETE FROM messaging_hold WHERE message = ANY(%s::bigint[])"
_REMEMBER = """INSERT INTO messaging_numbernamed (message, value) SELECT DISTINCT message, value FROM messaging_hold
WHERE patient IS NULL AND value <> '' AND message = ANY(%s::bigint[])"""
_FILE = "UPDATE messaging_inbound SET outcome = 'filed', reason = %s, applied_at = %s WHERE id = ANY(%s::bigint[])"
_AGAIN = """UPDATE messaging_inbound SET outcome = 'stored', code = '', reason = '', warnings = '[]', patient = NULL,
    applied_at = NULL WHERE id = ANY(%s::bigint[])"""
