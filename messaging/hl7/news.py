"""A message as news: which event it tells, of whom, and what it says; or why it is none. Pure, no Django."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from messaging.hl7 import bookings, identity, lengths, times
from messaging.hl7.fields import RULES, Reading
from messaging.hl7.habits import Habits
from messaging.hl7.read import Message, Segment
from patients.facts import NOBODY, Groups, Kind, Named, News
from patients.identifiers import Identifier
from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS, Event

FOLLOWED: dict[str, Event] = {
    "ADT^A28": Event.REGISTER,
    "ADT^A31": Event.UPDATE,
    "ADT^A01": Event.ADMIT,
    "ADT^A02": Event.TRANSFER,
    "ADT^A03": Event.DISCHARGE,
    "SIU^S12": Event.BOOK,
    "SIU^S15": Event.CANCEL_APPOINTMENT,
}
NOT_SPOKEN_OF: dict[Event, tuple[str, ...]] = {  # groups an event has no say in, whatever its PV1 repeats
    Event.ADMIT: ("discharge",),
    Event.TRANSFER: ("discharge",),
}
_FLAGS = {
    "charset-fallback": "MSH-18: the bytes are not in the declared character set, read as Latin-1",
    "charset-unknown": "MSH-18: unknown character set, read as UTF-8",
    "nul-byte": "zero bytes were left out",
}


@dataclass(frozen=True, slots=True)
class NotNews:
    """A message that changes nothing by itself: filed, or (`parked`) set aside for a person; a code and the reason.

    `named`: whom a parked one is about, as far as its first PID says.
    """

    code: str
    reason: str
    parked: bool
    warnings: tuple[str, ...] = ()
    named: Named = NOBODY


def news(message: Message, *, habits: Habits) -> News | NotNews:
    """Read one message; its warnings and reasons name fields and never hold a value."""
    event = FOLLOWED.get(message.trigger)
    if event is None:
        return NotNews("not-followed", "An event this mirror does not follow yet", parked=False)
    reading = Reading(habits.clock(), [_FLAGS[flag] for flag in message.flags if flag in _FLAGS])
    pid = message.first("PID")
    if pid is None:
        return _parked("no-pid", "There is no PID segment", reading)
    person = identity.person(pid, habits)
    reading.warnings += person.warnings
    named = person.named
    if len(list(message.all("PID"))) > 1:
        return _parked("two-pids", "There is more than one PID segment", reading, named)
    if named == NOBODY:
        return _parked("no-identity", "No usable number in PID-3, and no NHS number", reading)
    at = _occurred(message, reading)
    if at is None:
        return _parked("no-time", "Neither EVN-6, EVN-2 nor MSH-7 says when it happened", reading, named)
    patient = facts_of((pid, message.first("PD1")), reading)
    if person.nhs:
        patient["nhs"] = person.nhs
    told = News(
        event=event,
        occurred_at=at,
        patient_ids=tuple(person.ids),
        patient=patient,
        sent_at=times.moment(message.sent_at_text, reading.zone),
        control_id=message.control_id,
        trigger=message.trigger,
    )
    return _of_kind(told, event, message, pid, habits, reading)


def _of_kind(
    told: News, event: Event, message: Message, pid: Segment, habits: Habits, reading: Reading
) -> News | NotNews:
    stay_ids: tuple[Identifier, ...] = ()
    appointment_ids: tuple[Identifier, ...] = ()
    stay: Groups = {}
    appointment: Groups = {}
    if event in STAY_EVENTS:
        pv1 = message.first("PV1")
        stay_ids, warning = identity.stay(pv1, pid, habits)
        reading.warnings += [warning] if warning else []
        if not stay_ids:
            return _parked(
                "no-visit-number", "No visit number in PV1-19, and no account number in PID-18", reading, told.named
            )
        said = facts_of((pv1,), reading)
        stay = {group: values for group, values in said.items() if group not in NOT_SPOKEN_OF.get(event, ())}
        if event != Event.DISCHARGE and "times" in stay:
            stay["times"].pop("discharged_at", None)
    if event in APPOINTMENT_EVENTS:
        sch = message.first("SCH")
        appointment_ids = identity.appointment(sch, habits) if sch else ()
        if sch is None or not appointment_ids:
            return _parked("no-appointment-number", "No appointment number in SCH-1 or SCH-2", reading, told.named)
        appointment = bookings.read_booking(sch, message, reading)
    whole = replace(
        told,
        stay_ids=stay_ids,
        appointment_ids=appointment_ids,
        stay={group: values for group, values in stay.items() if values},
        appointment=appointment,
        segments=kept_segments(message) if event not in APPOINTMENT_EVENTS else (),
        warnings=tuple(reading.warnings),
    )
    why = _why_too_long(whole)
    return _parked("value-too-long", why, reading, told.named) if why else whole


def facts_of(segments: Iterable[Segment | None], reading: Reading) -> Groups:
    """Give what segments say, by group: absent says nothing, two quotes say ""."""
    said: Groups = {}
    for segment in segments:
        for rule in RULES[segment.name] if segment else ():
            assert segment is not None  # noqa: S101  (for mypy)
            if values := rule.read(segment, reading):
                said.setdefault(rule.group, {}).update(values)
    return said


def kept_segments(message: Message) -> tuple[str, ...]:
    """Give the sender's segments for overlay, in standard separators, without MSH and EVN."""
    return tuple(segment.standard() for segment in message.segments if segment.name not in ("MSH", "EVN"))


def _occurred(message: Message, reading: Reading) -> datetime | None:
    for path in ("EVN-6.1", "EVN-2.1", "MSH-7.1"):
        value = message.get(path)
        if not value:
            continue
        at = times.moment(value, reading.zone)
        if at is None:
            reading.warn(f"{path[:5]}: not a time, not taken")
            continue
        if times.happens_twice(value, reading.zone):
            reading.warn(f"{path[:5]}: in the hour that happens twice, the first was taken")
        return at
    return None


def _why_too_long(told: News) -> str | None:
    if lengths.number_too_long((*told.patient_ids, *told.stay_ids, *told.appointment_ids)):
        return "A number, its authority or its type is longer than the record can hold"
    for kind in Kind:
        if name := lengths.too_long(kind, told.groups(kind)):
            return f"The {kind} fact {name} is longer than the record can hold"
    return None


def whose(message: Message, *, habits: Habits) -> Named:
    """Say whom a message is about, of one that cannot be read further."""
    pid = message.first("PID")
    return identity.person(pid, habits).named if pid else NOBODY


def _parked(code: str, reason: str, reading: Reading, named: Named = NOBODY) -> NotNews:
    return NotNews(code, reason, parked=True, warnings=tuple(reading.warnings), named=named)
