"""Everything a clerk can make happen: for each act what must be so before, and how it is done."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.identifiers import Identifier
from patients.models import (
    Appointment,
    Clinic,
    NumberPool,
    Patient,
    PatientIdentifier,
    Slot,
    Stay,
    StayIdentifier,
)
from patients.services import (
    admissions,
    appointments,
    attendances,
    cancelling,
    identity_changes,
    leave,
    planning,
    registration,
    stays,
    summaries,
)
from patients.services.saving import Saved
from patients.states import CANCELLED_IN, Event
from tests.factories import lanes

CLERK = Actor("clerk", "clerk", "password")
T0 = (clock.now() - timedelta(hours=10)).replace(microsecond=0)
A1, A2, B1 = ({"ward": w, "bay": "A", "bed": f"{w}{n}"} for w, n in (("WA", 1), ("WA", 2), ("WB", 1)))
DOCTOR: dict[str, Any] = {"consultant": "C1", "consultant_name": "SMITH, Ann (Dr)", "specialty": "300"}
TOMORROW = (clock.now() + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
NEXT_WEEK = TOMORROW + timedelta(days=6)
PASSED = TOMORROW - timedelta(days=2)


def at(minute: int) -> datetime:
    """So many minutes after the day's first step, all of them in the past."""
    return T0 + timedelta(minutes=minute)


def open_desk() -> None:
    """Mirror mode with wards, beds, a clinic with slots of one place each, and numbers for everything."""
    lanes.mirror_mode()
    NumberPool.objects.create(kind="appointment", type="PLAC", authority="RXX", prefix="B9", next=1, last=999999)
    clinic = Clinic.objects.create(code="CARD", name="Cardiology")
    for starts_at in (PASSED, TOMORROW, NEXT_WEEK):
        Slot.objects.create(clinic=clinic, starts_at=starts_at, minutes=30, places=1)


def person(family: str = "SMITH") -> Patient:
    """A new patient."""
    return Patient.objects.get(pk=lanes.register(family).patient)


def admitted(place: dict[str, str] = A1, minute: int = 0) -> Stay:
    """A new patient in a bed."""
    return Stay.objects.get(pk=admit(person(), place=place, occurred_at=at(minute)).stay)


def admit(patient: Patient, **more: Any) -> Saved:
    """Admit somebody."""
    said = {"place": more.pop("place", A1), "admission": {"patient_class": "I"}, "consultant": DOCTOR}
    return admissions.admit(**_filled(patient_id=patient.pk, seen=fresh(patient).version, stay=said, **more))


def expected() -> Stay:
    """A new patient who is on the list."""
    return Stay.objects.get(pk=expect(person()).stay)


def expect(patient: Patient, **more: Any) -> Saved:
    """Put somebody on the list."""
    said = {"stay": {"admission": {"patient_class": "I"}}, "place": B1, "expected_at": TOMORROW, **more}
    return planning.expect(**_filled(patient_id=patient.pk, seen=fresh(patient).version, when=False, **said))


def attending() -> Stay:
    """A new patient in the emergency department."""
    return Stay.objects.get(pk=attend(person()).stay)


def attend(patient: Patient, **more: Any) -> Saved:
    """Let somebody attend."""
    said = {"place": {"ward": "WA"}, "admission": {"patient_class": "E"}}
    return attendances.attend(**_filled(patient_id=patient.pk, seen=fresh(patient).version, **{"stay": said, **more}))


def booked(starts_at: datetime = TOMORROW) -> Appointment:
    """A new patient with an appointment."""
    return Appointment.objects.get(pk=book(person(), starts_at=starts_at).appointment)


def book(patient: Patient, **more: Any) -> Saved:
    """Book an appointment."""
    said = {"clinic": "CARD", "starts_at": TOMORROW, "appointment_type": "NEW", "reason": "Review", **more}
    return appointments.book(**_filled(patient_id=patient.pk, seen=fresh(patient).version, when=False, **said))


def fresh(row: Any) -> Any:
    """The row as it stands."""
    return type(row).objects.get(pk=row.pk)


def _filled(*, when: bool = True, **said: Any) -> dict[str, Any]:
    return {"by": CLERK, "key": uuid.uuid4(), **({"occurred_at": at(0)} if when else {}), **said}


@dataclass(frozen=True)
class Act:
    """One thing a clerk does. `ready` makes what it is done to; `said`: the rest of what the service is given."""

    event: Event
    ready: Callable[[], Any]
    service: Callable[..., Saved]
    subject: str  # the parameter that names it
    said: dict[str, Any] = field(default_factory=dict)
    more: Callable[[Any], dict[str, Any]] = lambda row: {}

    def given(self, row: Any) -> dict[str, Any]:
        """Everything the service is given, but key and person."""
        return {self.subject: row.pk, "seen": fresh(row).version, **self.said, **self.more(row)}

    def do(self, row: Any, *, key: Key | None = None, by: Actor = CLERK, **wrong: Any) -> Saved:
        """Do it to `row`, as the clerk sees it now unless `wrong` says otherwise."""
        return self.service(**{**self.given(row), "by": by, "key": key or uuid.uuid4(), **wrong})


def stay_act(event: Event, ready: Callable[[], Any], service: Callable[..., Saved], **said: Any) -> Act:
    return Act(event, ready, service, "stay_id", said)


def slot_act(event: Event, ready: Callable[[], Any], service: Callable[..., Saved], **said: Any) -> Act:
    return Act(event, ready, service, "appointment_id", said)


def _after(ready: Callable[[], Any], *acts: str) -> Callable[[], Any]:
    """Make a subject and do acts to it, one after another."""

    def made() -> Any:
        row = ready()
        for name in acts:
            ACTS[name].do(row)
        return fresh(row)

    return made


def number_of(row: Patient | Stay) -> Identifier:
    """The first valid number of a patient or stay."""
    found = PatientIdentifier.objects.filter(patient=row.pk) if isinstance(row, Patient) else None
    found = found if found is not None else StayIdentifier.objects.filter(stay=row.pk)
    one = found.filter(until=None).order_by("id")[0]
    return Identifier(one.type, one.authority, one.value)


def _cancel(event: Event) -> Callable[..., Saved]:
    return lambda **given: cancelling.cancel(event, **given)


def _merge(row: Patient) -> dict[str, Any]:
    other = person()
    return {"loser_id": other.pk, "seen_loser": other.version}


_CLASS = {"admission": {"patient_class": "I"}}
_REASON = {"reason": "Entered in error"}
_SUMMARY = {"title": "Discharge summary", "author": "SMITH, Ann (Dr)", "text": "Well & home.\nNo changes."}
_NEW = {"number": Identifier("MR", "RXX", "777001")}
_VISIT = {"number": Identifier("VN", "RXX", "V777")}
ACTS: dict[str, Act] = {
    "update": Act(
        Event.UPDATE, person, registration.update, "patient_id", {"patient": {"phones": {"phone": "01632 960111"}}}
    ),
    "expect": Act(
        Event.PREADMIT, person, planning.expect, "patient_id", {"stay": _CLASS, "place": B1, "expected_at": TOMORROW}
    ),
    "attend": Act(
        Event.ATTEND, person, attendances.attend, "patient_id",
        {"stay": {"place": {"ward": "CARD"}, "admission": {"patient_class": "O"}}, "occurred_at": at(0)},
    ),
    "admit": Act(
        Event.ADMIT, person, admissions.admit, "patient_id",
        {"stay": {"place": A1, **_CLASS, "consultant": DOCTOR}, "occurred_at": at(0)},
    ),
    "attend_expected": Act(
        Event.ATTEND, expected, attendances.attend, "stay_id",
        {"stay": {"place": {"ward": "WA"}, "admission": {"patient_class": "E"}}, "occurred_at": at(0)},
        lambda row: {"patient_id": row.patient_id},
    ),
    "admit_expected": Act(
        Event.ADMIT, expected, admissions.admit, "stay_id",
        {"stay": {"place": A1, **_CLASS}, "occurred_at": at(10)}, lambda row: {"patient_id": row.patient_id},
    ),
    "admit_attending": Act(
        Event.ADMIT, attending, admissions.admit, "stay_id",
        {"stay": {"place": A1, **_CLASS}, "occurred_at": at(10)}, lambda row: {"patient_id": row.patient_id},
    ),
    "to_inpatient": stay_act(
        Event.TO_INPATIENT, attending, attendances.to_inpatient, stay={"place": A1}, occurred_at=at(10)
    ),
    "to_outpatient": stay_act(
        Event.TO_OUTPATIENT, admitted, attendances.to_outpatient,
        patient_class="O", place={"ward": "CARD"}, occurred_at=at(10),
    ),
    "update_stay": stay_act(
        Event.UPDATE_STAY, admitted, stays.update, stay={"consultant": {**DOCTOR, "specialty": "320"}}
    ),
    "change_doctor": stay_act(
        Event.CHANGE_DOCTOR, admitted, stays.change_doctor,
        consultant={"consultant": "C2", "consultant_name": "JONES, Eve (Dr)", "specialty": "320"}, occurred_at=at(15),
    ),
    "transfer": stay_act(Event.TRANSFER, admitted, admissions.transfer, place=A2, occurred_at=at(20)),
    "discharge": stay_act(
        Event.DISCHARGE, admitted, admissions.discharge,
        discharge={"discharge_method": "1", "discharge_destination": "19"}, occurred_at=at(60),
    ),
    "plan_transfer": stay_act(Event.PLAN_TRANSFER, admitted, planning.plan_transfer, place=B1, at=TOMORROW),
    "plan_discharge": stay_act(Event.PLAN_DISCHARGE, admitted, planning.plan_discharge, at=NEXT_WEEK),
    "leave": stay_act(Event.LEAVE, admitted, leave.begin, occurred_at=at(30), back_expected_at=TOMORROW),
    "return": stay_act(Event.RETURN, _after(admitted, "leave"), leave.end, occurred_at=at(40)),
    "summary": stay_act(Event.DOCUMENT, admitted, summaries.write, **_SUMMARY, written_at=at(70)),
    "book": Act(
        Event.BOOK, person, appointments.book, "patient_id",
        {"clinic": "CARD", "starts_at": TOMORROW, "appointment_type": "NEW", "reason": "Review"},
    ),
    "reschedule": slot_act(
        Event.RESCHEDULE, booked, appointments.reschedule,
        clinic="CARD", starts_at=NEXT_WEEK, reason="The clinic is full",
    ),
    "arrive": slot_act(Event.MODIFY_APPOINTMENT, booked, appointments.arrive),
    "take_back_arrival": slot_act(
        Event.MODIFY_APPOINTMENT, _after(booked, "arrive"), appointments.take_back_arrival
    ),
    "did_not_attend": slot_act(Event.MISS_APPOINTMENT, lambda: booked(PASSED), appointments.mark_did_not_attend),
    "take_back_did_not_attend": slot_act(
        Event.MODIFY_APPOINTMENT,
        _after(lambda: booked(PASSED), "did_not_attend"),
        appointments.take_back_did_not_attend,
    ),
    "cancel_appointment": slot_act(Event.CANCEL_APPOINTMENT, booked, appointments.cancel, **_REASON),
    "delete": slot_act(Event.DELETE_APPOINTMENT, booked, appointments.delete, **_REASON),
    "merge": Act(Event.MERGE, person, identity_changes.merge, "survivor_id", _REASON, _merge),
    "renumber": Act(
        Event.RENUMBER, person, identity_changes.renumber, "patient_id", {**_REASON, **_NEW},
        lambda row: {"ends": number_of(row)},
    ),
    "link_stay_number": Act(
        Event.RENUMBER_STAY, admitted, identity_changes.link_stay_number, "stay_id", {**_REASON, **_VISIT},
        lambda row: {"ends": number_of(row)},
    ),
}  # fmt: skip
_READY: dict[Event, Callable[[], Any]] = {
    Event.CANCEL_PREADMIT: expected,
    Event.CANCEL_ADMIT: admitted,
    Event.CANCEL_TRANSFER: _after(admitted, "transfer"),
    Event.CANCEL_DISCHARGE: _after(admitted, "discharge"),
    Event.CANCEL_PLAN_TRANSFER: _after(admitted, "plan_transfer"),
    Event.CANCEL_PLAN_DISCHARGE: _after(admitted, "plan_discharge"),
    Event.CANCEL_LEAVE: _after(admitted, "leave"),
    Event.CANCEL_RETURN: _after(admitted, "leave", "return"),
    Event.CANCEL_CHANGE_DOCTOR: _after(admitted, "change_doctor"),
}
ACTS |= {event.value: stay_act(event, _READY[event], _cancel(event), **_REASON) for event in CANCELLED_IN}
