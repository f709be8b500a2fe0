"""Admits, transfers and discharges; the bed is locked before it is taken."""

from datetime import datetime, timedelta
from typing import Any

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.facts import Groups, News, Value
from patients.models import Bed, Patient, Stay, Ward
from patients.refusals import Refused
from patients.services.saving import Order, Saved, save
from patients.states import Event, StayStatus

CLOCK_SLACK = timedelta(minutes=1)  # a ward PC's clock may run this far ahead
DIED = "4"  # method of discharge: patient died (NHS Data Dictionary)


def admit(*, patient_id: int, seen: int, stay: Groups, occurred_at: datetime, by: Actor, key: Key) -> Saved:
    """Begin a stay; refused if the patient is in already or has died, or the bed is taken, closed or unknown."""
    place = _sited(stay.get("place", {}))
    stay = {**stay, "place": place}
    why_not_when(occurred_at)

    def check(patient: Patient) -> None:
        if patient.dead:
            raise Refused("This patient is recorded as having died")
        if Stay.objects.filter(patient=patient, status=StayStatus.IN).exists():
            raise Refused("The patient is already admitted")
        take_bed(place)

    news = News(event=Event.ADMIT, occurred_at=occurred_at, stay=stay)
    return save(Order(news=news, by=by, key=key, screen="admit", patient_id=patient_id, seen=seen, check=check))


def transfer(*, stay_id: int, seen: int, place: dict[str, Value], occurred_at: datetime, by: Actor, key: Key) -> Saved:
    """Move a stay to another ward or bed."""
    place = _sited(place)
    why_not_when(occurred_at)

    def check(patient: Patient) -> None:
        stay = Stay.objects.get(pk=stay_id)
        why_not_after(stay.moved_at, occurred_at)
        if all(getattr(stay, name) == place.get(name, "") for name in ("ward", "bay", "bed")):
            raise Refused("The patient is in that bed already", "bed")
        take_bed(place)

    news = News(event=Event.TRANSFER, occurred_at=occurred_at, stay={"place": place})
    return save(_of_stay(stay_id, news, by=by, key=key, screen="transfer", seen=seen, check=check))


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
    why_not_when(occurred_at)
    died = str(discharge.get("discharge_method", "")) == DIED
    if died and not died_at:
        raise Refused("Enter the date of death", "died_at")

    def check(patient: Patient) -> None:
        why_not_after(Stay.objects.get(pk=stay_id).moved_at, occurred_at)

    news = News(
        event=Event.DISCHARGE,
        occurred_at=occurred_at,
        stay={"discharge": discharge},
        patient={"death": {"dead": True, "died_at": died_at}} if died else {},
    )
    return save(_of_stay(stay_id, news, by=by, key=key, screen="discharge", seen=seen, check=check))


def _sited(place: dict[str, Value]) -> dict[str, Value]:
    """Give the place with its ward's site."""
    site = Ward.objects.filter(code=place.get("ward", "")).values_list("site", flat=True).first()
    return {"bay": "", "bed": "", **place, "site": site or ""}


def why_not_when(at: datetime) -> None:
    """Refuse a moment in the future (a minute's difference between clocks is let pass)."""
    if at > clock.now() + CLOCK_SLACK:
        raise Refused("The time is in the future", "occurred_at")


def why_not_after(moved_at: datetime | None, at: datetime) -> None:
    """Refuse a movement before the one that brought the patient where they are."""
    if moved_at and at < moved_at:
        raise Refused("The time is before the patient came to this bed", "occurred_at")


def take_bed(place: dict[str, Value]) -> None:
    """Lock the bed named by `place` and refuse it if it is unknown, closed or taken; no bed named is no bed taken."""
    if not place.get("ward"):
        raise Refused("Choose a ward", "ward")
    if not place.get("bed"):
        return
    bed = (
        Bed.objects.select_for_update(of=("self",))
        .filter(ward__code=place["ward"], bay=place.get("bay", ""), bed=place["bed"])
        .first()
    )
    if bed is None:
        raise Refused("There is no such bed on this ward", "bed")
    if bed.closed:
        raise Refused("This bed is closed", "bed")
    where: dict[str, Any] = {"ward": place["ward"], "bay": bed.bay, "bed": bed.bed}
    if Stay.objects.filter(status=StayStatus.IN, **where).exists():
        raise Refused("This bed has just been taken: choose another", "bed")


def _of_stay(stay_id: int, news: News, **order: Any) -> Order:
    patient = Stay.objects.filter(pk=stay_id).values_list("patient_id", flat=True).first()
    if patient is None:
        raise Refused("This stay no longer exists")
    return Order(news=news, patient_id=patient, stay_id=stay_id, **order)
