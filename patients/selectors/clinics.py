"""Clinics, their free slots of a day, and who is booked."""

from datetime import date, datetime, timedelta

from django.db.models import Count

from pasmirror.lib import clock
from patients.models import Appointment, Clinic, Slot
from patients.states import LIVE_APPOINTMENTS


def clinics() -> list[Clinic]:
    """Give all clinics, declared ones first."""
    return list(Clinic.objects.order_by("-listed", "code"))


def clinic(clinic_id: int) -> Clinic | None:
    """Give one clinic."""
    return Clinic.objects.filter(pk=clinic_id).first()


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """Give the first moment of a local day and of the next."""
    start = datetime(day.year, day.month, day.day, tzinfo=clock.SITE)
    after = day + timedelta(days=1)
    return start, datetime(after.year, after.month, after.day, tzinfo=clock.SITE)


def free_slots(clinic_code: str, day: date) -> list[Slot]:
    """Give the slots of that day that still have a place, in order, none of them past."""
    start, end = day_bounds(day)
    start = max(start, clock.now())
    booked = dict(
        Appointment.objects.filter(
            clinic=clinic_code, starts_at__gte=start, starts_at__lt=end, status__in=LIVE_APPOINTMENTS
        )
        .values_list("starts_at")
        .annotate(n=Count("id"))
    )
    slots = Slot.objects.filter(clinic__code=clinic_code, starts_at__gte=start, starts_at__lt=end).order_by("starts_at")
    return [slot for slot in slots if booked.get(slot.starts_at, 0) < slot.places]


def booked(clinic_code: str, day: date) -> list[Appointment]:
    """Give a clinic's appointments of one day by time, cancelled ones too, with their patients."""
    start, end = day_bounds(day)
    found = Appointment.objects.filter(clinic=clinic_code, starts_at__gte=start, starts_at__lt=end)
    return list(found.select_related("patient").order_by("starts_at", "id"))


def appointment(appointment_id: int) -> Appointment | None:
    """Give an appointment with its patient."""
    return Appointment.objects.select_related("patient").filter(pk=appointment_id).first()
