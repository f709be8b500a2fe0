"""An appointment as SCH, TQ1 and AIL tell it, both ways; pure.

SCH-11 tells when it is (HL7 2.4); from 2.5 on TQ1 does, and goes before a SCH-11 that is sent beside it.
"""

from datetime import datetime, timedelta

from messaging.hl7 import times, values
from messaging.hl7.fields import Reading
from messaging.hl7.read import Message, Segment
from messaging.hl7.text import components, escape
from messaging.hl7.values import text
from pasmirror.lib import clock
from patients.facts import Groups, Value
from patients.states import AppointmentStatus, Event

FOLLOWED: dict[str, Event] = {
    "SIU^S12": Event.BOOK,
    "SIU^S13": Event.RESCHEDULE,
    "SIU^S14": Event.MODIFY_APPOINTMENT,
    "SIU^S15": Event.CANCEL_APPOINTMENT,
    "SIU^S16": Event.DISCONTINUE_APPOINTMENT,
    "SIU^S17": Event.DELETE_APPOINTMENT,
    "SIU^S26": Event.MISS_APPOINTMENT,
}
BY_ADT = {"ADT^A05": Event.BOOK, "ADT^A38": Event.CANCEL_APPOINTMENT}  # where the feed books outpatients so
STATUS_WORDS = {  # SCH-25 as we write it: HL7 table 0278, which has no word for who has arrived
    AppointmentStatus.BOOKED: "Booked",
    AppointmentStatus.ARRIVED: "Arrived",
    AppointmentStatus.ATTENDED: "Complete",
    AppointmentStatus.MISSED: "Noshow",
    AppointmentStatus.CANCELLED: "Cancelled",
}
_DELETED = "Deleted"
_TOLD = {  # SCH-25 of an S14 (HL7 table 0278, and what is written instead)
    AppointmentStatus.BOOKED: ("BOOKED", "CONFIRMED", "PENDING", "SCHEDULED"),
    AppointmentStatus.ARRIVED: ("ARRIVED", "CHECKED IN", "CHECKEDIN", "STARTED"),
    AppointmentStatus.ATTENDED: ("ATTENDED", "COMPLETE", "COMPLETED", "SEEN"),
    AppointmentStatus.MISSED: ("NOSHOW", "NO SHOW", "DNA", "DID NOT ATTEND"),
}
_ENDED = ("CANCEL", "DELETE", "DC")  # how the PAS's words for an appointment that is called off begin
LONGEST_MINUTES = 24 * 60
LONGEST_WORDS = 50
_LASTING = frozenset({Event.BOOK, Event.RESCHEDULE, Event.MODIFY_APPOINTMENT})  # after which it has a time and place


def read_adt(message: Message, reading: Reading) -> Groups:
    """Give an appointment as an A05 tells it: the clinic in PV1-3, the time in PV2-8, else PV1-44 or EVN-6."""
    pv1 = message.first("PV1")
    clinic = values.designated(pv1, 3, 1) if pv1 else ""
    booking: dict[str, Value] = {"clinic": clinic} if clinic else {}
    for path in ("PV2-8.1", "PV1-44.1", "EVN-6.1"):
        value = message.get(path)
        if at := times.moment(value, reading.zone):
            booking["starts_at"] = clock.iso(at)
            break
        if value:
            reading.warn(f"{path[:-2]}: not a time, not taken")
    return {"booking": booking} if booking else {}


def read_status(sch: Segment, event: Event, reading: Reading) -> Groups:
    """Give what the sender calls the status (SCH-25), and of an S14 where the appointment stands by that.

    Elsewhere the trigger says where it stands: an S26 has been seen with "Cancelled".
    """
    words = text(sch, 25) or text(sch, 25, 2)
    if words is None:
        return {}
    said: Groups = {"wording": {"status_words": words[:LONGEST_WORDS]}}
    if event == Event.MODIFY_APPOINTMENT and words:
        status = standing(words)
        if status and status != AppointmentStatus.CANCELLED:
            said["status"] = {"status": status.value}
        else:
            reading.warn("SCH-25: no status of a modified appointment, which stays as it was")
    return said


def standing(words: str) -> AppointmentStatus | None:
    """Say where an appointment stands by a sender's words for it (SCH-25); None for words that are none of these."""
    said = words.strip().upper()
    if said.startswith(_ENDED):
        return AppointmentStatus.CANCELLED
    return next((status for status, known in _TOLD.items() if said in known), None)


def read_booking(sch: Segment, message: Message | None, reading: Reading, event: Event | None = None) -> Groups:
    """Give what SCH and TQ1 say of when and why, and AIL-3 (else PV1-3) of which clinic; warns of what is missing."""
    said: dict[str, Value] = {}
    places = [message.first(name) for name in ("AIL", "PV1")] if message else []
    if clinic := next((name for each in places if each and (name := values.designated(each, 3, 1))), ""):
        said["clinic"] = clinic
    elif event in _LASTING:
        reading.warn("AIL-3: no clinic told")
    at, minutes = _when(sch, message.first("TQ1") if message else None, reading)
    if not at and event in _LASTING:
        reading.warn("SCH-11: no time told")
    if at:
        said["starts_at"] = clock.iso(at)
    if minutes is not None:
        said["minutes"] = minutes
    for number, name, order in ((8, "appointment_type", (1, 2)), (7, "reason", (2, 1))):
        if sch.raw(number):
            said[name] = next((value for part in order if (value := text(sch, number, part))), "")
    return {"booking": said} if said else {}


def _when(sch: Segment, tq1: Segment | None, reading: Reading) -> tuple[datetime | None, int | None]:
    """Give when it begins and how many minutes it lasts, as far as is told."""
    start, end = _told_at(sch, "SCH-11", (11, 4), (11, 5), reading)
    newer, newer_end = _told_at(tq1, "TQ1-7", (7, 1), (8, 1), reading)
    if newer:
        if start and start != newer:
            reading.warn("SCH-11: another time than TQ1 tells, which was taken")
        if (lasting := _between(newer, newer_end)) is not None:
            return newer, lasting
    unit = text(sch, 10) or "M"
    minutes = next((n for whole in (text(sch, 11, 3), text(sch, 9)) if (n := _number(whole, unit)) is not None), None)
    return newer or start, _between(start, end) if minutes is None and not newer else minutes


def _told_at(
    segment: Segment | None, place: str, start: tuple[int, int], end: tuple[int, int], reading: Reading
) -> tuple[datetime | None, datetime | None]:
    if segment is None:
        return None, None
    told = text(segment, *start)
    at = times.moment(told, reading.zone)
    if told and not at:
        reading.warn(f"{place}: not a time, not taken")
    if times.happens_twice(told, reading.zone):
        reading.warn(f"{place}: in the hour that happens twice, the first was taken")
    return at, times.moment(text(segment, *end), reading.zone)


def _between(start: datetime | None, end: datetime | None) -> int | None:
    """Give the minutes from start to end, if an appointment may last so long."""
    if not start or not end or end <= start:
        return None
    return _lasting(int((end - start).total_seconds() // 60))


def _number(whole: str | None, unit: str) -> int | None:
    """Give so many of a unit in minutes; None if it is no number, or too many."""
    if not whole or not whole.isascii() or not whole.isdigit() or len(whole) > 6:
        return None
    kind = unit.upper()[:1]
    return _lasting(int(whole) // 60 if kind == "S" else int(whole) * 60 if kind == "H" else int(whole))


def _lasting(minutes: int) -> int | None:
    return minutes if 0 <= minutes <= LONGEST_MINUTES else None


def write_times(facts: dict[str, Value], reading: Reading) -> str:
    """Give SCH-11: minutes, start and end."""
    start = clock.moment(str(facts["starts_at"]))
    if start is None:
        return ""
    minutes = int(facts["minutes"])
    end = start + timedelta(minutes=minutes)
    ends = times.stamp(end, reading.zone) if minutes else ""
    return components("", "", str(minutes) if minutes else "", times.stamp(start, reading.zone), ends)


def write_reason(reason: Value) -> str:
    """Give SCH-6 (why this event) or SCH-7 (why the appointment) with the reason as its text."""
    return components("", escape(str(reason)))


def write_status(event: Event, status: str, words: str) -> str:
    """Give SCH-25, without escapes: the PAS's own words where they still say how things stand, else ours."""
    if not status:
        return words
    stands = AppointmentStatus(status)
    said = words.strip().upper()
    if said in _TOLD.get(stands, ()) or (stands == AppointmentStatus.CANCELLED and said.startswith(_ENDED)):
        return words
    return _DELETED if event == Event.DELETE_APPOINTMENT else STATUS_WORDS.get(stands, words)
