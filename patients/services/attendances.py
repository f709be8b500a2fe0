"""Attendances, emergency or outpatient: begun, turned into an admission, and the reverse."""

from datetime import datetime

from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.facts import Groups, News, Value
from patients.models import Patient, Stay
from patients.refusals import Refused
from patients.services import admissions, beds, stays
from patients.services.saving import Order, Saved, save
from patients.states import Event, StayStatus

OUTPATIENT = frozenset("EO")
INPATIENT = "I"


def attend(
    *,
    patient_id: int,
    seen: int,
    stay: Groups,
    occurred_at: datetime,
    by: Actor,
    key: Key,
    stay_id: int | None = None,
) -> Saved:
    """Begin an attendance of class E (emergency) or O (outpatient), at a ward, department or clinic; no bed is taken.

    `stay_id`: the patient was expected for it; `seen` is its version then, else the patient's.
    """
    stays.why_not_when(occurred_at)
    if stay.get("admission", {}).get("patient_class") not in OUTPATIENT:
        raise Refused("Choose the class: emergency or outpatient", "patient_class")
    place = _unbedded(stay.get("place", {}))

    def check(patient: Patient) -> None:
        if patient.dead:
            raise Refused("This patient is recorded as having died")
        if Stay.objects.filter(patient=patient, status=StayStatus.ATTENDING, ward=place["ward"]).exists():
            raise Refused("The patient attends there already", "ward")

    news = News(event=Event.ATTEND, occurred_at=occurred_at, stay={**stays.checked(stay), "place": place})
    return save(
        Order(
            news=news, by=by, key=key, screen="attend", patient_id=patient_id, stay_id=stay_id, seen=seen, check=check
        )
    )


def to_inpatient(*, stay_id: int, seen: int, stay: Groups, occurred_at: datetime, by: Actor, key: Key) -> Saved:
    """Admit somebody who attends, as the same stay; `stay` as for an admission, its class is I."""
    stays.why_not_when(occurred_at)
    place = beds.sited(stay.get("place", {}))
    admission = {**stay.get("admission", {}), "patient_class": INPATIENT}

    def check(patient: Patient) -> None:
        admissions.why_not_in(patient, but=stay_id)
        stays.why_not_after(Stay.objects.get(pk=stay_id), occurred_at)
        beds.take(place)

    said = {**stays.checked(stay), "place": place, "admission": admission}
    news = News(event=Event.TO_INPATIENT, occurred_at=occurred_at, stay=said)
    return save(stays.order(stay_id, news, by=by, key=key, screen="to-inpatient", seen=seen, check=check))


def to_outpatient(
    *,
    stay_id: int,
    seen: int,
    patient_class: str,
    place: dict[str, Value],
    occurred_at: datetime,
    by: Actor,
    key: Key,
) -> Saved:
    """Let an admission be an attendance from now on; the bed is free again."""
    stays.why_not_when(occurred_at)
    if patient_class not in OUTPATIENT:
        raise Refused("Choose the class: emergency or outpatient", "patient_class")
    said: Groups = {"place": _unbedded(place), "admission": {"patient_class": patient_class}}

    def check(patient: Patient) -> None:
        stays.why_not_after(Stay.objects.get(pk=stay_id), occurred_at)

    news = News(event=Event.TO_OUTPATIENT, occurred_at=occurred_at, stay=said)
    return save(stays.order(stay_id, news, by=by, key=key, screen="to-outpatient", seen=seen, check=check))


def _unbedded(place: dict[str, Value]) -> dict[str, Value]:
    """Give the ward or clinic where somebody attends, who has no bed there."""
    beds.why_not_named({"ward": place.get("ward", "")}, clinics=True)
    return beds.sited({"ward": place["ward"]})
