"""Books and cancels appointments; the slot is locked before it is taken."""

from datetime import datetime

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.facts import News, Value
from patients.models import Appointment, Patient, Slot
from patients.refusals import Refused
from patients.services.saving import Order, Saved, save
from patients.states import LIVE_APPOINTMENTS, Event


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
    slot = Slot.objects.filter(clinic__code=clinic, starts_at=starts_at).first()
    if slot is None:
        raise Refused("There is no such slot in this clinic", "starts_at")

    def check(patient: Patient) -> None:
        if patient.dead:
            raise Refused("This patient is recorded as having died")
        places = Slot.objects.select_for_update().get(pk=slot.pk).places
        booked = Appointment.objects.filter(starts_at=starts_at, status__in=LIVE_APPOINTMENTS)
        if booked.filter(patient=patient).exists():
            raise Refused("The patient has an appointment at this time already", "starts_at")
        if booked.filter(clinic=clinic).count() >= places:
            raise Refused("This slot has just been taken: choose another", "starts_at")

    booking: dict[str, Value] = {
        "clinic": clinic,
        "starts_at": clock.iso(starts_at),
        "minutes": slot.minutes,
        "appointment_type": appointment_type,
        "reason": reason,
    }
    news = News(event=Event.BOOK, occurred_at=clock.now(), appointment={"booking": booking})
    return save(Order(news=news, by=by, key=key, screen="book", patient_id=patient_id, seen=seen, check=check))


def cancel(*, appointment_id: int, seen: int, reason: str, by: Actor, key: Key) -> Saved:
    """Call an appointment off; a reason is needed."""
    if not reason.strip():
        raise Refused("Enter why it is cancelled", "reason")
    patient = Appointment.objects.filter(pk=appointment_id).values_list("patient_id", flat=True).first()
    if patient is None:
        raise Refused("This appointment no longer exists")
    news = News(event=Event.CANCEL_APPOINTMENT, occurred_at=clock.now(), reason=reason)
    return save(
        Order(
            news=news,
            by=by,
            key=key,
            screen="cancel-appointment",
            patient_id=patient,
            appointment_id=appointment_id,
            seen=seen,
        )
    )
