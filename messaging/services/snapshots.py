"""What a destination is told of a person as they are now, where older messages would turn its clock back; no socket.

The person by the dialect's update (A31, A08), a stay that is on by its update (A08), a live booking by S14. What has
ended, and what no update can say (a merge, a number, a document), is told by its newest change, written anew.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from messaging.hl7 import dialects
from messaging.hl7.write import ChangeFacts
from messaging.models import Destination
from messaging.selectors import filters
from patients import facts
from patients.facts import Kind
from patients.models import Appointment, Change, Patient, Stay
from patients.services import numbers
from patients.states import (
    CANCELS,
    IDENTITY_EVENTS,
    LIVE_APPOINTMENTS,
    STAY_EVENTS,
    AppointmentStatus,
    Event,
    StayStatus,
)

UPDATES = {Kind.PATIENT: Event.UPDATE, Kind.STAY: Event.UPDATE_STAY, Kind.APPOINTMENT: Event.MODIFY_APPOINTMENT}
_ON = (StayStatus.EXPECTED, StayStatus.ATTENDING, StayStatus.IN)


class Part(NamedTuple):
    """One message of a snapshot: which event tells it, and the newest change of what it tells of."""

    event: str
    change: int


def parts(stands: int, records: Collection[int], touched: Collection[int], *, to: Destination) -> list[Part]:
    """Give what tells a destination of a person now, in order; empty if its filters and its dialect let none through.

    `stands`: the record that stands; `records`: all that were merged into it, itself too; `touched`: the changes that
    were, or would have been, told before.
    """
    told = list(Change.objects.filter(pk__in=touched).order_by("pk"))
    every = Change.objects.filter(patient__in=records).order_by("-pk")
    newest = every.filter(patient=stands).first()
    found = [Part(each.event, each.pk) for each in told if _says_who(each) and _sayable(to, each.event, each.facts)]
    if newest and _sayable(to, Event.UPDATE, {}):
        found.append(Part(Event.UPDATE, newest.pk))
    stays = {each.stay for each in told if each.stay}
    for stay in Stay.objects.filter(Q(pk__in=stays) | Q(status__in=_ON), patient=stands).order_by("pk"):
        found += _of_stay(stay, every.filter(stay=stay.pk), {each.pk for each in told}, to)
    booked = {each.appointment for each in told if each.appointment}
    for appointment in Appointment.objects.filter(pk__in=booked, patient=stands).order_by("pk"):
        found += _of_appointment(appointment, every.filter(appointment=appointment.pk), to)
    written = [each for each in told if each.event == Event.DOCUMENT]
    newest_of = {str((each.facts.get("document") or {}).get("number")): each for each in written}
    return found + [Part(each.event, each.pk) for each in newest_of.values() if _sayable(to, each.event, each.facts)]


def said(event: str, change: Change, *, patient: int, now: datetime) -> ChangeFacts:
    """Give what one part says: what its event updates as it is `now`, else the change itself; `patient` as they are."""
    person = _now(Kind.PATIENT, Patient.objects.get(pk=patient))
    if event not in UPDATES.values():
        told = ChangeFacts.of(change)
        return replace(told, facts={**told.facts, **person})
    if event == Event.UPDATE_STAY:
        person |= _now(Kind.STAY, Stay.objects.get(pk=change.stay or 0))
    if event == Event.MODIFY_APPOINTMENT:
        person |= _now(Kind.APPOINTMENT, Appointment.objects.get(pk=change.appointment or 0))
    now = now.replace(microsecond=0)
    return ChangeFacts(change.pk, event, person, occurred_at=now, recorded_at=now)


def _now(kind: Kind, row: Any) -> dict[str, Any]:
    return {
        kind.value: facts.of(kind, row),
        f"{kind.value}_ids": [number.as_json() for number in numbers.valid(kind, row.pk)],
    }


def _says_who(change: Change) -> bool:
    """Whether it says who somebody is; of a merge only the record that stands has a message."""
    return change.event in IDENTITY_EVENTS and not change.facts.get("merged_into")


def _of_stay(stay: Stay, changes: QuerySet[Change], told: Collection[int], to: Destination) -> list[Part]:
    last = changes.filter(event__in=STAY_EVENTS).first()
    if last is None:
        return []
    now = {"stay": facts.of(Kind.STAY, stay)}
    found = []
    if stay.status == StayStatus.OUT and last.event != Event.DISCHARGE:  # corrected since: no update says that it ended
        over = changes.filter(event=Event.DISCHARGE, pk__in=told).first()
        found += [Part(over.event, over.pk)] if over and _sayable(to, over.event, over.facts) else []
    ended = stay.status == StayStatus.CANCELLED or last.event == Event.DISCHARGE
    if not ended and _sayable(to, Event.UPDATE_STAY, now):
        return [*found, Part(Event.UPDATE_STAY, last.pk)]
    if stay.status == StayStatus.CANCELLED and last.event not in CANCELS:
        return []  # nothing that was ever told of it says so
    return [*found, Part(last.event, last.pk)] if _sayable(to, last.event, last.facts) else found


def _of_appointment(appointment: Appointment, changes: QuerySet[Change], to: Destination) -> list[Part]:
    last = changes.first()
    if last is None:
        return []
    live = AppointmentStatus(appointment.status) in LIVE_APPOINTMENTS
    if live and _sayable(to, Event.MODIFY_APPOINTMENT, {"appointment": facts.of(Kind.APPOINTMENT, appointment)}):
        return [Part(Event.MODIFY_APPOINTMENT, last.pk)]
    return [Part(last.event, last.pk)] if _sayable(to, last.event, last.facts) else []


def _sayable(to: Destination, event: str, said_of: dict[str, Any]) -> bool:
    """Whether the dialect has a message for the event, and the destination's filters let it through."""
    known = Event(event) in dialects.get(to.dialect).layouts
    return known and filters.lets_through(to.pk, event=event, facts=said_of)
