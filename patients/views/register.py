"""Register a person in an outage: possible matches beside the form, advice only."""

from django.http import HttpRequest, HttpResponse

from pasmirror.lib import pages
from pasmirror.lib.permissions import Permission, needs
from patients import cui, typed
from patients.forms.base import today
from patients.forms.patient import FIRST, MORE, RegisterForm
from patients.identifiers import nhs_digits, why_not_nhs_number
from patients.selectors import patients
from patients.services import looking, registration
from patients.views.desk import once, saved, to_record, ward_names, who, writable


@needs(Permission.WRITE)
@once
def register(request: HttpRequest) -> HttpResponse:
    """Show the form; on POST make the record and open it."""
    form = RegisterForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        done = saved(
            form,
            lambda: registration.register(patient=form.groups(), by=who(request), key=form.idempotency_key),
        )
        if done:
            return to_record(done.patient)
    context = {
        "form": form, "first": FIRST, "more": MORE, "writable": writable(), "matches": None,
        "ward_names": ward_names(),
    }  # fmt: skip
    return pages.page(request, "patients/register.html", context)


@needs(Permission.WRITE)
def matches(request: HttpRequest) -> HttpResponse:
    """Give the part with people who may be the one being registered."""
    said = request.POST
    try:
        born = typed.born(said.get("born", ""), today=today())
    except typed.Unclear:
        born = ""
    number = said.get("nhs_number", "")
    found = patients.possible_matches(
        family=said.get("family", "").strip(),
        given=said.get("given", "").strip(),
        born=born,
        sex=said.get("sex", ""),
        postcode=typed.postcode(said.get("postcode", "")),
        nhs_number="" if why_not_nhs_number(number) else nhs_digits(number),
    )
    if found:
        looking.searched(by=who(request), fields=["possible matches"], hits=len(found))
    context = {"matches": found, "ward_names": ward_names()}
    return pages.part(request, "patients/register.html", "matches", context)


@needs(Permission.WRITE)
def echo(request: HttpRequest) -> HttpResponse:
    """Say back how a date of birth or an NHS number was read: one line beside its box."""
    if "born" in request.POST:
        try:
            born = typed.born(request.POST["born"], today=today())
        except typed.Unclear as unclear:
            return pages.part(request, "patients/register.html", "echo", {"wrong": str(unclear)})
        text = cui.born(born, today()) if born else ""
        return pages.part(request, "patients/register.html", "echo", {"right": text})
    number = request.POST.get("nhs_number", "")
    why = why_not_nhs_number(number)
    context = {"wrong": why} if why else {"right": cui.nhs(nhs_digits(number)) if number.strip() else ""}
    return pages.part(request, "patients/register.html", "echo", context)
