"""Orders to send again: placed by a person, worked off in lots by the sweep; knows no bytes and no socket.

A lot is one transaction of a moment: gate, sequencer, the order's row, the patients by id, the lane. So what is counted
as later is all there is, and a snapshot says what was so at its own number. What is sent again gets the lane's next
numbers, and is delivered as everything else is.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict

import structlog
from django.db import connection, transaction

from messaging.models import Destination, Lane, Outbound, ResendOrder
from messaging.resends import Asked, Scope
from messaging.selectors import resending as reading
from messaging.services import appending, sequencer
from messaging.services.appending import Page
from pasmirror.lib import alarms, audit, bell, clock, locks
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.away import is_away
from pasmirror.lib.locks import Lock
from patients.models import JournalTail, Patient
from patients.refusals import Refused
from patients.selectors import gate
from patients.states import WRITABLE, Mode

log = structlog.get_logger()
FEW, LOT = 10, 100  # messages, or patients of the resync list, in one transaction: at first, and at most
LONG = 0.5  # seconds a lot may take before smaller ones are taken
ALARM = "resend-failed"
SWEEP = system("sweep")
PAS_SPEAKS = "The PAS is master again: the rest is not sent again"


def why_not_order(to: Destination) -> str | None:
    """Say why nothing can be sent again to a destination now; None if it can."""
    if to.is_pas:
        return "The PAS is told on the way back only: settle its messages on the page Discrepancies"
    if not to.declared:
        return "The site file does not name this destination any more: nothing is sent to it"
    if to.shadow:
        return "This destination only rehearses: nothing is sent to it"
    if gate.now().mode not in WRITABLE:
        return f"The PAS is master and speaks for itself: have its people send {to.name} what it lacks"
    if going := ResendOrder.objects.filter(destination=to, ended_at=None).first():
        return f"Order {going.pk} by {going.by.get('subject', 'a person')} is being worked off: wait, or stop it"
    return None


def order(code: str, asked: Asked, *, by: Actor, reason: str) -> ResendOrder:
    """Order `asked` to be sent again to a destination; Refused with the reason why not. The sweep works it off."""
    with transaction.atomic():
        locks.share(Lock.GATE)
        lane = Lane.objects.select_for_update(no_key=True, of=("self",)).filter(destination__code=code).first()
        if lane is None:
            raise Refused("There is no such destination")
        to = lane.destination
        if not reason.strip():
            raise Refused("Enter why it is sent again", "reason")
        if why := why_not_order(to) or _why_nothing(to, lane, asked):
            raise Refused(why)
        upto = min(lane.head, asked.last) if asked.scope == Scope.RANGE else lane.head
        made = ResendOrder.objects.create(
            destination=to, **asdict(asked), by=by.as_json(), reason=reason[:300], at=clock.now(), upto=upto
        )
        detail = {"order": made.pk, **{name: value for name, value in asdict(asked).items() if name != "alike"}}
        subject = f"destination:{code}"
        audit.record(
            action="resend_ordered", by=by.because(reason), subject=subject, epoch=gate.now().epoch, detail=detail
        )
    log.info("resend.ordered", lane=code, order=made.pk)
    return made


def one(outbound: int, *, by: Actor, reason: str) -> ResendOrder:
    """Order one message of any age to be sent again, or its patient's current state; Refused as `order` says."""
    row = Outbound.objects.select_related("lane__destination").get(pk=outbound)
    if row.order_id:
        raise Refused("This message was itself sent again by order: order the first one")
    return order(row.lane.destination.code, reading.only(row), by=by, reason=reason)


def stop(order_id: int, *, by: Actor, reason: str) -> None:
    """End an order before all of it is worked off; what it has put on the lane goes out. Refused if it has ended."""
    with transaction.atomic():
        row = ResendOrder.objects.select_for_update(of=("self",)).filter(pk=order_id).first()
        if row is None or row.ended_at:
            raise Refused("This order has ended already")
        if not reason.strip():
            raise Refused("Enter why it is stopped", "reason")
        _end(row, f"Stopped by {by.subject}", by=by.because(reason))


class Pace:
    """How much is taken at a time: a lot holds its locks for a moment only, however slow the machine is just now."""

    def __init__(self) -> None:
        self.size = FEW

    def after(self, seconds: float) -> None:
        """Note how long a lot has taken."""
        if seconds > LONG:
            self.size = max(1, self.size // 2)
        elif seconds < LONG / 2:
            self.size = min(LOT, self.size * 2)


pace = Pace()


def run_once() -> int:
    """Work off one lot of each open order; gives how many messages or patients were looked at.

    A fault of ours ends the order with an alarm and is nobody else's; that the database is away is raised.
    """
    done = 0
    for pk in list(ResendOrder.objects.filter(ended_at=None).order_by("pk").values_list("pk", flat=True)):
        began = time.monotonic()
        try:
            if found := _lot(pk, min(pace.size, LOT)):
                pace.after(time.monotonic() - began)
            done += found
        except Exception as fault:
            if is_away(fault):
                pace.size = 1
                raise
            log.exception("resend.fault", order=pk)
            _give_up(pk, type(fault).__name__)
    return done


def end_all(*, untold: Mapping[tuple[int, int], int]) -> set[tuple[int, int]]:
    """End every order and put on the resync list who was not told everything: (destination, patient) each.

    `untold`: those known to the caller, each with the epoch of the first thing that may be missing; whom an order had
    not come to is added. Gives all of them. In the caller's transaction, which holds the gate alone.
    """
    missing = dict(untold)
    for row in ResendOrder.objects.select_for_update(of=("self",)).filter(ended_at=None).order_by("pk"):
        since = reading.oldest(row)
        for patient in reading.rest(row):
            at = (row.destination_id, patient)
            missing[at] = min(since, missing.get(at, since))
        _end(row, PAS_SPEAKS)
    if missing:
        columns = [list(column) for column in zip(*((*at, first) for at, first in missing.items()), strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_ON_THE_LIST, [clock.now(), *columns])
    return set(missing)


_ON_THE_LIST = """
INSERT INTO messaging_resyncpatient (destination_id, patient, epoch, at)
SELECT destination, patient, epoch, %s
FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS untold (destination, patient, epoch)
ON CONFLICT (destination_id, patient) WHERE order_id IS NULL
DO UPDATE SET epoch = least(messaging_resyncpatient.epoch, excluded.epoch)
"""


def _why_nothing(to: Destination, lane: Lane, asked: Asked) -> str | None:
    if asked.scope == Scope.RESYNC:
        there = reading.on_resync_list(to.pk)
        return None if there.exists() else f"The resync list of {to.name} is empty"
    if not reading.rows_of(lane.pk, asked, upto=lane.head).exists():
        return "There is no such message on this lane"
    return None


def _lot(pk: int, most: int) -> int:
    """Work off one lot, all or nothing; 0 while it cannot be done, or nothing is left of it."""
    with transaction.atomic():
        locks.share(Lock.GATE)
        stands = gate.now()
        if stands.mode == Mode.HANDBACK or not locks.try_take(Lock.SEQUENCER):
            return 0
        row = _claimed(pk)
        if row is None:
            return 0
        if stands.mode not in WRITABLE:
            _end(row, PAS_SPEAKS)
            return 0
        page = _resync_page(row, most) if row.scope == Scope.RESYNC else _listed_page(row, most)
        records = {each for members in page.people.values() for each in members}
        # From here nobody saves anything of them; what was saved is numbered, so it is counted as later.
        list(Patient.objects.select_for_update(no_key=True).filter(pk__in=records).order_by("pk").values_list("pk"))
        sequencer.run_once()
        if JournalTail.objects.filter(change__patient__in=records).exists() or reading.persons(records) != page.people:
            return 0  # more waits than is numbered at a time, or somebody was merged just now: next time
        lane = Lane.objects.select_for_update(of=("self",)).get(pk=row.destination_id)
        lane.destination = row.destination
        appending.send(page, order=row, lane=lane, epoch=stands.epoch)
        if page.next is None:
            _end(row, "All of it is on the lane")
        else:
            row.next = page.next
        row.save()
        bell.ring_after_commit(row.destination.code)
    return page.looked


def _claimed(pk: int) -> ResendOrder | None:
    rows = ResendOrder.objects.select_for_update(of=("self",), skip_locked=True).select_related("destination")
    return rows.filter(pk=pk, ended_at=None).first()


def _listed_page(row: ResendOrder, most: int) -> Page:
    """Take the next messages, and with each person's first all that are asked for of them."""
    rows = reading.asked_by(row)
    page = reading.listed(rows.filter(seq__gte=row.next)[:most])
    people = reading.persons({each.patient for each in page})
    records = {each for members in people.values() for each in members}
    before = set(rows.filter(seq__lt=row.next, patient__in=records).values_list("patient", flat=True))
    if row.scope != Scope.UNWRITTEN:  # there, whatever was looked at is written by now, or is tried once more
        people = {stands: members for stands, members in people.items() if not members & before}
    fresh = {each for members in people.values() for each in members}
    return Page(
        rows.filter(seq__gte=row.next, patient__in=fresh),
        people,
        len(page),
        page[-1].seq + 1 if len(page) == most else None,
    )


def _resync_page(row: ResendOrder, most: int) -> Page:
    """Take the next patients of the list, and of each person every message of the outage that was not told whole."""
    looked = list(reading.on_resync_list(row.destination_id)[:most])
    people = reading.persons({each.patient for each in looked})
    records = {each for members in people.values() for each in members}
    page = list(reading.on_resync_list(row.destination_id).filter(patient__in=records))  # a person under all records
    outage = (min((each.epoch for each in page), default=0), gate.now().fenced)
    rows = Outbound.objects.filter(lane=row.destination_id, order=None, patient__in=records, epoch__range=outage)
    more = 0 if len(looked) == most else None
    return Page(rows.order_by("seq"), people, len(looked), more, tuple(each.pk for each in page))


def _end(row: ResendOrder, ending: str, *, by: Actor = SWEEP) -> None:
    row.ended_at, row.ending = clock.now(), ending
    row.save()
    detail = {"order": row.pk, "same": row.same, "current": row.current, "left_out": row.left_out}
    code = row.destination.code
    audit.record(action="resend_ended", by=by, subject=f"destination:{code}", detail=detail)
    alarms.clear(ALARM, subject=code)
    log.info("resend.ended", lane=code, order=row.pk)


def _give_up(pk: int, error: str) -> None:
    with transaction.atomic():
        row = ResendOrder.objects.select_for_update(of=("self",)).filter(pk=pk, ended_at=None).first()
        if row is None:
            return  # somebody has ended it meanwhile
        _end(row, f"Ended by a fault of PAS Mirror ({error}): the rest is not sent again")
        sentence = f"Order {pk} to send again to {row.destination.name} was ended by a fault: the rest is not sent."
        alarms.sound(ALARM, sentence, subject=row.destination.code)
