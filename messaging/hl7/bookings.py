"""An appointment as SCH and AIL tell it, both ways; pure, knows no event."""

from datetime import timedelta

from messaging.hl7 import times
from messaging.hl7.fields import Reading, text
from messaging.hl7.read import Message, Segment
from messaging.hl7.text import components, escape
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
STATUS_WORDS = {"booked": "Booked", "cancelled": "Cancelled"}
_TOLD = {  # SCH-25 of an S14 (HL7 table 0278, and what is written instead)
    AppointmentStatus.BOOKED: ("BOOKED", "CONFIRMED", "PENDING", "SCHEDULED"),
    AppointmentStatus.ARRIVED: ("ARRIVED", "CHECKED IN", "CHECKEDIN", "STARTED"),
    AppointmentStatus.ATTENDED: ("ATTENDED", "COMPLETE", "COMPLETED", "SEEN"),
    AppointmentStatus.MISSED: ("NOSHOW", "NO SHOW", "DNA", "DID NOT ATTEND"),
}
LONGEST_MINUTES = 24 * 60
LONGEST_WORDS = 50


def read_adt(message: Message, reading: Reading) -> Groups:
    """Give an appointment as an A05 tells it: the clinic in PV1-3, the time in PV2-8, else PV1-44 or EVN-6."""
    clinic = (message.get("PV1-3.1") or "").strip()
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
        status = next((status for status, known in _TOLD.items() if words.upper() in known), None)
        if status:
            said["status"] = {"status": status.value}
        else:
            reading.warn("SCH-25: no status of a modified appointment, which stays as it was")
    return said


def read_booking(sch: Segment, message: Message | None, reading: Reading) -> Groups:
    """Give what SCH says of when and why, and AIL-3 (else PV1-3) of which clinic."""
    said: dict[str, Value] = {}
    clinic = (message.get("AIL-3.1") or message.get("PV1-3.1")) if message else None
    if clinic:
        said["clinic"] = clinic.strip()
    starts = text(sch, 11, 4) or (message.get("TQ1-7") if message else None)
    at, end = times.moment(starts, reading.zone), times.moment(text(sch, 11, 5), reading.zone)
    if at:
        said["starts_at"] = clock.iso(at)
    elif starts:
        reading.warn("SCH-11: not a time, not taken")
    if times.happens_twice(starts, reading.zone):
        reading.warn("SCH-11: in the hour that happens twice, the first was taken")
    minutes = _minutes(sch)
    if minutes is None and at and end and end > at:
        minutes = int((end - at).total_seconds() // 60)
    if minutes is not None and 0 <= minutes <= LONGEST_MINUTES:
        said["minutes"] = minutes
    for number, name, order in ((8, "appointment_type", (1, 2)), (7, "reason", (2, 1))):
        if sch.raw(number):
            said[name] = next((value for part in order if (value := text(sch, number, part))), "")
    return {"booking": said} if said else {}


def _minutes(sch: Segment) -> int | None:
    whole = text(sch, 11, 3) or text(sch, 9)
    if not whole or not whole.isascii() or not whole.isdigit() or len(whole) > 6:
        return None
    unit = (text(sch, 10) or "M").upper()
    return int(whole) // 60 if unit.startswith("S") else int(whole) * 60 if unit.startswith("H") else int(whole)


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
