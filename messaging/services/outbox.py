"""Decisions on single messages: released to the PAS, skipped, left to the PAS, sent again or set aside by a person."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, Q

from messaging.models import Attempt, Lane, Outbound
from messaging.resends import mark
from messaging.selectors import resending
from messaging.services import rendering
from messaging.states import Leg
from pasmirror.lib import alarms, audit, bell, clock, locks
from pasmirror.lib.actor import Actor
from pasmirror.lib.locks import Lock
from patients.models import Fate
from patients.refusals import Refused
from patients.selectors import gate
from patients.services import fates

TOLD_BY_NAME = ("message-refused", "message-given-up", "message-unanswered")  # alarms whose subject is an MSH-10
# What is written for the PAS bears the mark of whom we have told, and what the PAS holds around the change: that is
# known where it is compared, and nowhere else.
UNMARKED = "It was never written: settle it on the page Discrepancies, and it is compared and written anew"


def leave_to_pas(change: int) -> list[str]:
    """Cancel `change` at every receiver never tried, so that the PAS tells them; in the caller's transaction.

    Gives the codes of the destinations already told (or possibly told): they go into the mark.
    """
    rows = _lock(change, to_pas=False)
    left = [row for row in rows if row.attempts == 0 and row.leg in (Leg.QUEUED, Leg.HELD, Leg.SET_ASIDE)]
    Outbound.objects.filter(pk__in=[row.pk for row in left]).update(
        leg=Leg.LEFT_TO_PAS, speaker=Outbound.Speaker.PAS, settled_at=clock.now(), reason="left to the PAS"
    )
    fates.tell((change, row.lane.destination.code, Fate.LEFT_TO_PAS, "") for row in left)
    return sorted(row.lane.destination.code for row in rows if row.attempts > 0)


def release(change: int, *, told: Sequence[str] = (), facts: Mapping[str, Any] | None = None) -> bool:
    """Queue `change` for the PAS, rendered with the mark of destinations `told`; in the caller's transaction.

    One that the PAS refused goes again as the same bytes. False if there is nothing to release, or it could not be
    rendered (then it is held, with an alarm).
    """
    row = next(iter(_lock(change, to_pas=True)), None)
    if row is None or row.leg not in (Leg.UNRELEASED, Leg.HELD):
        return False
    if row.body is None and not rendering.render(row, told=told, facts=facts):
        return False
    Outbound.objects.filter(pk=row.pk).update(rejects=0, silences=0, settled_at=None)
    _queue(row)
    quiet([row.pk])
    return True


def take_back(changes: Sequence[int]) -> None:
    """Undo `leave_to_pas` and `release` for changes the PAS was never sent; in the caller's transaction."""
    rows = Outbound.objects.filter(change__in=changes, attempts=0)
    rows.filter(lane__destination__is_pas=True, leg=Leg.QUEUED).update(leg=Leg.UNRELEASED, body=None)
    ours = rows.filter(lane__destination__is_pas=False, leg=Leg.LEFT_TO_PAS)
    told = list(ours.values_list("change", "lane__destination__code"))
    ours.update(leg=Leg.QUEUED, speaker=Outbound.Speaker.NOBODY, settled_at=None, reason="")
    fates.tell((change, code, Fate.QUEUED, "") for change, code in told)


def skip(change: int, *, reason: str) -> bool:
    """Settle the PAS's copy of `change` as nothing to send; in the caller's transaction. False if it was sent."""
    rows = [row for row in _lock(change, to_pas=True) if row.leg in (Leg.UNRELEASED, Leg.HELD)]
    for row in rows:
        Outbound.objects.filter(pk=row.pk).update(leg=Leg.SKIPPED, settled_at=clock.now(), reason=reason[:300])
        quiet([row.pk])
    return bool(rows)


def why_not_resend(row: Outbound) -> str | None:
    """Say why this message may not be sent (again); None if it may."""
    if row.leg not in (Leg.HELD, Leg.SET_ASIDE):
        return "Only a message that was refused or set aside can be sent again"
    if row.epoch <= gate.now().fenced:
        return "It will never be sent: its epoch was ended by hand-back"
    if _later_received(row):
        return "A later message of this patient has or may have been received: this one would turn the clock back"
    return None


def _later_received(row: Outbound) -> bool:
    """Whether anything later of this person was or may have been received, of whichever record merged into one."""
    if not row.lane.destination.is_pas:
        people = resending.persons({row.patient})
        return any(
            marks.received > mark(row.change, snapshot=row.snapshot)
            for marks in resending.marks(row.lane_id, people).values()
        )
    # What the PAS itself tells is its answer to what was replayed, and nothing later.
    later = Outbound.objects.filter(lane=row.lane_id, patient=row.patient, change__gt=row.change)
    refused = Count("tries", filter=Q(tries__ending=Attempt.Ending.REFUSED))
    return later.annotate(refused=refused).filter(attempts__gt=F("refused")).exists()


def resend(outbound: int, *, by: Actor, reason: str) -> None:
    """Queue a refused message again, the same bytes; Refused if order forbids it."""
    with transaction.atomic():
        locks.share(Lock.GATE)
        lane = Outbound.objects.values_list("lane", flat=True).filter(pk=outbound).first()
        if lane is None:
            raise Refused("There is no such message")
        Lane.objects.select_for_update().get(pk=lane)  # no attempt for a later one is opened meanwhile
        row = Outbound.objects.select_for_update().get(pk=outbound)
        if why := why_not_resend(row):
            raise Refused(why)
        if row.body is None and row.lane.destination.is_pas:
            raise Refused(UNMARKED)
        if not requeue(row):
            raise Refused(f"This message still {row.reason}")
        audit.record(
            action="outbound_resend",
            by=by.because(reason),
            subject=f"outbound:{row.pk}",
            change=row.change,
            epoch=row.epoch,
        )


def requeue(row: Outbound) -> bool:
    """Queue a message that was never received, in the caller's transaction, written first if it has no bytes.

    False if it still cannot be written: then it stays held, and its reason says why.
    """
    if row.body is None and not rendering.render(row):
        return False
    Outbound.objects.filter(pk=row.pk).update(rejects=0, silences=0, settled_at=None)
    _queue(row)
    quiet([row.pk])
    return True


def overtake(outbound: Sequence[int], *, reason: str) -> None:
    """Set held messages aside for which the patient's current state goes instead, in the caller's transaction."""
    if not outbound:
        return
    rows = list(Outbound.objects.select_for_update().filter(pk__in=outbound, leg=Leg.HELD).order_by("pk"))
    give_up([row.pk for row in rows], reason=reason)
    for row in rows:
        quiet([row.pk])


def set_aside(outbound: int, *, by: Actor, reason: str) -> None:
    """Give a message up, so that this patient's later ones may go; Refused while it is on its way.

    One that was sent and never answered may have arrived: the reason says that somebody has asked the receiver.
    """
    with transaction.atomic():
        row = Outbound.objects.select_for_update().filter(pk=outbound).first()
        if row is None:
            raise Refused("There is no such message")
        if not reason.strip():
            raise Refused("Enter why it is given up", "reason")
        if row.leg not in (Leg.HELD, Leg.QUEUED, Leg.SENDING):
            raise Refused("Only a message that waits, was refused or was never answered can be set aside")
        if row.tries.filter(closed_at=None).exists():
            raise Refused("This message is on its way just now")
        Outbound.objects.filter(pk=row.pk).update(leg=Leg.SET_ASIDE, settled_at=clock.now(), reason=reason[:300])
        code = row.lane.destination.code
        fates.tell([(row.change, code, Fate.HELD, "set aside by a person")])
        quiet([row.pk])
        audit.record(
            action="outbound_set_aside",
            by=by.because(reason),
            subject=f"outbound:{row.pk}",
            change=row.change,
            epoch=row.epoch,
        )
        bell.ring_after_commit(code)


def give_up(outbound: Sequence[int], *, reason: str) -> None:
    """Set messages aside that nobody will send any more; in the caller's transaction."""
    rows = list(Outbound.objects.select_related("lane__destination").filter(pk__in=outbound))
    Outbound.objects.filter(pk__in=outbound).update(leg=Leg.SET_ASIDE, settled_at=clock.now(), reason=reason[:300])
    fates.tell((row.change, row.lane.destination.code, Fate.HELD, reason) for row in rows)


def doubt(*, reason: str) -> int:
    """Set aside what receivers may have had from us already, for a person to compare; in the caller's transaction.

    The caller holds the gate alone, so that nothing is being sent. Gives how many messages.
    """
    open_ones = Outbound.objects.filter(lane__destination__is_pas=False, leg__in=(Leg.QUEUED, Leg.SENDING))
    doubtful = list(open_ones.filter(epoch__gt=gate.now().fenced).values_list("pk", flat=True))
    Attempt.objects.filter(outbound__in=doubtful, closed_at=None).update(
        closed_at=clock.now(), ending=Attempt.Ending.NO_ANSWER, detail="database restored"
    )
    give_up(doubtful, reason=reason)
    return len(doubtful)


def _lock(change: int, *, to_pas: bool) -> list[Outbound]:
    """Lock the change's own messages in the order of their lanes; not what is sent again by order."""
    return list(
        Outbound.objects.select_for_update(of=("self",))
        .select_related("lane__destination")
        .filter(change=change, order=None, lane__destination__is_pas=to_pas)
        .order_by("lane_id")
    )


def _queue(row: Outbound) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_outbound SET leg = %s, due_at = clock_timestamp(), reason = '' WHERE id = %s",
            [Leg.QUEUED, row.pk],
        )
    code = Lane.objects.values_list("destination__code", flat=True).get(pk=row.lane_id)
    fates.tell([(row.change, code, Fate.QUEUED, "")])
    bell.ring_after_commit(code)


def quiet(outbound: Sequence[int]) -> None:
    """Clear the alarms that any of these messages raised, in the caller's transaction."""
    names = set(Outbound.objects.filter(pk__in=outbound).values_list("control_id", flat=True))
    about = dict.fromkeys(TOLD_BY_NAME, names) | {rendering.ALARM: {str(each) for each in outbound}}
    for alarm in alarms.standing():
        if alarm.subject in about.get(alarm.code, ()):
            alarms.clear(alarm.code, subject=alarm.subject)
