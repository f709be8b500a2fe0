"""Books appointments, moves them and says what became of them; the slot is locked before it is taken."""

from datetime import datetime
from typing import Any

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.facts import Groups, News, Value
from patients.models import Appointment, Patient, Slot
from patients.refusals import Refused
from patients.services.saving import Order, Saved, save
from patients.states import LIVE_APPOINTMENTS, AppointmentStatus, Event, why_stands


def book(
    *,
    patient_id: int,
    seen: int,
    clinic: str,
    starts_at: datetime,
    appointment_type: str,
    reason: str,
    by: Actor,
    key: Key,
) -> Saved:
    """Book a free slot; refused if it is unknown, full, or the patient has one at that time already."""
    slot = _slot(clinic, starts_at)

    def check(patient: Patient) -> None:
        _take(slot, clinic, patient)

    booking: dict[str, Value] = {
        "clinic": clinic,
        "starts_at": clock.iso(starts_at),
        "minutes": slot.minutes,
        "appointment_type": appointment_type,
        "reason": reason,
    }
    news = News(event=Event.BOOK, occurred_at=clock.now(), appointment={"booking": booking})
    return save(Order(news=news, by=by, key=key, screen="book", patient_id=patient_id, seen=seen, check=check))


def reschedule(
    *, appointment_id: int, seen: int, clinic: str, starts_at: datetime, reason: str, by: Actor, key: Key
) -> Saved:
    """Move a booking to another free slot; it stays the same booking. A reason is needed."""
    _why(reason, "Enter why it is moved")
    slot = _slot(clinic, starts_at)

    def check(patient: Patient) -> None:
        booked = Appointment.objects.get(pk=appointment_id)
        if (booked.clinic, booked.starts_at) == (clinic, starts_at):
            raise Refused("The appointment is at that time already", "starts_at")
        _take(slot, clinic, patient, but=appointment_id)

    booking: dict[str, Value] = {"clinic": clinic, "starts_at": clock.iso(starts_at), "minutes": slot.minutes}
    return _of(appointment_id, Event.RESCHEDULE, {"booking": booking}, reason, seen=seen, by=by, key=key, check=check)


def arrive(*, appointment_id: int, seen: int, by: Actor, key: Key) -> Saved:
    """Note that the patient has come."""
    return _stand(appointment_id, AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED, seen, by, key)


def take_back_arrival(*, appointment_id: int, seen: int, by: Actor, key: Key) -> Saved:
    """Note that the patient has not come after all: the appointment is booked, as before."""
    return _stand(appointment_id, AppointmentStatus.ARRIVED, AppointmentStatus.BOOKED, seen, by, key)


def take_back_did_not_attend(*, appointment_id: int, seen: int, by: Actor, key: Key) -> Saved:
    """Note that it was an error that the patient did not come: the appointment is booked, as before.

    Refused if the slot has been given away meanwhile.
    """
    return _stand(appointment_id, AppointmentStatus.MISSED, AppointmentStatus.BOOKED, seen, by, key)


def mark_did_not_attend(*, appointment_id: int, seen: int, by: Actor, key: Key) -> Saved:
    """Note that the patient did not come; refused before the appointment's time."""

    def check(patient: Patient) -> None:
        starts_at = Appointment.objects.values_list("starts_at", flat=True).get(pk=appointment_id)
        if starts_at and starts_at > clock.now():
            raise Refused("The appointment has not begun yet")

    return _of(appointment_id, Event.MISS_APPOINTMENT, {}, "", seen=seen, by=by, key=key, check=check)


def cancel(*, appointment_id: int, seen: int, reason: str, by: Actor, key: Key) -> Saved:
    """Call an appointment off; a reason is needed."""
    _why(reason, "Enter why it is cancelled")
    return _of(appointment_id, Event.CANCEL_APPOINTMENT, {}, reason, seen=seen, by=by, key=key)


def delete(*, appointment_id: int, seen: int, reason: str, by: Actor, key: Key) -> Saved:
    """Say that an appointment never was: it was made in error. A reason is needed; the row stays, as cancelled."""
    _why(reason, "Enter why it is deleted")
    return _of(appointment_id, Event.DELETE_APPOINTMENT, {}, reason, seen=seen, by=by, key=key)


def _why(reason: str, needed: str) -> None:
    if not reason.strip():
        raise Refused(needed, "reason")


def _stand(
    appointment_id: int, was: AppointmentStatus, status: AppointmentStatus, seen: int, by: Actor, key: Key
) -> Saved:
    """Let an appointment stand elsewhere than it `was`; one that did not hold its slot takes it again."""

    def check(patient: Patient) -> None:
        booked = Appointment.objects.get(pk=appointment_id)
        if booked.status != was:
            raise Refused(why_stands(AppointmentStatus(booked.status)))
        slot = Slot.objects.filter(clinic__code=booked.clinic, starts_at=booked.starts_at or clock.now()).first()
        if slot and was not in LIVE_APPOINTMENTS:  # of the PAS's own bookings we may know no slot
            _take(slot, booked.clinic, patient, but=appointment_id)

    said: Groups = {"status": {"status": status.value}}
    return _of(appointment_id, Event.MODIFY_APPOINTMENT, said, "", seen=seen, by=by, key=key, check=check)


def _of(appointment_id: int, event: Event, said: Groups, reason: str, **more: Any) -> Saved:
    patient = Appointment.objects.filter(pk=appointment_id).values_list("patient_id", flat=True).first()
    if patient is None:
        raise Refused("This appointment no longer exists")
    news = News(event=event, occurred_at=clock.now(), appointment=said, reason=reason)
    screen = event.value.replace("_", "-")
    return save(Order(news=news, screen=screen, patient_id=patient, appointment_id=appointment_id, **more))


def _slot(clinic: str, starts_at: datetime) -> Slot:
    slot = Slot.objects.filter(clinic__code=clinic, starts_at=starts_at).first()
    if slot is None:
        raise Refused("There is no such slot in this clinic", "starts_at")
    return slot


def _take(slot: Slot, clinic: str, patient: Patient, *, but: int | None = None) -> None:
    """Lock the slot and refuse it if it is full; `but`: the appointment that is moved there."""
    if patient.dead:
        raise Refused("This patient is recorded as having died")
    places = Slot.objects.select_for_update().get(pk=slot.pk).places
    booked = Appointment.objects.filter(starts_at=slot.starts_at, status__in=LIVE_APPOINTMENTS).exclude(pk=but or 0)
    if booked.filter(patient=patient).exists():
        raise Refused("The patient has an appointment at this time already", "starts_at")
    if booked.filter(clinic=clinic).count() >= places:
        raise Refused("This slot has just been taken: choose another", "starts_at")
