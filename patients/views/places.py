"""The ward list and the clinic list."""

from datetime import timedelta

from django.http import Http404, HttpRequest, HttpResponse

from pasmirror.lib import pages
from pasmirror.lib.permissions import Permission, needs
from patients import typed
from patients.forms.base import today
from patients.selectors import clinics as clinic_list
from patients.selectors import wards as ward_list
from patients.services import looking
from patients.views.desk import who


@needs(Permission.READ)
def wards(request: HttpRequest) -> HttpResponse:
    """Pick a ward."""
    return pages.page(request, "patients/wards.html", {"wards": ward_list.wards()})


@needs(Permission.READ)
def ward(request: HttpRequest, ward_id: int) -> HttpResponse:
    """Show a ward by bed, unoccupied beds too."""
    board = ward_list.board(ward_id)
    if board is None:
        raise Http404
    stays = [stay for place in board.places for stay in place.stays] + board.unplaced
    looking.searched(by=who(request), fields=["ward"], hits=len(stays))
    names = [(stay.patient.family.upper(), stay.patient.given.upper()) for stay in stays]
    context = {"board": board, "wards": ward_list.wards(), "twins": {name for name in names if names.count(name) > 1}}
    return pages.page(request, "patients/ward.html", context)


@needs(Permission.READ)
def clinics(request: HttpRequest) -> HttpResponse:
    """Pick a clinic."""
    return pages.page(request, "patients/clinics.html", {"clinics": clinic_list.clinics()})


@needs(Permission.READ)
def clinic(request: HttpRequest, clinic_id: int) -> HttpResponse:
    """Show a clinic's day by time."""
    found = clinic_list.clinic(clinic_id)
    if found is None:
        raise Http404
    wrong = ""
    day = today()
    try:
        day = typed.day(request.GET.get("day") or "today", today=today())
    except typed.Unclear as unclear:
        wrong = str(unclear)
    booked = clinic_list.booked(found.code, day)
    looking.searched(by=who(request), fields=["clinic"], hits=len(booked))
    names = [(a.patient.family.upper(), a.patient.given.upper()) for a in {a.patient_id: a for a in booked}.values()]
    context = {
        "clinic": found, "day_shown": day, "wrong": wrong, "typed_day": request.GET.get("day", ""), "booked": booked,
        "before": day - timedelta(days=1), "after": day + timedelta(days=1),
        "twins": {name for name in names if names.count(name) > 1},
    }  # fmt: skip
    return pages.page(request, "patients/clinic.html", context)
