"""Reads which captured changes the PAS must hold before another: those that left the bed or slot which it takes.

A change waits only for changes made before it, so no two ever wait for each other, however beds are swapped.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from failover.models import Incident, Replay
from patients.models import Change
from patients.states import STAY_EVENTS, Event

Place = tuple[str, ...]  # ("bed", ward, bay, bed) or ("slot", clinic, start)
OPEN = (Replay.End.WAITING, Replay.End.SENT, Replay.End.HELD)
TAKING = frozenset({Event.ADMIT, Event.TRANSFER, Event.TO_INPATIENT, Event.CANCEL_TRANSFER, Event.CANCEL_DISCHARGE})
BOOKING = frozenset({Event.BOOK, Event.RESCHEDULE})


@dataclass(slots=True)
class Queue:
    """The open changes of an incident by the place they used, and the place each takes."""

    used: dict[Place, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """Change and patient, in order of change."""
    taken: dict[int, tuple[Place, int]] = field(default_factory=dict)
    """The place a change takes, and its patient."""

    def before(self, change: int) -> list[int]:
        """Give the open changes of other patients that must end at the PAS before `change`, in order."""
        place, patient = self.taken.get(change, ((), 0))
        return [other for other, whose in self.used.get(place, ()) if other < change and whose != patient]


def queue(incident: Incident) -> Queue:
    """Read the changes of an incident that have not ended at the PAS."""
    still_open = Replay.objects.filter(incident=incident, end__in=OPEN)
    rows = Change.objects.filter(pk__in=still_open.values("change")).order_by("pk")
    found = Queue()
    for change, patient, event, place, prior, booking, was in rows.values_list(
        "pk",
        "patient_id",
        "event",
        "facts__stay__place",
        "facts__prior_place",
        "facts__appointment__booking",
        "before__appointment__booking",
    ):
        for used in _used(event, place, prior, was if event == Event.RESCHEDULE else booking):
            found.used[used].append((change, patient))
        if taken := _bed(place) if event in TAKING else _slot(booking) if event in BOOKING else ():
            found.taken[change] = taken, patient
    return found


def _used(event: str, place: Any, prior: Any, booking: Any) -> set[Place]:
    """Give the beds that a stay's change took or left; of a slot only its giving up, since it may have many places."""
    if event in (Event.CANCEL_APPOINTMENT, Event.DELETE_APPOINTMENT, Event.RESCHEDULE):
        return {_slot(booking)}
    return {_bed(place), _bed(prior)} - {()} if event in STAY_EVENTS else set()


def _bed(place: Any) -> Place:
    return ("bed", *(str(place.get(name, "")) for name in ("ward", "bay", "bed"))) if place and place["bed"] else ()


def _slot(booking: Any) -> Place:
    return ("slot", str(booking["clinic"]), str(booking["starts_at"]))
