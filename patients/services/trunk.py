"""Moves the trunk apart from the feed: a query's answer, a confirmed replay, a person's decision."""

from collections.abc import Mapping
from typing import Any

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from patients import facts
from patients.facts import Groups, Kind, News, Value
from patients.models import Change, Patient, Trunk
from patients.services.rows import MODELS, Written, reserve
from patients.states import AppointmentStatus, StayStatus


def heard(kind: Kind, object_id: int, said: Mapping[str, Mapping[str, Value]]) -> None:
    """Take the PAS's answer to a query as what it holds, under the patient's lock. The record stays as it is."""
    trunk, _ = Trunk.objects.select_for_update().get_or_create(kind=kind, object_id=object_id)
    was = facts.overlaid(facts.blank(kind), trunk.held)
    trunk.held = facts.overlaid(was, said)
    if trunk.held != was:
        trunk.steps = []  # they led elsewhere: the stay is known from here on
    trunk.heard_at = clock.now()
    trunk.save(update_fields=["held", "steps", "heard_at"])


def take_held(change: Change, *, by: Actor, epoch: int, origin: str) -> int | None:
    """End the branch of every group whose last change is `change`, and let the record say there what the PAS holds.

    Groups that a later change of ours has touched stay as they are. Gives the id of the change made, if one was.
    """
    Patient.objects.select_for_update().get(pk=change.patient_id)
    pairs: dict[Kind, tuple[Groups, Groups]] = {}
    written = Written(by=by, epoch=epoch, change_ids=reserve({Change: 1})[Change])
    for kind, object_id in objects(change).items():
        row: Any = MODELS[kind].objects.select_for_update().get(pk=object_id)  # type: ignore[attr-defined]
        trunk = Trunk.objects.select_for_update().filter(kind=kind, object_id=object_id).first()
        mine = {group for group, last in trunk.branch.items() if last == change.pk} if trunk else set()
        was = facts.of(kind, row)
        now = _as_held(kind, was, trunk.held, mine) if trunk and mine else was
        if was != now:
            pairs[kind] = (was, now)
            written.touch(kind, row, now)
    _rejoin(change)
    if not pairs:
        return None
    made = next(written.change_ids)
    written.journal(
        change=made,
        news=News(event=change.event, occurred_at=written.at),
        source="feed",
        origin=origin,
        known=pairs,
        full={kind.value: pair[1] for kind, pair in pairs.items()},
        objects=objects(change),
    )
    written.flush()
    return made


def _rejoin(change: Change) -> None:
    for kind, object_id in objects(change).items():
        trunk = Trunk.objects.select_for_update().filter(kind=kind, object_id=object_id).first()
        if trunk is None:
            continue
        trunk.branch = {group: last for group, last in trunk.branch.items() if last != change.pk}
        trunk.save(update_fields=["branch"])


def _as_held(kind: Kind, was: Groups, said: Groups, groups: set[str]) -> Groups:
    """Give the facts with `groups` as the PAS holds them; what the PAS never heard of is withdrawn, never blanked."""
    if said:
        held = facts.overlaid(facts.blank(kind), said)
        return {group: held[group] if group in groups else was[group] for group in was}
    if kind is Kind.STAY:
        return {**was, "times": {**was["times"], "status": StayStatus.CANCELLED.value}}
    if kind is Kind.APPOINTMENT:
        return {**was, "status": {"status": AppointmentStatus.CANCELLED.value}}
    return was


def objects(change: Change) -> dict[Kind, int]:
    """Name the objects a change is about."""
    named = {Kind.PATIENT: change.patient_id, Kind.STAY: change.stay, Kind.APPOINTMENT: change.appointment}
    return {kind: pk for kind, pk in named.items() if pk is not None}


def held_if_heard(kind: Kind, object_id: int) -> Groups | None:
    """Give what the PAS is known to hold of an object; None if it never spoke of it."""
    trunk = Trunk.objects.filter(kind=kind, object_id=object_id).first()
    return facts.overlaid(facts.blank(kind), trunk.held) if trunk and trunk.held else None


def held(kind: Kind, object_id: int) -> Groups:
    """Give what the PAS is known to hold of an object, blank where it never spoke."""
    return held_if_heard(kind, object_id) or facts.blank(kind)
