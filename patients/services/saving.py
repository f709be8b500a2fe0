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
from patients.facts import Kind, News
from patients.identifiers import Identifier
from patients.models import Appointment, Change, JournalTail, Patient, Stay, Trunk
from patients.refusals import Refused, Stale
from patients.services import gate, numbers
from patients.services.rows import IDENTIFIERS, Written, reserve
from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS, AppointmentStatus, StayStatus
from patients.step import Known, Step, done

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

    `check` runs under the locks of patient and stay; it locks beds or slots and raises Refused.
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


def save(order: Order) -> Saved:
    """Carry out the order or raise Refused (NotWritable, Stale); a deadlock is tried again."""
    for left in reversed(range(TRIES)):
        try:
            with FEW, transaction.atomic():
                saved = _save(order)
        except OperationalError as error:
            if left and getattr(error.__cause__, "sqlstate", None) in RETRYABLE:
                log.info("save.tried_again", screen=order.screen)
                continue
            raise
        crash.at(Point.SAVE_COMMITTED)
        return saved
    raise AssertionError("unreachable")


def _save(order: Order) -> Saved:
    stands = gate.passed()
    crash.at(Point.SAVE_GATE_PASSED)
    order = replace(order, news=replace(order.news, occurred_at=order.news.occurred_at.replace(microsecond=0)))
    try:
        earlier = idempotency.claim(order.key, order.by, asked=_asked(order))
    except idempotency.KeyReused:
        raise Refused("This form has been used already for something else. Nothing was saved: open it again.") from None
    if earlier is not None:
        return Saved(**{**earlier, "repeated": True})  # whatever the mode is by now: it was saved
    gate.refuse_unless_writable(stands)
    crash.at(Point.SAVE_KEY_CLAIMED)
    keys = reserve({Patient: 1, Stay: 1, Appointment: 1, Trunk: len(Kind)})
    locked = _lock(order, keys)
    crash.at(Point.SAVE_ROWS_LOCKED)
    order.check(locked[Kind.PATIENT])
    known = {kind: facts.of(kind, row) for kind, row in locked.items() if not row._state.adding}
    try:
        step = done(known, order.news)
    except ValueError as refusal:
        raise Refused(str(refusal)) from refusal
    change_ids = reserve({Change: 1})[Change]  # after the patient's lock: changes of a patient are in commit order
    saved = _write(order, locked, known, step, Written(by=order.by, epoch=stands.epoch, change_ids=change_ids), keys)
    idempotency.settle(order.key, asdict(saved))
    crash.at(Point.SAVE_KEY_SETTLED)
    bell.ring_after_commit("tail")
    return saved


def _asked(order: Order) -> list[Any]:
    """Give what makes an order the same one when it comes twice; a time taken from the clock is not part of it."""
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
    rows: dict[Kind, Any] = {Kind.PATIENT: _one(Patient, order.patient_id)}
    rows[Kind.PATIENT] = rows[Kind.PATIENT] or Patient(pk=next(keys[Patient]), made_at=clock.now())
    if order.news.event in STAY_EVENTS:
        rows[Kind.STAY] = _one(Stay, order.stay_id) or Stay(
            pk=next(keys[Stay]), patient=rows[Kind.PATIENT], status=StayStatus.NONE
        )
    if order.news.event in APPOINTMENT_EVENTS:
        rows[Kind.APPOINTMENT] = _one(Appointment, order.appointment_id) or Appointment(
            pk=next(keys[Appointment]), patient=rows[Kind.PATIENT], status=AppointmentStatus.NONE
        )
    if any(row.patient_id != rows[Kind.PATIENT].pk for kind, row in rows.items() if kind is not Kind.PATIENT):
        raise Refused("This now belongs to another patient's record: open it there")
    kind = Kind.STAY if order.stay_id else Kind.APPOINTMENT if order.appointment_id else Kind.PATIENT
    subject = rows[kind]
    if order.seen is not None and subject.version != order.seen:
        raise Stale(kind, facts.of(kind, subject), subject.version)
    if rows[Kind.PATIENT].merged_into_id:
        raise Refused("This record has been merged into another: open that one")
    return rows


def _one(model: Any, pk: int | None) -> Any:
    if pk is None:
        return None
    row = model.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise Refused("This record no longer exists")
    return row


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
    if order.news.reason:
        full["event_reason"] = order.news.reason
    if Kind.STAY in rows:
        stay = rows[Kind.STAY]
        full["prior_place"] = known.get(Kind.STAY, facts.blank(Kind.STAY))["place"]
        stay.moved_at = order.news.occurred_at
        written.move(stay, order.news, step.after[Kind.STAY]["place"], change)
    objects = {kind: row.pk for kind, row in rows.items()}
    made = written.journal(
        change=change,
        news=order.news,
        source="clerk",
        origin=f"screen:{order.screen}",
        known=pairs,
        full=full,
        objects=objects,
    )
    written.flush()
    crash.at(Point.SAVE_JOURNALLED)
    JournalTail.objects.create(change_id=made.pk, at=written.at)
    crash.at(Point.SAVE_TAILED)
    return Saved(made.pk, objects[Kind.PATIENT], objects.get(Kind.STAY), objects.get(Kind.APPOINTMENT))


def _identifiers(written: Written, kind: Kind, row: Any) -> list[Identifier]:
    """Give the object's valid numbers; a new object takes one from its pool."""
    if row._state.adding:
        taken = numbers.take(kind)
        written.number(kind, row, taken, written.at)
        return [taken]
    found = IDENTIFIERS[kind].objects.filter(**{kind.value: row.pk}, until=None).order_by("id")  # type: ignore[attr-defined]
    return [Identifier(i.type, i.authority, i.value) for i in found]


def _branch(written: Written, kind: Kind, row: Any, change: int, groups: list[str], keys: Keys) -> None:
    """Mark groups as changed here and not yet in the PAS, so that the feed does not overwrite them."""
    known = None if row._state.adding else Trunk.objects.select_for_update().filter(kind=kind, object_id=row.pk).first()
    trunk = known or Trunk(pk=next(keys[Trunk]), kind=kind, object_id=row.pk)
    trunk.branch = {**trunk.branch, **dict.fromkeys(groups, change)}
    written.trunks[kind, row.pk] = trunk
