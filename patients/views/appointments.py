"""Book an appointment: clinic, day, free time; and call one off."""

from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from pasmirror.lib import clock, pages
from pasmirror.lib.permissions import Permission, needs
from patients import cui, typed
from patients.forms.appointment import BookForm, CancelForm
from patients.forms.base import today
from patients.selectors import clinics
from patients.services import appointments, sessions
from patients.views.desk import around, clinic_names, once, opened, saved, to_record, who


@needs(Permission.WRITE)
@once
def book(request: HttpRequest, patient_id: int) -> HttpResponse:
    """Choose clinic and day, then one of the free times."""
    found = opened(request, patient_id, page="book")
    form = _booking(request, found.patient.version)
    if request.method == "POST" and "show_slots" not in request.POST and form.is_valid():
        said = form.cleaned_data
        done = saved(
            form,
            lambda: appointments.book(
                patient_id=patient_id,
                seen=said["seen"],
                clinic=said["clinic"],
                starts_at=form.slot(),
                appointment_type=said["appointment_type"],
                reason=said["reason"],
                by=who(request),
                key=form.idempotency_key,
            ),
        )
        if done:
            return to_record(patient_id)
    context = around(found) | {"form": form}
    if request.headers.get("HX-Target") == "slots":
        return pages.part(request, "patients/book.html", "slots", context)
    return pages.page(request, "patients/book.html", context)


@needs(Permission.WRITE)
@once
def cancel(request: HttpRequest, patient_id: int, appointment_id: int) -> HttpResponse:
    """Call an appointment off, with the reason."""
    found = opened(request, patient_id, page="cancel-appointment")
    appointment = next((a for a in found.appointments if a.pk == appointment_id), None)
    if appointment is None:
        raise Http404
    form = CancelForm(request.POST if request.method == "POST" else None, initial={"seen": appointment.version})
    if form.is_bound and form.is_valid():
        done = saved(
            form,
            lambda: appointments.cancel(
                appointment_id=appointment_id,
                seen=form.cleaned_data["seen"],
                reason=form.cleaned_data["reason"],
                by=who(request),
                key=form.idempotency_key,
            ),
        )
        if done:
            return to_record(patient_id)
    return pages.page(
        request, "patients/cancel-appointment.html", around(found) | {"form": form, "appointment": appointment}
    )


def _booking(request: HttpRequest, version: int) -> BookForm:
    first = request.POST.dict() if request.method == "POST" else {"seen": version, "day": cui.day(today())}
    day = _day(str(first.get("day", "")))
    free = _free(str(first["clinic"]), day) if day and first.get("clinic") else []
    data = request.POST if request.method == "POST" and "show_slots" not in request.POST else None
    slots = [(clock.iso(slot.starts_at), f"{cui.time(slot.starts_at)} ({slot.minutes} min)") for slot in free]
    return BookForm(data, initial=first, clinics=clinic_names().items(), slots=slots)


def _free(clinic: str, day: date) -> list[Any]:
    sessions.make_slots(clinic, day)
    return clinics.free_slots(clinic, day)


def _day(text: str) -> date | None:
    try:
        return typed.day(text, today=today())
    except typed.Unclear:
        return None
