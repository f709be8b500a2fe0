"""Finds patients from one typed line, and reads all there is of one."""

import re
from dataclasses import dataclass, field

from django.db.models import Prefetch, Q, QuerySet

from pasmirror.lib import clock
from patients.models import Alert, Appointment, Change, Patient, PatientIdentifier, Stay
from patients.states import StayStatus
from patients.typed import Unclear, born

POSTCODE = re.compile(r"^[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$", re.IGNORECASE)
MATCHES = 10


@dataclass(frozen=True, slots=True)
class Found:
    """One line of a list of patients."""

    patient: Patient
    hospital_number: str
    ward: str


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """All there is of one patient, for their page."""

    patient: Patient
    identifiers: list[PatientIdentifier]
    stays: list[Stay]
    appointments: list[Appointment]
    alerts: list[Alert]
    made_here: list[Change] = field(default_factory=list)  # clerks' changes, newest first, fates prefetched
    stands: Patient | None = None  # of a merged record: the one that stands, at the end of the chain

    @property
    def current_stay(self) -> Stay | None:
        """Give the open stay, if there is one."""
        return next((stay for stay in self.stays if stay.status == StayStatus.IN), None)


def find(text: str, *, limit: int = 25) -> list[Found]:
    """Find by NHS number, hospital number, date of birth, postcode, or "family, given"; living patients first."""
    typed = " ".join(text.split())
    if not typed:
        return []
    return _lines(Patient.objects.filter(_meaning(typed)), limit)


def possible_matches(*, family: str, given: str, born: str, sex: str, postcode: str, nhs_number: str) -> list[Found]:
    """Give at most ten people who may be the one being registered: advice, never a block."""
    wanted = Q(pk=None)
    if nhs_number:
        wanted |= Q(nhs_number=nhs_number)
    if family and born:
        wanted |= Q(family__iexact=family, born=born) | Q(given__iexact=family, family__iexact=given, born=born)
    if family and given and postcode:
        wanted |= Q(family__iexact=family, given__iexact=given, postcode__iexact=postcode)
    if family and given and not born:
        wanted |= Q(family__iexact=family, given__iexact=given)
    if sex and born and postcode:
        wanted |= Q(born=born, postcode__iexact=postcode, sex=sex)
    return _lines(Patient.objects.filter(wanted), MATCHES)


def record(patient_id: int) -> PatientRecord | None:
    """Read all there is of one patient; None if there is no such record."""
    patient = Patient.objects.select_related("merged_into").filter(pk=patient_id).first()
    if patient is None:
        return None
    return PatientRecord(
        patient=patient,
        identifiers=list(patient.identifiers.filter(until=None).order_by("id")),
        stays=list(patient.stays.prefetch_related("identifiers").order_by("-admitted_at", "-id")),
        appointments=list(patient.appointments.order_by("-starts_at", "-id")[:50]),
        alerts=list(patient.alerts.filter(until=None)),
        made_here=made_here(patient_id),
        stands=_stands(patient),
    )


def _stands(patient: Patient) -> Patient | None:
    survivor = patient.merged_into
    while survivor is not None and survivor.merged_into_id:
        survivor = survivor.merged_into
    return survivor


def made_here(patient_id: int) -> list[Change]:
    """Give what clerks entered for this patient, newest first, with what became of each."""
    changes = Change.objects.filter(patient_id=patient_id, source="clerk").prefetch_related("fates")
    return list(changes.order_by("-id")[:50])


def _meaning(typed: str) -> Q:
    digits = typed.replace(" ", "").replace("-", "")
    if digits.isdigit() and len(digits) == 10:
        return Q(nhs_number=digits) | Q(identifiers__value__iexact=digits)
    if when := _born(typed):
        return Q(born__startswith=when)
    if POSTCODE.match(typed):
        outward = typed.replace(" ", "").upper()
        return Q(postcode__iexact=f"{outward[:-3]} {outward[-3:]}") | Q(postcode__iexact=outward)
    if any(c.isdigit() for c in typed):
        return Q(identifiers__value__iexact=typed) | Q(identifiers__value__iexact=digits)
    family, _, given = (part.strip() for part in typed.partition(","))
    if given:
        return Q(family__istartswith=family, given__istartswith=given)
    first, _, rest = typed.partition(" ")
    swapped = Q(family__istartswith=rest, given__istartswith=first) if rest else Q(pk=None)
    return Q(family__istartswith=typed) | swapped | (Q(family__istartswith=first, given__istartswith=rest))


def _born(typed: str) -> str:
    try:
        return born(typed, today=clock.now().astimezone(clock.SITE).date())
    except Unclear:
        return ""


def _lines(patients: QuerySet[Patient], limit: int) -> list[Found]:
    known = patients.filter(merged_into=None).distinct().order_by("dead", "family", "given", "id")
    rows = known.prefetch_related(
        Prefetch("identifiers", PatientIdentifier.objects.filter(until=None, type="MR").order_by("id")),
        Prefetch("stays", Stay.objects.filter(status=StayStatus.IN)),
    )[:limit]
    return [
        Found(
            patient=row,
            hospital_number=next((i.value for i in row.identifiers.all()), ""),
            ward=next((stay.ward for stay in row.stays.all()), ""),
        )
        for row in rows
    ]
