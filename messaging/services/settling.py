"""Writes down how a send ended: attempt, leg, the lane's rest, alarms; knows no socket and opens nothing."""

import re
from dataclasses import fields

import structlog
from django.db import connection

from messaging.endings import RECEIVED, After, Policy, after_refusal, after_silence
from messaging.mllp.sender import Accepted, Ending, NoAnswer, Refused
from messaging.models import Attempt, Destination, Outbound
from messaging.services import suspects
from messaging.services.lanes import LostLease
from messaging.services.parcels import Parcel, Told
from messaging.states import Holds, Leg
from pasmirror.lib import alarms, clock

log = structlog.get_logger()
SILENT_ALARM = 3  # silences in a row before the alarm
UNTRUSTED = "destination-untrusted"
ERROR_NUMBER = re.compile(r"[A-Z]{0,2}\d{1,4}")  # HL7 table 0357, or a peer's own like it


def settle(to: Destination, parcel: Parcel, ending: Ending, *, failures: int, suspect: int | None) -> list[Told]:
    """Write down how a send ended, in the caller's transaction; `failures`: the lane's silences in a row so far.

    `suspect`: the lane's message under suspicion of silencing the peer.

    Gives the fates, for the caller to tell. LostLease if somebody else has ended this attempt.
    """
    log.info("delivery.ended", lane=to.code, control_id=parcel.control_id, ending=type(ending).__name__)
    policy = policy_of(to)
    match ending:
        case Accepted():
            told = _heard(to, parcel, failures, suspect)
            return [*told, _close(to, parcel, RECEIVED, Attempt.Ending.ACCEPTED, answer=ending.answer)]
        case Refused():
            told = _heard(to, parcel, failures, suspect)
            return [*told, _refused(to, policy, parcel, ending)]
        case NoAnswer():
            after = after_silence(policy, phase=ending.phase, in_doubt=parcel.in_doubt, failures=failures + 1)
            if after.leg == Leg.ACCEPTED:
                told = _heard(to, parcel, failures, suspect)
                return [*told, _close(to, parcel, after, Attempt.Ending.ACCEPTED, ending.phase, answer=ending.answer)]
            return [_unanswered(to, policy, parcel, ending, after, failures + 1)]


def policy_of(to: Destination) -> Policy:
    """Give what a destination declares about answers."""
    return Policy(**{each.name: getattr(to, each.name) for each in fields(Policy)})


def _refused(to: Destination, policy: Policy, parcel: Parcel, ending: Refused) -> Told:
    after = after_refusal(policy, code=ending.code, err=ending.err, rejects=parcel.rejects + 1)
    Outbound.objects.filter(pk=parcel.outbound).update(rejects=parcel.rejects + 1)
    if after.alarm:
        sentence = f"{to.name} refused message {parcel.control_id} ({ending.code}).{_who_waits(to, after)}"
        alarms.sound(after.alarm, sentence, subject=parcel.control_id)
    # The peer's own words may name the patient: they stay in the answer, with anything that is no error number.
    why = f"{ending.code} {ending.err}" if ERROR_NUMBER.fullmatch(ending.err) else ending.code
    return _close(to, parcel, after, Attempt.Ending.REFUSED, why, why, answer=ending.answer)


def _unanswered(to: Destination, policy: Policy, parcel: Parcel, ending: NoAnswer, after: After, failures: int) -> Told:
    silences = parcel.silences + ending.may_have_left
    if after.leg == Leg.SENDING and ending.may_have_left and suspects.suspect(to, policy, parcel, silences):
        after, failures = suspects.HELD, 0  # the others' turn: their silence is counted anew
    _note_silence(to, parcel, ending, silences=silences, failures=failures, rest=after.wait or policy.backoff(failures))
    if failures >= SILENT_ALARM:
        alarms.sound("destination-silent", f"{to.name} has not answered {failures} times.", subject=to.code)
    if ending.phase == "tls":
        alarms.sound(UNTRUSTED, f"There is no TLS connection to {to.name}: {ending.detail}.", subject=to.code)
    if after.alarm:
        sentence = f"{to.name} has not answered message {parcel.control_id} ({ending.phase}).{_who_waits(to, after)}"
        alarms.sound(after.alarm, sentence, subject=parcel.control_id)
    detail = f"{ending.phase}: {ending.detail}" if ending.phase == "tls" else ending.phase
    reason = f"no answer ({ending.phase})"
    return _close(to, parcel, after, Attempt.Ending.NO_ANSWER, detail, reason, answer=ending.answer)


def _note_silence(
    to: Destination, parcel: Parcel, ending: NoAnswer, *, silences: int, failures: int, rest: float
) -> None:
    """Count it with the message, and let the lane rest for `rest` seconds; what never left was no attempt."""
    speaker = Outbound.Speaker.MIRROR if ending.may_have_left or parcel.sent_before else Outbound.Speaker.NOBODY
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_outbound SET attempts = attempts - %s, speaker = %s, silences = %s WHERE id = %s",
            [int(not ending.may_have_left), speaker, silences, parcel.outbound],
        )
        cursor.execute(
            "UPDATE messaging_lane SET failures = %s, rest_until = clock_timestamp() + %s * interval '1 second' "
            "WHERE destination_id = %s",
            [failures, rest, to.pk],
        )


def _who_waits(to: Destination, after: After) -> str:
    return " Its whole lane waits." if after.leg == Leg.HELD and to.holds == Holds.LANE else ""


def _heard(to: Destination, parcel: Parcel, failures: int, suspect: int | None) -> list[Told]:
    """The peer has answered: it is no longer silent, and neither is a suspect's case open."""
    if failures or suspect is not None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE messaging_lane SET failures = 0, rest_until = NULL WHERE destination_id = %s", [to.pk]
            )
        for code in ("destination-silent", UNTRUSTED):
            alarms.clear(code, subject=to.code)
    return suspects.judge(to, parcel, suspect) if suspect is not None else []


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
