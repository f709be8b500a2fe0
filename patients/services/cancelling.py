"""Takes back one step of a stay, with a reason: the step stays in the history, marked, and the patient is where
they were before it. The change happened when that step did (EVN-6) and is recorded now.
"""

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.facts import Groups, Kind, News, Value
from patients.models import Patient, Stay
from patients.refusals import Refused
from patients.services import beds, stays
from patients.services.saving import Saved, save
from patients.states import CANCELLED_IN, Event, StayStatus
from patients.step import Step


def cancel(
    event: Event,
    *,
    stay_id: int,
    seen: int,
    reason: str,
    by: Actor,
    key: Key,
    place: dict[str, Value] | None = None,
) -> Saved:
    """Take back the step that `event` cancels, one of `states.CANCELLED_IN`, if it is the last one.

    `place`: of a transfer or discharge, where the patient is now, if that is not where they were before it: somebody
    else may have the bed. Refused if so, or if the patient has been admitted again.
    """
    if event not in CANCELLED_IN:
        raise KeyError(event)
    if not reason.strip():
        raise Refused("Enter why it is taken back", "reason")
    if place is not None and event not in (Event.CANCEL_TRANSFER, Event.CANCEL_DISCHARGE):
        raise KeyError("place")
    said: Groups = {"place": beds.sited(place)} if place is not None else {}

    def check(patient: Patient) -> None:
        if event == Event.CANCEL_DISCHARGE:
            again = Stay.objects.filter(patient=patient, status=StayStatus.IN).exclude(pk=stay_id)
            if again.exists():
                raise Refused("The patient has been admitted again since: take that admission back first")

    def outcome(step: Step) -> None:
        now = step.after[Kind.STAY]
        if now["times"]["status"] != StayStatus.IN:
            return
        stay = Stay.objects.get(pk=stay_id)
        there = stay.status == StayStatus.IN and all(
            getattr(stay, name) == now["place"][name] for name in ("ward", "bay", "bed")
        )
        if not there:
            beds.take(now["place"]) if place is not None else beds.take_again(now["place"])

    news = News(event=event, occurred_at=clock.now(), stay=said, reason=reason.strip())
    screen = event.value.replace("_", "-")
    return save(stays.order(stay_id, news, by=by, key=key, screen=screen, seen=seen, check=check, outcome=outcome))
