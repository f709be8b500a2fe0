"""Which trigger tells which event of a visit, when it happened, and which of the sender's movements it is; pure.

ZBE (IHE PAM, ITI-31): 1 the movement's number, 2 when it began, 4 INSERT, UPDATE or CANCEL, 6 the trigger it was first
told by. Z99 is PAM's own trigger for telling a movement anew.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from messaging.hl7 import pending, times
from messaging.hl7.fields import Reading
from messaging.hl7.read import Message, Segment
from messaging.hl7.segments import facts_of
from patients.facts import Groups
from patients.states import CANCELS, Event

FOLLOWED: dict[str, Event] = {
    "ADT^A01": Event.ADMIT,
    "ADT^A02": Event.TRANSFER,
    "ADT^A03": Event.DISCHARGE,
    "ADT^A04": Event.ATTEND,
    "ADT^A05": Event.PREADMIT,
    "ADT^A06": Event.TO_INPATIENT,
    "ADT^A07": Event.TO_OUTPATIENT,
    "ADT^A08": Event.UPDATE_STAY,
    "ADT^A09": Event.DEPART,
    "ADT^A10": Event.ARRIVE,
    "ADT^A11": Event.CANCEL_ADMIT,
    "ADT^A12": Event.CANCEL_TRANSFER,
    "ADT^A13": Event.CANCEL_DISCHARGE,
    "ADT^A14": Event.PLAN_ADMIT,
    "ADT^A15": Event.PLAN_TRANSFER,
    "ADT^A16": Event.PLAN_DISCHARGE,
    "ADT^A21": Event.LEAVE,
    "ADT^A22": Event.RETURN,
    "ADT^A23": Event.DELETE_STAY,
    "ADT^A25": Event.CANCEL_PLAN_DISCHARGE,
    "ADT^A26": Event.CANCEL_PLAN_TRANSFER,
    "ADT^A27": Event.CANCEL_PLAN_ADMIT,
    "ADT^A32": Event.CANCEL_ARRIVE,
    "ADT^A33": Event.CANCEL_DEPART,
    "ADT^A38": Event.CANCEL_PREADMIT,
    "ADT^A52": Event.CANCEL_LEAVE,
    "ADT^A53": Event.CANCEL_RETURN,
    "ADT^A54": Event.CHANGE_DOCTOR,
    "ADT^A55": Event.CANCEL_CHANGE_DOCTOR,
}
SWAP = "ADT^A17"  # two patients, two beds: a transfer of each
_UNDONE_BY = {step: cancel for cancel, steps in CANCELS.items() for step in steps if cancel != Event.DELETE_STAY}
AHEAD = timedelta(hours=1)  # clocks may differ so much
_PLANNED = (Event.PREADMIT, Event.PLAN_ADMIT, Event.CANCEL_PREADMIT, Event.CANCEL_PLAN_ADMIT)
_INTO_A_BED = (Event.ADMIT, Event.TRANSFER, Event.TO_INPATIENT)
_ENDS = (Event.DISCHARGE, Event.UPDATE_STAY)  # only these speak of how and when it ended, whatever PV1 repeats


@dataclass(frozen=True, slots=True)
class Movement:
    """What ZBE says: the sender's number of the movement, when it began, and whether it is told anew or withdrawn."""

    number: str = ""
    began: str = ""
    action: str = ""  # INSERT, UPDATE or CANCEL
    first: str = ""  # the trigger it was first told by


def of(message: Message) -> Movement:
    """Read ZBE; nothing known where there is none."""
    zbe = message.first("ZBE")
    if zbe is None:
        return Movement()
    parts = [(zbe.get(1, part) or "").strip() for part in (1, 2)]
    action = (zbe.get(4, 1) or "").strip().upper()
    return Movement("^".join(parts).rstrip("^"), zbe.get(2, 1) or "", action, (zbe.get(6, 1) or "").strip().upper())


def event_of(trigger: str, movement: Movement) -> Event | None:
    """Give the event a trigger tells, by way of ZBE-6 where it is Z99 or a CANCEL; None if it is none of a visit."""
    if trigger == "ADT^Z99" or (movement.action == "CANCEL" and trigger == f"ADT^{movement.first}"):
        event = FOLLOWED.get(f"ADT^{movement.first}")
        if movement.action == "CANCEL" and event is not None and event not in CANCELS:
            return _UNDONE_BY.get(event)
        return event
    return FOLLOWED.get(trigger)


def occurred(message: Message, movement: Movement, event: str, reading: Reading) -> datetime | None:
    """Give when it happened: ZBE-2, EVN-6, EVN-2, MSH-7, of an A01 PV1-44; the first that is a time; warns of others.

    Of a booking EVN-6 is the time of the appointment itself (seen so), so EVN-2 says when it was made; and of a plan,
    where it is that of PV2-8. A day alone is
    no order of events: where EVN-6 is one, EVN-2 is taken if it is of that day. What is later than both EVN-2 and
    MSH-7 had not happened when it was told: one such transfer would make all that follow back-dated.
    """
    paths = ["EVN-6.1", "EVN-2.1", "MSH-7.1", *(["PV1-44.1"] if event == Event.ADMIT else [])]
    if event in (Event.BOOK, Event.CANCEL_APPOINTMENT) or (event in _PLANNED and _is_planned(message, reading)):
        paths = paths[1:]
    told = [("ZBE-2", movement.began)] + [(path[:-2], message.get(path) or "") for path in paths]
    said = [(place, text) for place, text in told if text]
    for index, (place, text) in enumerate(said):
        at = times.moment(text, reading.zone)
        if at is None:
            reading.warn(f"{place}: not a time, not taken")
            continue
        if place in ("ZBE-2", "EVN-6") and _ahead(at, message, reading):
            reading.warn(f"{place}: later than the message itself, not taken")
            continue
        if len(text) == len("YYYYMMDD") and index + 1 < len(said) and said[index + 1][1].startswith(text):
            reading.warn(f"{place}: a day without the time, which {said[index + 1][0]} gives")
            continue
        if times.happens_twice(text, reading.zone):
            reading.warn(f"{place}: in the hour that happens twice, the first was taken")
        return at
    return None


def _is_planned(message: Message, reading: Reading) -> bool:
    """Whether EVN-6 repeats PV2-8, for when the patient is expected (seen so): that is not when it was planned."""
    first, second = (times.moment(message.get(path), reading.zone) for path in ("EVN-6.1", "PV2-8.1"))
    return first is not None and first == second


def _ahead(at: datetime, message: Message, reading: Reading) -> bool:
    """Whether a time is later than the sender's own clock said when it told; a day alone lasts to its end."""
    clocks = [
        told + (timedelta(days=1) if len(text) == len("YYYYMMDD") else AHEAD)
        for text in (message.get("EVN-2.1") or "", message.get("MSH-7.1") or "")
        if (told := times.moment(text, reading.zone))
    ]
    return bool(clocks) and at > max(clocks)


def stay_said(event: Event, pv1: Segment | None, message: Message, at: datetime, reading: Reading) -> Groups:
    """Give what a message says of the stay, as far as the event has a say in it."""
    said = facts_of((pv1,), reading)
    if event in _INTO_A_BED and not said.get("place", {}).get("ward"):
        reading.warn("PV1-3: no ward told")
    if event not in _ENDS:
        said.pop("discharge", None)
        said.get("times", {}).pop("discharged_at", None)
    for group, values in pending.read(event, message, at, reading).items():
        said.setdefault(group, {}).update(values)
    return {group: values for group, values in said.items() if values}


def parts(message: Message) -> list[Message]:
    """Part a message about several patients at each PID; what came before the first belongs to all."""
    heads = [index for index, segment in enumerate(message.segments) if segment.name == "PID"]
    made = []
    for start, end in zip(heads, [*heads[1:], len(message.segments)], strict=True):
        part = Message(message.raw, message.separators, message.text, message.codec, message.flags)
        part.segments = [*message.segments[: heads[0]], *message.segments[start:end]]
        made.append(part)
    return made
