"""A clerk's save: one transaction, its locks always in one order.

Gate, idempotency key, patient, stay, beds and slots, number pool; then the change, its tail row and the audit row.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog
from django.db import OperationalError, transaction
from django.db.models import Model

from pasmirror.lib import bell, clock, crash, idempotency
from pasmirror.lib.actor import Actor
from pasmirror.lib.crash import Point
from pasmirror.lib.idempotency import Key
from patients import facts
from patients.facts import Groups, Kind, News
from patients.identifiers import Identifier
from patients.models import Appointment, Change, Gate, JournalTail, Patient, Stay, Trunk
from patients.refusals import Refused, Stale
from patients.services import gate, history, numbers
from patients.services.rows import Written, reserve
from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS, AppointmentStatus, Event, StayStatus
from patients.step import Known, Step, done, needs_history, why_not
from patients.undoing import Made

log = structlog.get_logger()
TRIES = 3
FEW = threading.BoundedSemaphore(4)
"""Saves at a time in one process: more would only queue for the interpreter while they hold the gate against a flip."""
Keys = dict[type[Model], Iterator[int]]
RETRYABLE = {"40001", "40P01"}  # serialization failure, deadlock


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save made; `repeated` if the same form had been saved before and nothing was done now."""

    change: int
    patient: int
    stay: int | None = None
    appointment: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What a clerk asks for: the news, the form's key, the object it concerns and the version the clerk saw.

    `check` runs under the locks of patient and stay; it locks beds or slots and raises Refused. So does `outcome`,
    which sees what the order would come to: where a step is taken back, only that tells which bed is meant.
    """

    news: News
    by: Actor
    key: Key
    screen: str
    patient_id: int | None = None
    stay_id: int | None = None
    appointment_id: int | None = None
    seen: int | None = None
    check: Callable[[Patient], None] = lambda patient: None
    outcome: Callable[[Step], None] = lambda step: None


def save(order: Order) -> Saved:
    """Carry out the order or raise Refused (NotWritable, Stale)."""
    news = replace(order.news, occurred_at=order.news.occurred_at.replace(microsecond=0))
    order = replace(order, news=news)
    return once(order.key, order.by, order.screen, _asked(order), lambda stands: _save(order, stands))


def once(key: Key, by: Actor, screen: str, asked: list[Any], work: Callable[[Gate], Saved]) -> Saved:
    """Do `work` in one transaction behind the gate, once for this key; a deadlock is tried again.

    `asked`: what makes it the same thing asked when it comes twice, as JSON values; a time taken from the clock is not
    part of it. `work` is given the gate as it stands and takes its locks in the order of docs/hazards.md. Raises what
    `work` raises, NotWritable, or Refused where the key was used for something else.
    """
    for left in reversed(range(TRIES)):
        try:
            with FEW, transaction.atomic():
                saved = _once(key, by, asked, work)
        except OperationalError as error:
            if left and getattr(error.__cause__, "sqlstate", None) in RETRYABLE:
                log.info("save.tried_again", screen=screen)
                continue
            raise
        crash.at(Point.SAVE_COMMITTED)
        return saved
    raise AssertionError("unreachable")


def _once(key: Key, by: Actor, asked: list[Any], work: Callable[[Gate], Saved]) -> Saved:
    stands = gate.passed()
    crash.at(Point.SAVE_GATE_PASSED)
    try:
        earlier = idempotency.claim(key, by, asked=asked)
    except idempotency.KeyReused:
        raise Refused("This form has been used already for something else. Nothing was saved: open it again.") from None
    if earlier is not None:
        return Saved(**{**earlier, "repeated": True})  # whatever the mode is by now: it was saved
    gate.refuse_unless_writable(stands)
    crash.at(Point.SAVE_KEY_CLAIMED)
    saved = work(stands)
    idempotency.settle(key, asdict(saved))
    crash.at(Point.SAVE_KEY_SETTLED)
    bell.ring_after_commit("tail")
    return saved


def _save(order: Order, stands: Gate) -> Saved:
    keys = reserve({Patient: 1, Stay: 1, Appointment: 1, Trunk: len(Kind)})
    rows = _lock(order, keys)
    all_locked()
    known = {kind: facts.of(kind, row) for kind, row in rows.items() if not row._state.adding}
    if why := why_not(known, order.news):
        raise Refused(why)
    order.check(rows[Kind.PATIENT])
    stay = rows.get(Kind.STAY)
    past = history.of(stay) if stay and order.stay_id and needs_history(Event(order.news.event)) else ()
    try:
        step = done(known, order.news, moved_at=stay.moved_at if stay else None, history=past)
    except ValueError as refusal:
        raise Refused(str(refusal)) from refusal
    order.outcome(step)
    if step.cancels:  # EVN-6 of a cancel is the time of the step taken back (IHE PAM, ITI-31)
        order = replace(order, news=replace(order.news, occurred_at=step.cancels.occurred_at))
    change_ids = reserve({Change: 1})[Change]  # after the patient's lock: changes of a patient are in commit order
    return _write(order, rows, known, step, Written(by=order.by, epoch=stands.epoch, change_ids=change_ids), keys)


def _asked(order: Order) -> list[Any]:
    """Give what makes an order the same one when it comes twice."""
    news = order.news
    return [
        order.screen,
        order.patient_id,
        order.stay_id,
        order.appointment_id,
        news.patient,
        news.stay,
        news.appointment,
        *([news.reason] if news.reason else []),
    ]


def _lock(order: Order, keys: Keys) -> dict[Kind, Any]:
    """Lock, or newly make, the rows the order is about, and refuse a form opened on an older version."""
    who, stay, booked = order.patient_id, order.stay_id, order.appointment_id
    patient = locked(Patient, who) if who else Patient(pk=next(keys[Patient]), made_at=clock.now())
    rows: dict[Kind, Any] = {Kind.PATIENT: patient}
    if order.news.event in STAY_EVENTS:
        new = Stay(pk=next(keys[Stay]), patient=patient, status=StayStatus.NONE)
        rows[Kind.STAY] = locked(Stay, stay) if stay else new
    if order.news.event in APPOINTMENT_EVENTS:
        fresh = Appointment(pk=next(keys[Appointment]), patient=patient, status=AppointmentStatus.NONE)
        rows[Kind.APPOINTMENT] = locked(Appointment, booked) if booked else fresh
    if any(row.patient_id != rows[Kind.PATIENT].pk for kind, row in rows.items() if kind is not Kind.PATIENT):
        raise Refused("This now belongs to another patient's record: open it there")
    kind = Kind.STAY if order.stay_id else Kind.APPOINTMENT if order.appointment_id else Kind.PATIENT
    subject = rows[kind]
    if order.seen is not None and subject.version != order.seen:
        raise Stale(kind, facts.of(kind, subject), subject.version)
    if rows[Kind.PATIENT].merged_into_id:
        raise Refused("This record has been merged into another: open that one")
    return rows


def all_locked() -> None:
    """Say that everything a save is about is locked; nothing is written yet."""
    crash.at(Point.SAVE_ROWS_LOCKED)


def locked(model: Any, pk: int) -> Any:
    """Lock one row and give it; Refused if it is not there."""
    row = model.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise Refused("This record no longer exists")
    return row


def locked_stay(stay_id: int, seen: int) -> tuple[Patient, Stay]:
    """Lock a stay and its patient, and give both; Refused (Stale) unless it stands as the clerk saw it."""
    owner = Stay.objects.filter(pk=stay_id).values_list("patient_id", flat=True).first()
    if owner is None:
        raise Refused("This stay no longer exists")
    patient, stay = locked(Patient, owner), locked(Stay, stay_id)
    all_locked()
    if stay.patient_id != patient.pk or patient.merged_into_id:
        raise Refused("This now belongs to another patient's record: open it there")
    if stay.version != seen:
        raise Stale(Kind.STAY, facts.of(Kind.STAY, stay), stay.version)
    return patient, stay


def _write(order: Order, rows: dict[Kind, Any], known: Known, step: Step, written: Written, keys: Keys) -> Saved:
    change = next(written.change_ids)
    pairs: dict[Kind, tuple[Any, Any]] = {}
    full: dict[str, Any] = {}
    for kind, row in rows.items():
        was = known.get(kind) or facts.blank(kind)
        full[kind.value] = step.after[kind]
        full[f"{kind.value}_ids"] = [i.as_json() for i in _identifiers(written, kind, row)]
        if differing := facts.changed(was, step.after[kind]):
            pairs[kind] = (was, step.after[kind])
            written.touch(kind, row, {group: pair[1] for group, pair in differing.items()})
            _branch(written, kind, row, change, list(differing), keys)
    if not pairs:
        raise Refused("Nothing has been changed")
    if Kind.STAY in rows:
        full["prior_place"] = known.get(Kind.STAY, facts.blank(Kind.STAY))["place"]
        full |= {"undone": _undone(step.cancels)} if step.cancels else {}
        rows[Kind.STAY].moved_at = step.moved_at
        if step.entered:
            place = step.after[Kind.STAY]["place"]
            written.move(rows[Kind.STAY], order.news, place, change, undoes=step.undone)
    objects = {kind: row.pk for kind, row in rows.items()}
    enter(written, change, order.news, order.screen, known=pairs, full=full, objects=objects)
    return Saved(change, objects[Kind.PATIENT], objects.get(Kind.STAY), objects.get(Kind.APPOINTMENT))


def enter(
    written: Written,
    change: int,
    news: News,
    screen: str,
    *,
    known: dict[Kind, tuple[Groups, Groups]],
    full: dict[str, Any],
    objects: dict[Kind, int],
) -> None:
    """Write what was gathered, the clerk's change (`Written.journal` says of what), its tail row and its audit row."""
    if news.reason:
        full["event_reason"] = news.reason
    origin = f"screen:{screen}"
    written.journal(change=change, news=news, source="clerk", origin=origin, known=known, full=full, objects=objects)
    written.flush()
    crash.at(Point.SAVE_JOURNALLED)
    JournalTail.objects.create(change_id=change, at=written.at)
    crash.at(Point.SAVE_TAILED)


def _undone(made: Made) -> dict[str, Any]:
    """Give the step that a cancel takes back, as the journal keeps it."""
    return {"change": made.change, "event": made.event, "occurred_at": clock.iso(made.occurred_at)}


def _identifiers(written: Written, kind: Kind, row: Any) -> list[Identifier]:
    """Give the object's valid numbers; a new object takes one from its pool."""
    if row._state.adding:
        taken = numbers.take(kind)
        written.number(kind, row, taken, written.at)
        return [taken]
    return numbers.valid(kind, row.pk)


def _branch(written: Written, kind: Kind, row: Any, change: int, groups: list[str], keys: Keys) -> None:
    """Mark groups as changed here and not yet in the PAS, so that the feed does not overwrite them."""
    known = None if row._state.adding else Trunk.objects.select_for_update().filter(kind=kind, object_id=row.pk).first()
    trunk = known or Trunk(pk=next(keys[Trunk]), kind=kind, object_id=row.pk)
    trunk.branch = {**trunk.branch, **dict.fromkeys(groups, change)}
    written.trunks[kind, row.pk] = trunk
