"""Puts one lot of an order at the end of its lane: what goes as it was, and snapshots; decides and sends nothing."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from messaging.models import Lane, Outbound, ResendOrder, ResyncPatient
from messaging.resends import Scope, Sorted, held
from messaging.selectors import resending as reading
from messaging.services import outbox, rendering, snapshots
from messaging.states import Leg
from pasmirror.lib import clock
from patients.states import Event


@dataclass(slots=True)
class Page:
    """What one lot is about; `next`: where the following one begins, None where there is none."""

    rows: QuerySet[Outbound]  # asked for once the lane is locked, so that none of them moves
    people: dict[int, set[int]]
    looked: int
    next: int | None
    listed: tuple[int, ...] = ()  # of the resync list


def send(page: Page, *, order: ResendOrder, lane: Lane, epoch: int) -> None:
    """Put every person of the page on the lane, whose row is locked; counts in `order`, and leaves saving it.

    First what is so now, then what goes as it was. What was never received is queued under its own number.
    """
    lot = _Lot(order, lane, epoch)
    rows = reading.listed(page.rows)
    every = reading.sorted_out(lane.pk, rows, page.people)
    if order.scope == Scope.RESYNC:
        of_person = {who: [row for row in rows if row.patient in page.people[who]] for who in every}
        every = {who: Sorted(current=rows) for who, rows in of_person.items()}
    lot.load(every.values())
    for stands, found in every.items():
        lot.put(stands, page.people[stands], found)
    ResyncPatient.objects.filter(pk__in=page.listed).update(order=order)
    Outbound.objects.bulk_create(lot.made)
    Lane.objects.filter(pk=lane.pk).update(head=lane.head)
    rendering.write([each for each in lot.made if each.snapshot])


class _Lot:
    """What is put on the lane in one transaction."""

    def __init__(self, order: ResendOrder, lane: Lane, epoch: int) -> None:
        self.order, self.lane, self.epoch = order, lane, epoch
        self.made: list[Outbound] = []
        self.kept: dict[int, Outbound] = {}

    def load(self, every: Iterable[Sorted]) -> None:
        """Read and lock all that goes as it was at once."""
        wanted = [one.pk for found in every for one in (*found.own, *found.copies)]
        self.kept = Outbound.objects.select_for_update().in_bulk(wanted)
        for row in self.kept.values():
            row.lane = self.lane

    def put(self, stands: int, records: Collection[int], found: Sorted) -> None:
        """Put one person's on it."""
        self.order.left_out += len(found.left)
        for one in found.own:
            written = outbox.requeue(self.kept[one.pk])
            self.order.same += written
            self.order.left_out += not written
        if found.current or self.order.scope == Scope.RESYNC:
            self._snapshot(stands, records, found)
        for one in found.copies:
            row = self.kept[one.pk]
            again = {"again_id": row.pk, "control_id": row.control_id, "body": row.body, "epoch": row.epoch}
            self._append(event=row.event, change=row.change, patient=row.patient, **again)
            self.order.same += 1

    def _snapshot(self, stands: int, records: Collection[int], found: Sorted) -> None:
        told = snapshots.parts(stands, records, {one.change for one in found.current}, to=self.lane.destination)
        by_copy = {one.change for one in found.copies}  # it tells of its stay or booking itself
        told = [part for part in told if part.event == Event.UPDATE or part.change not in by_copy]
        if not told:
            self.order.left_out += len(found.current)
            return
        newest = max((one.pk for one in found.current), default=None)
        for part in told:
            now = {"snapshot": True, "again_id": newest, "epoch": self.epoch}
            self._append(event=part.event, change=part.change, patient=stands, **now)
        why = f"its patient's current state is sent instead (order {self.order.pk})"
        outbox.overtake(held(found.current), reason=why)
        self.order.current += 1

    def _append(self, **fields: Any) -> None:
        """Give the lane's next number to one message."""
        self.lane.head += 1
        at_end = {"lane": self.lane, "seq": self.lane.head, "order": self.order, "leg": Leg.QUEUED}
        self.made.append(Outbound(queued_at=clock.now(), due_at=Now(), **at_end, **fields))
