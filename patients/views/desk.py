"""What the views of the desk share: who asks, whether saving is open, and how a refusal reaches the form."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from uuid import UUID

from django.forms import ChoiceField
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from pasmirror.lib import clock, idempotency
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import User
from pasmirror.lib.permissions import actor_of
from patients import cui, facts
from patients.facts import Kind
from patients.forms.base import PageForm
from patients.refusals import Refused, Stale
from patients.selectors import clinics, gate, patients, wards
from patients.selectors.patients import PatientRecord
from patients.services import looking
from patients.services.saving import Saved
from patients.states import WRITABLE

REDIRECTS = (301, 302, 303)
P = ParamSpec("P")
LABELS = {Kind.PATIENT: "these details", Kind.STAY: "this stay", Kind.APPOINTMENT: "this appointment"}


def who(request: HttpRequest) -> Actor:
    """Name the signed-in person."""
    return actor_of(cast(User, request.user))


def writable() -> bool:
    """Say whether clerks may save now; the save itself asks again under the gate."""
    return gate.now().mode in WRITABLE


def opened(request: HttpRequest, patient_id: int, *, page: str) -> PatientRecord:
    """Read a patient's record for a page and write down that it was looked at; 404 if there is none."""
    record = patients.record(patient_id)
    if record is None:
        raise Http404
    looking.looked(patient_id=patient_id, by=who(request), page=page)
    return record


def saved(form: PageForm, save: Callable[[], Saved]) -> Saved | None:
    """Carry out a save; None if it was refused, and then the form says why."""
    try:
        return save()
    except Stale as stale:
        meet(form, stale)
    except Refused as refused:
        form.refuse(refused)
    return None


def once(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Lead a form that is sent again after it was saved to the record it made, whatever would be refused by now."""

    @wraps(view)
    def answered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if request.method != "POST" or response.status_code in REDIRECTS:
            return response
        try:
            form = idempotency.Form.sent(UUID(request.POST.get("key", "")), request.POST)
        except ValueError:
            return response
        earlier = idempotency.earlier(form, who(request))
        return to_record(earlier["patient"]) if earlier else response

    return answered


def meet(form: PageForm, stale: Stale) -> None:
    """Show beside the form what somebody else has saved meanwhile; saving again is then on the newer version."""
    form.refuse(stale)
    form.data = {**dict(form.data.items()), "seen": str(stale.version)}
    said = {name: value for values in stale.now.values() for name, value in values.items()}
    yours = {name: str(form.cleaned_data.get(name, "")).rpartition("^")[2] for name in form.fields if name in said}
    form.met = [
        (str(form.fields[name].label or name), _words(form, name, value), _words(form, name, str(said[name])))
        for name, value in yours.items()
        if value != str(said[name])
    ]


def _words(form: PageForm, name: str, value: str) -> str:
    """Give a field's value as the person reads it."""
    field = form.fields[name]
    if isinstance(field, ChoiceField):
        return str(dict(field.choices).get(value, value))  # type: ignore[arg-type]  # a list of pairs, always
    return cui.day(value) if name == "born" else value


def to_record(patient_id: int) -> HttpResponse:
    """Go and read the record again."""
    return redirect("record", patient_id)


def ward_names() -> dict[str, str]:
    """Give the wards' names by code."""
    return {ward.code: ward.name or ward.code for ward in wards.wards()}


def clinic_names() -> dict[str, str]:
    """Give the clinics' names by code."""
    return {clinic.code: clinic.name or clinic.code for clinic in clinics.clinics()}


def around(record: PatientRecord) -> dict[str, Any]:
    """Give what every page of one patient shows around its own content."""
    hospital = [i for i in record.identifiers if i.type == "MR"]
    return {
        "record": record,
        "patient": record.patient,
        "numbers": [{"label": label(i.authority, len(hospital)), "value": i.value} for i in hospital],
        "ward_names": ward_names(),
        "clinic_names": clinic_names(),
        "writable": writable(),
        "read_at": clock.now(),
    }


def label(authority: str, count: int) -> str:
    """Name a hospital number; where there are several, by who gave it."""
    return f"Hospital No. ({authority})" if count > 1 and authority else "Hospital No."


def details(record: PatientRecord) -> facts.Groups:
    """Give the patient's facts."""
    return facts.of(Kind.PATIENT, record.patient)
