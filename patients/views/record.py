"""The patient's page, what became of what was entered here, and the change of details."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from pasmirror.lib import pages
from pasmirror.lib.permissions import Permission, needs
from patients.forms.patient import FIRST, MORE, EditForm, shown
from patients.selectors import patients
from patients.services import registration
from patients.views.desk import around, details, once, opened, saved, to_record, who


@needs(Permission.READ)
@require_safe
def record(request: HttpRequest, patient_id: int) -> HttpResponse:
    """Show all there is of one patient."""
    found = opened(request, patient_id, page="record")
    return pages.page(request, "patients/record.html", around(found) | {"made_here": found.made_here})


@needs(Permission.READ)
@require_safe
def fates(request: HttpRequest, patient_id: int) -> HttpResponse:
    """Give the part that says what became of each entry; asked for again and again, so no look is written."""
    context = {"made_here": patients.made_here(patient_id), "patient_id": patient_id}
    return pages.part(request, "patients/record.html", "outage-made", context)


@needs(Permission.WRITE)
@once
def edit(request: HttpRequest, patient_id: int) -> HttpResponse:
    """Change a person's details; a stale save shows both values."""
    found = opened(request, patient_id, page="details")
    now = details(found)
    first = {**shown(now), "seen": found.patient.version}
    form = EditForm(request.POST if request.method == "POST" else None, now=now, initial=first)
    if form.is_bound and form.is_valid():
        done = saved(
            form,
            lambda: registration.update(
                patient_id=patient_id,
                seen=form.cleaned_data["seen"],
                patient=form.groups(),
                by=who(request),
                key=form.idempotency_key,
            ),
        )
        if done:
            return to_record(patient_id)
    return pages.page(request, "patients/edit.html", around(found) | {"form": form, "first": FIRST, "more": MORE})
