"""What all changes of a stay need, and its details: when a step may have been, who is looking after the patient."""

from datetime import datetime, timedelta
from typing import Any

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients import codes
from patients.facts import Groups, News, Value
from patients.models import Patient, Stay
from patients.refusals import Refused
from patients.services import history
from patients.services.saving import Order, Saved, save
from patients.states import Event

CLOCK_SLACK = timedelta(minutes=1)  # a ward PC's clock may run this far ahead
CLASSES = frozenset("EIPORBCNU")  # HL7 table 0004
DETAILS = frozenset({"consultant", "admission", "expected"})  # groups that have no step of their own
_BEFORE = {
    Event.LEAVE: "The time is before the patient went on leave",
    Event.DISCHARGE: "The time is before the discharge",
    Event.PREADMIT: "The time is before the patient was put on the list",
}


def update(*, stay_id: int, seen: int, stay: Groups, by: Actor, key: Key) -> Saved:
    """Change a stay's details, `DETAILS`; where the patient is and since when have steps of their own."""
    said = checked(stay)
    if strange := set(said) - DETAILS:
        raise KeyError(*strange)
    news = News(event=Event.UPDATE_STAY, occurred_at=clock.now(), stay=said)
    return save(order(stay_id, news, by=by, key=key, screen="stay", seen=seen))


def change_doctor(
    *, stay_id: int, seen: int, consultant: dict[str, Value], occurred_at: datetime, by: Actor, key: Key
) -> Saved:
    """Let another consultant look after the patient; `consultant`: the fields of that group."""
    why_not_when(occurred_at)
    if not str(consultant.get("consultant", "")).strip() and not str(consultant.get("consultant_name", "")).strip():
        raise Refused("Enter the consultant", "consultant")
    news = News(event=Event.CHANGE_DOCTOR, occurred_at=occurred_at, stay=checked({"consultant": consultant}))

    def check(patient: Patient) -> None:
        stay = Stay.objects.get(pk=stay_id)
        if stay.admitted_at and occurred_at < stay.admitted_at.replace(microsecond=0):
            raise Refused("The time is before the stay began", "occurred_at")

    return save(order(stay_id, news, by=by, key=key, screen="doctor", seen=seen, check=check))


def order(stay_id: int, news: News, **more: Any) -> Order:
    """Give the order for a stay that is there, with its patient."""
    patient = Stay.objects.filter(pk=stay_id).values_list("patient_id", flat=True).first()
    if patient is None:
        raise Refused("This stay no longer exists")
    return Order(news=news, patient_id=patient, stay_id=stay_id, **more)


def checked(stay: Groups) -> Groups:
    """Refuse a class or specialty that there is not, and a time that cannot be read."""
    admission, consultant = stay.get("admission", {}), stay.get("consultant", {})
    if "patient_class" in admission and admission["patient_class"] not in CLASSES:
        raise Refused("Choose the class", "patient_class")
    if consultant.get("specialty") and consultant["specialty"] not in codes.SPECIALTY:
        raise Refused("There is no such specialty", "specialty")
    for group, name in (("expected", "admission_expected_at"), ("expected", "discharge_expected_at")):
        if text := str(stay.get(group, {}).get(name, "")):
            readable(text, name)
    return stay


def readable(text: str, field: str) -> datetime:
    """Read a moment given as ISO text with its offset; Refused at `field` if it is none."""
    try:
        at = clock.moment(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Refused("Enter a date and time", field)
    return at


def why_not_planned(at: datetime, field: str) -> None:
    """Refuse a plan for a day that is over."""
    if at.astimezone(clock.SITE).date() < clock.now().astimezone(clock.SITE).date():
        raise Refused("The day planned is over", field)


def why_not_when(at: datetime) -> None:
    """Refuse a moment in the future (a minute's difference between clocks is let pass)."""
    if at > clock.now() + CLOCK_SLACK:
        raise Refused("The time is in the future", "occurred_at")


def why_not_after(stay: Stay, at: datetime) -> None:
    """Refuse a step before the one that came last; of a stay without a history, before the patient came there."""
    at = at.replace(microsecond=0)
    event, last = history.last_step(stay) or (Event.TRANSFER, stay.moved_at)
    if last and at < last.replace(microsecond=0):
        raise Refused(_BEFORE.get(Event(event), "The time is before the patient came to this bed"), "occurred_at")
