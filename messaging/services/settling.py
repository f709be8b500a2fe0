"""Writes down how a send ended: attempt, leg, the lane's rest, alarms; knows no socket and opens nothing."""

import re
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

log = structlog.get_logger()
SILENT_ALARM = 3  # silences in a row before the alarm
ERROR_NUMBER = re.compile(r"[A-Z]{0,2}\d{1,4}")  # HL7 table 0357, or a peer's own like it


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


Told = tuple[int, str, Fate, str]  # a change's fate at a destination, and why, as patients.services.fates takes it


def settle(to: Destination, parcel: Parcel, ending: Ending, *, failures: int) -> Told:
    """Write down how a send ended, in the caller's transaction; `failures`: the lane's silences in a row so far.

    Gives the fate, for the caller to tell. LostLease if somebody else has ended this attempt.
    """
    log.info("delivery.ended", lane=to.code, control_id=parcel.control_id, ending=type(ending).__name__)
    match ending:
        case Accepted():
            _heard(to, failures)
            after = After(Leg.ACCEPTED, 0.0, Fate.ACCEPTED)
            return _close(to, parcel, after, Attempt.Ending.ACCEPTED, answer=ending.answer)
        case Refused():
            _heard(to, failures)
            return _refused(to, parcel, ending)
        case NoAnswer():
            return _unanswered(to, parcel, ending, failures + 1)


def _refused(to: Destination, parcel: Parcel, ending: Refused) -> Told:
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
    if after.alarm:
        alarms.sound(
            after.alarm, f"{to.name} refused message {parcel.control_id} ({ending.code}).", subject=parcel.control_id
        )
    # The peer's own words may name the patient: they stay in the answer, with anything that is no error number.
    why = f"{ending.code} {ending.err}" if ERROR_NUMBER.fullmatch(ending.err) else ending.code
    return _close(to, parcel, after, Attempt.Ending.REFUSED, why, why, answer=ending.answer)


def _unanswered(to: Destination, parcel: Parcel, ending: NoAnswer, failures: int) -> Told:
    after = after_silence(
        phase=ending.phase,
        sent_before=parcel.in_doubt,
        failures=failures,
        first=to.retry_after,
        most=to.retry_most,
    )
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
    return _close(to, parcel, after, Attempt.Ending.NO_ANSWER, ending.phase, f"no answer ({ending.phase})")


def _heard(to: Destination, failures: int) -> None:
    """The peer has answered: it is no longer silent."""
    if not failures:
        return
    with connection.cursor() as cursor:
        cursor.execute("UPDATE messaging_lane SET failures = 0, rest_until = NULL WHERE destination_id = %s", [to.pk])
    alarms.clear("destination-silent", subject=to.code)


# Attempt and message at once. Nothing is moved where somebody else has closed the attempt.
_CLOSE = """
WITH closed AS (
  UPDATE messaging_attempt SET closed_at = %(now)s, ending = %(ending)s, detail = %(detail)s, answer = %(answer)s
  WHERE id = %(attempt)s AND closed_at IS NULL RETURNING outbound_id)
UPDATE messaging_outbound o SET leg = %(leg)s, reason = %(reason)s, settled_at = %(settled)s,
       due_at = clock_timestamp() + %(wait)s * interval '1 second'
FROM closed WHERE o.id = closed.outbound_id
"""


def _close(
    to: Destination,
    parcel: Parcel,
    after: After,
    ending: Attempt.Ending,
    detail: str = "",
    reason: str = "",
    *,
    answer: bytes | None = None,
) -> Told:
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            _CLOSE,
            {
                "attempt": parcel.attempt,
                "ending": ending,
                "detail": detail[:200],
                "answer": answer,
                "now": now,
                "leg": after.leg,
                "reason": reason[:300],
                "settled": now if after.leg in (Leg.ACCEPTED, Leg.SET_ASIDE) else None,
                "wait": after.wait,
            },
        )
        if not cursor.rowcount:
            raise LostLease(parcel.control_id)
    return (parcel.change, to.code, after.fate, reason if after.leg != Leg.SENDING else "")
