"""Writes down how a send ended: attempt, leg, fate, the lane's rest, alarms; knows no socket and opens nothing."""

from dataclasses import dataclass

import structlog
from django.db import connection

from messaging.endings import After, after_refusal, after_silence
from messaging.mllp.sender import Accepted, Ending, NoAnswer, Refused
from messaging.models import Attempt, Destination, Outbound
from messaging.services.lanes import LostLease
from messaging.states import Leg
from pasmirror.lib import alarms, clock
from patients.models import Fate
from patients.services import fates

log = structlog.get_logger()
SILENT_ALARM = 3  # silences in a row before the alarm


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message with its open attempt, ready to leave. `sent_before`: bytes of it may have left already."""

    outbound: int
    attempt: int
    change: int
    seq: int
    control_id: str
    body: bytes
    rejects: int
    sent_before: bool
    in_doubt: bool


def settle(to: Destination, parcel: Parcel, ending: Ending, *, failures: int) -> None:
    """Write down how a send ended, in the caller's transaction; `failures`: the lane's silences in a row so far.

    LostLease if somebody else has ended this attempt.
    """
    code = to.code
    log.info("delivery.ended", lane=code, control_id=parcel.control_id, ending=type(ending).__name__)
    match ending:
        case Accepted():
            _close(parcel, Attempt.Ending.ACCEPTED, "", ending.answer)
            _move(parcel, After(Leg.ACCEPTED, 0.0, Fate.ACCEPTED), reason="", lane=code)
            _heard(to, failures)
        case Refused():
            _close(parcel, Attempt.Ending.REFUSED, f"{ending.code} {ending.err}".strip(), ending.answer)
            _refused(to, parcel, ending)
            _heard(to, failures)
        case NoAnswer():
            _close(parcel, Attempt.Ending.NO_ANSWER, ending.phase, None)
            _unanswered(to, parcel, ending, failures + 1)


def _refused(to: Destination, parcel: Parcel, ending: Refused) -> None:
    after = after_refusal(
        code=ending.code,
        err=ending.err,
        rejects=parcel.rejects + 1,
        limit=to.reject_limit,
        first=to.retry_after,
        most=to.retry_most,
        to_pas=to.is_pas,
    )
    Outbound.objects.filter(pk=parcel.outbound).update(rejects=parcel.rejects + 1)
    reason = f"{ending.code} {ending.err} {ending.text}".strip()
    _move(parcel, after, reason=reason, lane=to.code, told=f"{ending.code} {ending.err}".strip())
    if after.alarm:
        alarms.sound(
            after.alarm, f"{to.name} refused message {parcel.control_id} ({ending.code}).", subject=parcel.control_id
        )


def _unanswered(to: Destination, parcel: Parcel, ending: NoAnswer, failures: int) -> None:
    after = after_silence(
        phase=ending.phase,
        sent_before=parcel.in_doubt,
        failures=failures,
        first=to.retry_after,
        most=to.retry_most,
    )
    _move(parcel, after, reason=f"no answer ({ending.phase})", lane=to.code)
    if ending.phase == "connect":  # nothing has left: this was no attempt on the wire
        speaker = Outbound.Speaker.MIRROR if parcel.sent_before else Outbound.Speaker.NOBODY
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE messaging_outbound SET attempts = attempts - 1, speaker = %s WHERE id = %s",
                [speaker, parcel.outbound],
            )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_lane SET failures = %s, rest_until = clock_timestamp() + %s * interval '1 second' "
            "WHERE destination_id = %s",
            [failures, after.wait, to.pk],
        )
    if failures >= SILENT_ALARM:
        alarms.sound("destination-silent", f"{to.name} has not answered {failures} times.", subject=to.code)


def _heard(to: Destination, failures: int) -> None:
    """The peer has answered: it is no longer silent."""
    if not failures:
        return
    with connection.cursor() as cursor:
        cursor.execute("UPDATE messaging_lane SET failures = 0, rest_until = NULL WHERE destination_id = %s", [to.pk])
    alarms.clear("destination-silent", subject=to.code)


def _close(parcel: Parcel, ending: Attempt.Ending, detail: str, answer: bytes | None) -> None:
    closed = Attempt.objects.filter(pk=parcel.attempt, closed_at=None).update(
        closed_at=clock.now(), ending=ending, detail=detail[:200], answer=answer
    )
    if not closed:
        raise LostLease(parcel.control_id)


def _move(parcel: Parcel, after: After, *, reason: str, lane: str, told: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_outbound SET leg = %s, reason = %s, settled_at = %s, "
            "due_at = clock_timestamp() + %s * interval '1 second' WHERE id = %s",
            [
                after.leg,
                reason[:300],
                clock.now() if after.leg in (Leg.ACCEPTED, Leg.SET_ASIDE) else None,
                after.wait,
                parcel.outbound,
            ],
        )
    fates.tell([(parcel.change, lane, after.fate, told or reason if after.leg != Leg.SENDING else "")])
