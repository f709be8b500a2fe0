"""An appointment as SCH and AIL tell it, both ways; pure, knows no event."""

from datetime import timedelta

from messaging.hl7 import times
from messaging.hl7.fields import Reading, text
from messaging.hl7.read import Message, Segment
from messaging.hl7.text import components, escape
from pasmirror.lib import clock
from patients.facts import Groups, Value

STATUS_WORDS = {"booked": "Booked", "cancelled": "Cancelled"}
LONGEST_MINUTES = 24 * 60


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
