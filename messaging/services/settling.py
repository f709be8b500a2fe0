"""Writes down how a send ended: attempt, leg, the lane's rest, alarms; knows no socket and opens nothing."""

import re
from dataclasses import fields
from typing import Any

import structlog
from django.db import connection

from messaging.endings import RECEIVED, After, Policy, after_refusal, after_silence
from messaging.mllp.sender import Accepted, Ending, NoAnswer, Refused
from messaging.models import Attempt, Destination, Outbound
from messaging.services import suspects
from messaging.services.lanes import LostLease
from messaging.services.parcels import Parcel
from messaging.states import Holds, Leg
from pasmirror.lib import alarms, clock
from pasmirror.lib.statements import Statement, ask
from patients.models import Fate
from patients.services import fates

log = structlog.get_logger()
SILENT_ALARM = 3  # silences in a row before the alarm
UNTRUSTED = "destination-untrusted"
ERROR_NUMBER = re.compile(r"[A-Z]{0,2}\d{1,4}")  # HL7 table 0357, or a peer's own like it


def settle(to: Destination, parcel: Parcel, ending: Ending, *, failures: int, suspect: int | None) -> Fate:
    """Write down how a send ended, in the caller's transaction; `failures`: the lane's silences in a row so far.

    `suspect`: the lane's message under suspicion of silencing the peer.

    Tells the fates, and gives the message's own. LostLease if somebody else has ended this attempt.
    """
    log.info("delivery.ended", lane=to.code, control_id=parcel.control_id, ending=type(ending).__name__)
    policy = policy_of(to)
    match ending:
        case Accepted():
            _heard(to, parcel, failures, suspect)
            return _close(to, parcel, RECEIVED, Attempt.Ending.ACCEPTED, answer=ending.answer)
        case Refused():
            _heard(to, parcel, failures, suspect)
            return _refused(to, policy, parcel, ending)
        case NoAnswer():
            after = after_silence(policy, phase=ending.phase, in_doubt=parcel.in_doubt, failures=failures + 1)
            if after.leg == Leg.ACCEPTED:
                _heard(to, parcel, failures, suspect)
                return _close(to, parcel, after, Attempt.Ending.ACCEPTED, ending.phase, answer=ending.answer)
            return _unanswered(to, policy, parcel, ending, after, failures + 1)


def policy_of(to: Destination) -> Policy:
    """Give what a destination declares about answers."""
    return Policy(**{each.name: getattr(to, each.name) for each in fields(Policy)})


def _refused(to: Destination, policy: Policy, parcel: Parcel, ending: Refused) -> Fate:
    after = after_refusal(policy, code=ending.code, err=ending.err, rejects=parcel.rejects + 1)
    Outbound.objects.filter(pk=parcel.outbound).update(rejects=parcel.rejects + 1)
    if after.alarm:
        sentence = f"{to.name} refused message {parcel.control_id} ({ending.code}).{_who_waits(to, after)}"
        alarms.sound(after.alarm, sentence, subject=parcel.control_id)
    # The peer's own words may name the patient: they stay in the answer, with anything that is no error number.
    why = f"{ending.code} {ending.err}" if ERROR_NUMBER.fullmatch(ending.err) else ending.code
    return _close(to, parcel, after, Attempt.Ending.REFUSED, why, why, answer=ending.answer)


def _unanswered(to: Destination, policy: Policy, parcel: Parcel, ending: NoAnswer, after: After, failures: int) -> Fate:
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


def _heard(to: Destination, parcel: Parcel, failures: int, suspect: int | None) -> None:
    """The peer has answered: it is no longer silent, and neither is a suspect's case open."""
    if failures or suspect is not None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE messaging_lane SET failures = 0, rest_until = NULL WHERE destination_id = %s", [to.pk]
            )
        for code in ("destination-silent", UNTRUSTED):
            alarms.clear(code, subject=to.code)
    if suspect is not None:
        fates.tell(suspects.judge(to, parcel, suspect))


# Attempt, message and fate at once. Nothing is moved or told where somebody else has closed the attempt.
_CLOSE = """
WITH closed AS (
  UPDATE messaging_attempt SET closed_at = %(now)s, ending = %(ending)s, detail = %(detail)s, answer = %(answer)s
  WHERE id = %(attempt)s AND closed_at IS NULL RETURNING outbound_id),
moved AS (
  UPDATE messaging_outbound o SET leg = %(leg)s, reason = %(reason)s, settled_at = %(settled)s,
         due_at = clock_timestamp() + %(wait)s * interval '1 second'
  FROM closed WHERE o.id = closed.outbound_id RETURNING o.change)
"""
_TELL = fates.telling("SELECT change, %(to)s, %(fate)s, %(now)s, %(told)s FROM moved") + " RETURNING 1"  # noqa: S608


def accepting(to: Destination, parcel: Parcel, ending: Accepted) -> Statement:
    """Give the statement that writes down an accepted send, to be asked together with others before `accepted`."""
    return _closing(to, parcel, RECEIVED, Attempt.Ending.ACCEPTED, answer=ending.answer)


def accepted(to: Destination, parcel: Parcel, done: list[Any], *, failures: int, suspect: int | None) -> Fate:
    """Do what else follows an accepted send; `done`: the rows that `accepting` gave, the rest as for `settle`."""
    log.info("delivery.ended", lane=to.code, control_id=parcel.control_id, ending=Accepted.__name__)
    if not done:
        raise LostLease(parcel.control_id)
    _heard(to, parcel, failures, suspect)
    if suspect is not None:
        fates.tell([(parcel.change, to.code, RECEIVED.fate, "")])  # the last word, should both be of one change
    return RECEIVED.fate


def _closing(
    to: Destination,
    parcel: Parcel,
    after: After,
    ending: Attempt.Ending,
    detail: str = "",
    reason: str = "",
    *,
    answer: bytes | None = None,
) -> Statement:
    now = clock.now()
    return _CLOSE + _TELL, {
        "attempt": parcel.attempt,
        "ending": ending.value,
        "detail": detail[:200],
        "answer": answer,
        "now": now,
        "leg": after.leg.value,
        "reason": reason[:300],
        "settled": now if after.leg in (Leg.ACCEPTED, Leg.SET_ASIDE) else None,
        "wait": after.wait,
        "to": to.code,
        "fate": after.fate.value,
        "told": reason[: fates.LONGEST] if after.leg != Leg.SENDING else "",
    }


def _close(
    to: Destination,
    parcel: Parcel,
    after: After,
    ending: Attempt.Ending,
    detail: str = "",
    reason: str = "",
    *,
    answer: bytes | None = None,
) -> Fate:
    if not ask(_closing(to, parcel, after, ending, detail, reason, answer=answer))[0]:
        raise LostLease(parcel.control_id)
    return after.fate
