"""Admits, transfers and discharges; the bed is locked before it is taken."""

from datetime import datetime

from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.facts import Groups, News, Value
from patients.models import Patient, Stay
from patients.refusals import Refused
from patients.services import beds, stays
from patients.services.saving import Order, Saved, save
from patients.states import Event, StayStatus

DIED = "4"  # method of discharge: patient died (NHS Data Dictionary)


def admit(
    *,
    patient_id: int,
    seen: int,
    stay: Groups,
    occurred_at: datetime,
    by: Actor,
    key: Key,
    stay_id: int | None = None,
) -> Saved:
    """Begin a stay; refused if the patient is in already or has died, or the bed is taken, closed or unknown.

    `stay_id`: the patient was expected for it, or attends; `seen` is its version then, else the patient's.
    """
    place = beds.sited(stay.get("place", {}))
    stays.why_not_when(occurred_at)

    def check(patient: Patient) -> None:
        why_not_in(patient, but=stay_id)
        if stay_id:
            _why_not_begin(Stay.objects.get(pk=stay_id), occurred_at)
        beds.take(place)

    news = News(event=Event.ADMIT, occurred_at=occurred_at, stay={**stay, "place": place})
    return save(
        Order(news=news, by=by, key=key, screen="admit", patient_id=patient_id, stay_id=stay_id, seen=seen, check=check)
    )


def transfer(*, stay_id: int, seen: int, place: dict[str, Value], occurred_at: datetime, by: Actor, key: Key) -> Saved:
    """Move a stay to another ward or bed."""
    place = beds.sited(place)
    stays.why_not_when(occurred_at)

    def check(patient: Patient) -> None:
        stay = Stay.objects.get(pk=stay_id)
        stays.why_not_after(stay, occurred_at)
        if all(getattr(stay, name) == place.get(name, "") for name in ("ward", "bay", "bed")):
            raise Refused("The patient is in that bed already", "bed")
        beds.take(place)

    news = News(event=Event.TRANSFER, occurred_at=occurred_at, stay={"place": place})
    return save(stays.order(stay_id, news, by=by, key=key, screen="transfer", seen=seen, check=check))


def discharge(
    *,
    stay_id: int,
    seen: int,
    discharge: dict[str, Value],
    occurred_at: datetime,
    by: Actor,
    key: Key,
    died_at: str = "",
) -> Saved:
    """End a stay; method "4" (died) needs `died_at`, an ISO moment or date."""
    stays.why_not_when(occurred_at)
    died = str(discharge.get("discharge_method", "")) == DIED
    if died and not died_at:
        raise Refused("Enter the date of death", "died_at")

    def check(patient: Patient) -> None:
        stays.why_not_after(Stay.objects.get(pk=stay_id), occurred_at)

    news = News(
        event=Event.DISCHARGE,
        occurred_at=occurred_at,
        stay={"discharge": discharge},
        patient={"death": {"dead": True, "died_at": died_at}} if died else {},
    )
    return save(stays.order(stay_id, news, by=by, key=key, screen="discharge", seen=seen, check=check))


def why_not_in(patient: Patient, *, but: int | None = None) -> None:
    """Refuse somebody who has died or is admitted already; `but`: the stay in question."""
    if patient.dead:
        raise Refused("This patient is recorded as having died")
    if Stay.objects.filter(patient=patient, status=StayStatus.IN).exclude(pk=but or 0).exists():
        raise Refused("The patient is already admitted")


def _why_not_begin(stay: Stay, at: datetime) -> None:
    """Refuse an admission before the attendance it follows; that a patient was expected is no earlier step."""
    if stay.status == StayStatus.ATTENDING:
        stays.why_not_after(stay, at)
