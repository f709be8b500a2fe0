"""Differences between the mirror and the PAS, side by side, for a person to settle."""

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from failover.forms.console import SettleForm
from failover.selectors import discrepancies as reading
from failover.services import discrepancies
from pasmirror.lib import pages
from pasmirror.lib.models import User
from pasmirror.lib.permissions import Permission, actor_of, needs
from patients.refusals import Refused
from patients.selectors import patients
from patients.services import looking


@needs(Permission.SETTLE)
def listed(request: HttpRequest) -> HttpResponse:
    """Show what waits for a person, and what was decided lately."""
    context = {"waiting": reading.waiting(), "decided": reading.decided()}
    return pages.page(request, "failover/discrepancies.html", context)


@needs(Permission.SETTLE)
def one(request: HttpRequest, discrepancy_id: int) -> HttpResponse:
    """Show trunk, ours and theirs side by side; on POST carry out the decision."""
    found = reading.one(discrepancy_id)
    if found is None:
        raise Http404
    by = actor_of(cast(User, request.user))
    form = SettleForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        said = form.cleaned_data
        try:
            discrepancies.settle(discrepancy_id=found.pk, decision=said["decision"], by=by, reason=said["reason"])
        except Refused as refused:
            form.refuse(refused)
        else:
            return redirect("discrepancies")
    looking.looked(patient_id=found.patient, by=by, page="discrepancy")
    record = patients.record(found.patient)
    context = {"d": found, "rows": reading.rows(found), "form": form, "record": record}
    return pages.page(request, "failover/discrepancy.html", context)
