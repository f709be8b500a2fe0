"""A message as news: which event it tells, of whom, and what it says; or why it is none. Pure, no Django."""

from dataclasses import dataclass, replace

from messaging.hl7 import bookings, documents, identity, lengths, merges, movements, times
from messaging.hl7.fields import Reading
from messaging.hl7.habits import Habits
from messaging.hl7.movements import Movement
from messaging.hl7.read import Message, Segment
from messaging.hl7.segments import facts_of, kept_segments
from patients.facts import NOBODY, Groups, Kind, Named, News
from patients.identifiers import FILLER, Identifier
from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS, Event

FOLLOWED: dict[str, Event] = {
    "ADT^A28": Event.REGISTER,
    "ADT^A31": Event.UPDATE,
    **movements.FOLLOWED,
    **bookings.FOLLOWED,
    **dict.fromkeys(sorted(documents.FOLLOWED), Event.DOCUMENT),
}
_OF_PATIENTS = frozenset({"ADT", "SIU", "MDM"})
_ASKING = frozenset({"ACK", "MFK", "ORR", "QBP", "QCK", "QCN", "QRY", "RSP", "RTB", "ADR", "SRM", "SRR", "SQM", "SQR"})
_FLAGS = {
    "charset-doubtful": "MSH-18: the bytes look like UTF-8, which is not what it declares",
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
    if message.trigger in merges.FOLLOWED:
        return _identity(message, habits)
    if message.trigger == movements.SWAP:
        return _swap(message, habits)
    movement = movements.of(message)
    event = _event(message, movement, habits)
    return _told(message, movement, event, habits) if event else _not_followed(message, habits)


def _identity(message: Message, habits: Habits) -> News | NotNews:
    reading = _reading(message, habits)
    try:
        return merges.news(message, habits, reading)
    except merges.Unclear as fault:
        return _parked(fault.code, fault.reason, reading, fault.named)


def _reading(message: Message, habits: Habits) -> Reading:
    return Reading(habits.clock(), [_FLAGS[flag] for flag in message.flags if flag in _FLAGS])


def _told(message: Message, movement: Movement, event: Event, habits: Habits) -> News | NotNews:
    reading = _reading(message, habits)
    pid = message.first("PID")
    if pid is None:
        return _parked("no-pid", "There is no PID segment", reading)
    person = identity.person(pid, habits)
    mother = identity.mother(person, pid, message.all("NK1"), habits)
    reading.warnings += person.warnings
    named = person.named
    if len(list(message.all("PID"))) > 1:
        return _parked("two-pids", "There is more than one PID segment", reading, named)
    if named == NOBODY:
        return _parked("no-identity", "No usable number in PID-3, and no NHS number", reading)
    at = movements.occurred(message, movement, event, reading)
    if at is None:
        return _parked("no-time", "Neither EVN-6, EVN-2 nor MSH-7 says when it happened", reading, named)
    sent_again = times.second_reading(message.sent_at_text, reading.zone)
    if sent_again and (twice := "MSH-7: in the hour that happens twice, the first was taken") not in reading.warnings:
        reading.warn(twice)
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
        movement=movement.number,
        corrects=movement.action == "UPDATE",
        mother=mother,
        sent_again=sent_again,
    )
    return _of_kind(told, event, message, pid, habits, reading)


def _event(message: Message, movement: Movement, habits: Habits) -> Event | None:
    booked = habits.a05 == "appointment" and (message.get("PV1-2.1") or "").strip().upper() != "I"
    if booked and message.trigger in bookings.BY_ADT:
        return bookings.BY_ADT[message.trigger]
    return movements.event_of(message.trigger, movement) or FOLLOWED.get(message.trigger)


def _not_followed(message: Message, habits: Habits) -> NotNews:
    if message.trigger.startswith("MFN"):
        return NotNews("master-file", "A master file: wards, clinics and codes are the site file's", parked=False)
    kind, _, happened = message.trigger.partition("^")
    if kind in _OF_PATIENTS and not happened:
        named = whose(message, habits=habits)
        return _parked("no-event", "Neither MSH-9 nor EVN-1 says which event it is", _reading(message, habits), named)
    if kind in _ASKING:
        return NotNews("not-followed", "A reply or a question, which tells no news of a patient", parked=False)
    return NotNews("not-followed", "An event that is not followed", parked=False)


def _swap(message: Message, habits: Habits) -> News | NotNews:
    """Read an A17: a transfer of each of two patients, taken together or not at all."""
    parts = movements.parts(message)
    if len(parts) != 2:
        reading = Reading(habits.clock(), [])
        return _parked("not-two-patients", "A swap of beds that does not name two patients", reading)
    first, second = (_told(part, Movement(), Event.TRANSFER, habits) for part in parts)
    if isinstance(first, NotNews) or isinstance(second, NotNews):
        return first if isinstance(first, NotNews) else second
    return replace(first, other=second)


def _of_kind(
    told: News, event: Event, message: Message, pid: Segment, habits: Habits, reading: Reading
) -> News | NotNews:
    stay_ids: tuple[Identifier, ...] = ()
    appointment_ids: tuple[Identifier, ...] = ()
    stay: Groups = {}
    appointment: Groups = {}
    if event in STAY_EVENTS:
        pv1 = message.first("PV1")
        if pv1 is None and event != Event.UPDATE_STAY:
            return _parked("no-pv1", "There is no PV1 segment: nothing is said of the visit", reading, told.named)
        stay_ids, warning = identity.stay(pv1, pid, habits) if pv1 else ((), "")
        reading.warnings += [warning] if warning else []
        if not stay_ids and event != Event.UPDATE_STAY:
            return _parked(
                "no-visit-number", "No visit number in PV1-19, and no account number in PID-18", reading, told.named
            )
        stay = movements.stay_said(event, pv1, message, told.occurred_at, reading) if stay_ids else {}
        mrg = message.first("MRG") if event in (Event.TO_INPATIENT, Event.TO_OUTPATIENT) else None
        told = replace(told, prior_stay_ids=identity.prior_stay(mrg, habits)) if mrg else told
    if event in APPOINTMENT_EVENTS:
        appointment_ids, appointment = _appointment(event, message, pid, habits, reading)
        if not appointment_ids:
            return _parked("no-appointment-number", "No appointment number in SCH-1 or SCH-2", reading, told.named)
    document = documents.read(message, reading) if event == Event.DOCUMENT else {}
    if event == Event.DOCUMENT and not document.get("number"):
        unkeyed = "No document number in TXA-12: kept as a message only"  # a letter must not hold up its patient
        return NotNews("no-document-number", unkeyed, parked=False, warnings=tuple(reading.warnings))
    whole = replace(
        told,
        stay_ids=stay_ids,
        appointment_ids=appointment_ids,
        stay=stay,
        appointment=appointment,
        document=document,
        segments=kept_segments(message) if event not in APPOINTMENT_EVENTS | {Event.DOCUMENT} else (),
        warnings=tuple(reading.warnings),
    )
    if why := _why_too_long(whole):
        return _parked("value-too-long", why, reading, told.named)
    return _fitting(whole)


def _fitting(told: News) -> News:
    fits = {kind: lengths.fitting(kind, told.groups(kind)) for kind in Kind}
    warnings = tuple(warning for _, said in fits.values() for warning in said)
    if not warnings:
        return told
    patient, stay, appointment = (fits[kind][0] for kind in (Kind.PATIENT, Kind.STAY, Kind.APPOINTMENT))
    return replace(told, patient=patient, stay=stay, appointment=appointment, warnings=told.warnings + warnings)


def _appointment(
    event: Event, message: Message, pid: Segment, habits: Habits, reading: Reading
) -> tuple[tuple[Identifier, ...], Groups]:
    if message.trigger in bookings.BY_ADT:
        visit, _ = identity.stay(message.first("PV1"), pid, habits)
        numbers = tuple(Identifier(FILLER, each.authority, each.value) for each in visit)
        return numbers, bookings.read_adt(message, reading)
    sch = message.first("SCH")
    if sch is None:
        return (), {}
    said = bookings.read_booking(sch, message, reading, event) | bookings.read_status(sch, event, reading)
    return identity.appointment(sch, habits), said


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
