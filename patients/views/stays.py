"""Admit, transfer, discharge."""

from typing import Any, TypeVar

from django.http import Http404, HttpRequest, HttpResponse

from pasmirror.lib import pages
from pasmirror.lib.permissions import Permission, needs
from patients.forms.base import now_typed
from patients.forms.stay import AdmitForm, DischargeForm, PlaceForm, TransferForm
from patients.selectors import wards
from patients.selectors.patients import PatientRecord
from patients.services import admissions
from patients.views.desk import around, once, opened, saved, to_record, ward_names, who

Form = TypeVar("Form", bound=PlaceForm)


@needs(Permission.WRITE)
@once
def admit(request: HttpRequest, patient_id: int) -> HttpResponse:
    """Begin a stay on a ward."""
    found = opened(request, patient_id, page="admit")
    form = _placing(AdmitForm, request, {"seen": found.patient.version, "patient_class": "I"})
    if _asked_to_save(request) and form.is_valid():
        done = saved(
            form,
            lambda: admissions.admit(
                patient_id=patient_id,
                seen=form.cleaned_data["seen"],
                stay=form.stay(),
                occurred_at=form.occurred_at,
                by=who(request),
                key=form.idempotency_key,
            ),
        )
        if done:
            return to_record(patient_id)
    return _placed(request, "patients/admit.html", around(found) | {"form": form})


@needs(Permission.WRITE)
@once
def transfer(request: HttpRequest, patient_id: int, stay_id: int) -> HttpResponse:
    """Move to another ward or bed."""
    found = opened(request, patient_id, page="transfer")
    stay = _stay(found, stay_id)
    form = _placing(TransferForm, request, {"seen": stay.version, "ward": stay.ward})
    if _asked_to_save(request) and form.is_valid():
        done = saved(
            form,
            lambda: admissions.transfer(
                stay_id=stay_id,
                seen=form.cleaned_data["seen"],
                place=form.place(),
                occurred_at=form.occurred_at,
                by=who(request),
                key=form.idempotency_key,
            ),
        )
        if done:
            return to_record(patient_id)
    return _placed(request, "patients/transfer.html", around(found) | {"form": form, "stay": stay})


@needs(Permission.WRITE)
@once
def discharge(request: HttpRequest, patient_id: int, stay_id: int) -> HttpResponse:
    """End a stay."""
    found = opened(request, patient_id, page="discharge")
    stay = _stay(found, stay_id)
    first = {"seen": stay.version, **now_typed()}
    form = DischargeForm(request.POST if request.method == "POST" else None, initial=first)
    if form.is_bound and form.is_valid():
        done = saved(
            form,
            lambda: admissions.discharge(
                stay_id=stay_id,
                seen=form.cleaned_data["seen"],
                discharge=form.discharge(),
                occurred_at=form.occurred_at,
                by=who(request),
                key=form.idempotency_key,
                died_at=form.died_at,
            ),
        )
        if done:
            return to_record(patient_id)
    return pages.page(request, "patients/discharge.html", around(found) | {"form": form, "stay": stay})


def _stay(record: PatientRecord, stay_id: int) -> Any:
    stay = next((stay for stay in record.stays if stay.pk == stay_id), None)
    if stay is None:
        raise Http404
    return stay


def _asked_to_save(request: HttpRequest) -> bool:
    """Tell a save from "Show beds", which sends the same form only to be shown again."""
    return request.method == "POST" and "show_beds" not in request.POST


def _placing(kind: type[Form], request: HttpRequest, first: dict[str, Any]) -> Form:
    typed = request.POST.dict() if request.method == "POST" else {**first, **now_typed()}
    ward = typed.get("ward", "")
    beds = [(f"{bed.bay}^{bed.bed}", f"{bed.bay} {bed.bed}".strip()) for bed in wards.free_beds(ward)] if ward else []
    data = request.POST if _asked_to_save(request) else None
    return kind(data, initial=typed, wards=ward_names().items(), beds=beds)


def _placed(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    if request.headers.get("HX-Target") == "beds":
        return pages.part(request, template, "beds", context)
    return pages.page(request, template, context)
