"""What is planned: patients expected, transfers and discharges to come. A plan takes no bed."""

from datetime import datetime

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.facts import Groups, News, Value
from patients.models import Patient, Stay
from patients.refusals import Refused
from patients.services import beds, stays
from patients.services.saving import Order, Saved, save
from patients.states import Event, StayStatus

_PENDING = {"ward": "pending_ward", "bay": "pending_bay", "bed": "pending_bed"}


def expect(
    *, patient_id: int, seen: int, expected_at: datetime, stay: Groups, place: dict[str, Value], by: Actor, key: Key
) -> Saved:
    """Put a patient on the list of those expected; `place`: where, {} if that is not known yet.

    `stay`: what is known of the stay to come (consultant, admission).
    """
    stays.why_not_planned(expected_at, "expected_at")
    said: Groups = {**stays.checked(stay), "expected": {"admission_expected_at": clock.iso(expected_at)}}
    if place.get("ward"):
        beds.why_not_named(place)
        said["pending"] = _pending(place)

    def check(patient: Patient) -> None:
        if patient.dead:
            raise Refused("This patient is recorded as having died")
        others = Stay.objects.filter(patient=patient, status=StayStatus.EXPECTED)
        if others.filter(admission_expected_at=expected_at.replace(microsecond=0)).exists():
            raise Refused("The patient is expected at that time already", "expected_at")

    news = News(event=Event.PREADMIT, occurred_at=clock.now(), stay=said)
    return save(Order(news=news, by=by, key=key, screen="expect", patient_id=patient_id, seen=seen, check=check))


def plan_transfer(*, stay_id: int, seen: int, place: dict[str, Value], at: datetime, by: Actor, key: Key) -> Saved:
    """Plan a transfer to another ward or bed, `at` some time to come; told again, it is the plan that holds."""
    stays.why_not_planned(at, "pending_at")
    beds.why_not_named(place)

    def check(patient: Patient) -> None:
        stay = Stay.objects.get(pk=stay_id)
        if all(getattr(stay, name) == place.get(name, "") for name in ("ward", "bay", "bed")):
            raise Refused("The patient is in that bed already", "bed")

    said: Groups = {"pending": {**_pending(place), "pending_at": clock.iso(at)}}
    news = News(event=Event.PLAN_TRANSFER, occurred_at=clock.now(), stay=said)
    return save(stays.order(stay_id, news, by=by, key=key, screen="plan-transfer", seen=seen, check=check))


def plan_discharge(*, stay_id: int, seen: int, at: datetime, by: Actor, key: Key) -> Saved:
    """Plan the discharge, `at` some time to come; told again, it is the plan that holds."""
    stays.why_not_planned(at, "discharge_expected_at")
    said: Groups = {"expected": {"discharge_expected_at": clock.iso(at)}}
    news = News(event=Event.PLAN_DISCHARGE, occurred_at=clock.now(), stay=said)
    return save(stays.order(stay_id, news, by=by, key=key, screen="plan-discharge", seen=seen))


def _pending(place: dict[str, Value]) -> dict[str, Value]:
    return {pending: place.get(name, "") for name, pending in _PENDING.items()}
