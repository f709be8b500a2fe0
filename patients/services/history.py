"""What the journal knows of one stay: every change of it in order, which of them are steps, and which still stand."""

from datetime import datetime

from django.db.models import Q

from patients.models import Change, Movement, Stay
from patients.states import CANCELS, STAY_STEPS, Event
from patients.undoing import WAY, Made


def of(stay: Stay) -> tuple[Made, ...]:
    """Give every change of a stay whose row the caller has locked, by change."""
    rows = list(Movement.objects.filter(stay=stay).order_by("pk").values_list("pk", "change", "event", "undoes"))
    movements = {change: pk for pk, change, _, _ in rows}
    undone = {pk for *_, undoes in rows for pk in undoes}
    undid = {change: tuple(undoes) for _, change, event, undoes in rows if event in CANCELS}
    own = Change.objects.filter(pk__in=movements)
    people = {stay.patient_id, *own.values_list("patient_id", flat=True)}  # the stay may have been another's
    changes = Change.objects.filter(Q(pk__in=movements) | Q(patient__in=people, stay=stay.pk)).order_by("pk")
    return tuple(
        Made(
            change=change.pk,
            event=change.event,
            occurred_at=change.occurred_at,
            before=change.before.get("stay", {}),
            after=change.after.get("stay", {}),
            death=(change.before.get("patient", {}).get("death", {}), change.after.get("patient", {}).get("death", {})),
            movement=movements.get(change.pk, 0),
            undone=movements.get(change.pk, 0) in undone,
            undid=undid.get(change.pk, ()),
        )
        for change in changes
    )


def last_step(stay: Stay) -> tuple[str, datetime] | None:
    """Give the event and the time of the last step of the patient's way that stands; None if none is known.

    That a patient was expected does not count: some senders give it the time at which they were.
    """
    rows = list(Movement.objects.filter(stay=stay).values_list("pk", "event", "occurred_at", "undoes"))
    undone = {pk for *_, undoes in rows for pk in undoes}
    standing = [
        (at, pk, event)
        for pk, event, at, _ in rows
        if pk not in undone and event in STAY_STEPS and event in WAY and event != Event.PREADMIT
    ]
    last = max(standing, default=None)
    return (last[2], last[0]) if last else None
