"""Reads what an order to send again is about, whose messages those are, and what would become of them; writes nothing.

A person is every record that was merged into one: what is told of one of them may be older than what another was told.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import connection
from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from messaging.models import Destination, Lane, Outbound, ResendOrder, ResyncPatient
from messaging.resends import LEFT_OUT, Asked, Listed, Marks, Scope, Sorted, mark, sort_out
from messaging.states import OPEN_LEGS, Leg
from patients.selectors import gate

MOST = 50_000  # messages in one order


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What an order would do as things stand: messages as they were, patients by their current state, and the rest.

    `asked`: messages asked for, on the resync list patients. `more`: there are more than `MOST`.
    """

    asked: int
    same: int
    current: int
    left_out: int
    more: bool = False


def rows_of(lane: int, asked: Asked, *, upto: int) -> QuerySet[Outbound]:
    """Give the messages that are asked for, in order of number; those of the resync list are found by patient."""
    rows = Outbound.objects.filter(lane=lane, seq__lte=upto).order_by("seq")
    match asked.scope:
        case Scope.RANGE:
            return rows.filter(order=None, seq__gte=asked.first, seq__lte=asked.last)
        case Scope.EPOCH:
            return rows.filter(order=None, epoch=asked.epoch)
        case Scope.UNWRITTEN:
            unwritten = rows.filter(leg=Leg.HELD, body=None)
            return unwritten.filter(reason=asked.alike) if asked.alike else unwritten
        case _:
            return rows.none()


def asked_by(order: ResendOrder) -> QuerySet[Outbound]:
    """Give the messages an order is about, in order of number; none for the resync list."""
    asked = Asked(order.scope, order.first, order.last, order.epoch, order.alike)
    return rows_of(order.destination_id, asked, upto=order.upto)


def rest(order: ResendOrder) -> set[int]:
    """Give the patients of what an order has not come to; those of the resync list stand there still."""
    rows = asked_by(order).filter(seq__gte=order.next).exclude(leg__in=LEFT_OUT)
    return set(rows.order_by().values_list("patient", flat=True))


def oldest(order: ResendOrder) -> int:
    """Give the epoch of the oldest thing that an order is about."""
    if order.scope == Scope.RESYNC:
        there = ResyncPatient.objects.filter(Q(order=order) | Q(order=None), destination=order.destination_id)
        first = there.aggregate(first=Min("epoch"))["first"]
    else:
        first = asked_by(order).order_by().aggregate(first=Min("epoch"))["first"]
    return gate.now().epoch if first is None else int(first)


def only(row: Outbound) -> Asked:
    """Ask for one message alone."""
    return Asked(Scope.RANGE, first=row.seq, last=row.seq)


def listed(rows: QuerySet[Outbound]) -> list[Listed]:
    """Give what decides about them."""
    busy = Exists(Outbound.objects.filter(again=OuterRef("pk"), leg__in=OPEN_LEGS))
    fields = ("pk", "seq", "change", "patient", "leg", "epoch")
    return [Listed(*row) for row in rows.annotate(busy=busy).values_list(*fields, "busy")]


def on_resync_list(lane: int) -> QuerySet[ResyncPatient]:
    """Give the patients a destination is still to be told of, in the order they came on the list."""
    return ResyncPatient.objects.filter(destination=lane, order=None).order_by("pk")


def persons(patients: Collection[int]) -> dict[int, set[int]]:
    """Give each person these records are of: the record that stands -> all that were merged into it, itself too."""
    found: dict[int, set[int]] = defaultdict(set)
    if patients:
        with connection.cursor() as cursor:
            cursor.execute(_PERSONS, [sorted(patients)])
            for stands, record in cursor.fetchall():
                found[stands].add(record)
    return dict(found)


_PERSONS = """
WITH RECURSIVE up AS (
  SELECT p.id, p.merged_into_id FROM patients_patient p WHERE p.id = ANY(%s)
  UNION
  SELECT p.id, p.merged_into_id FROM up JOIN patients_patient p ON p.id = up.merged_into_id
), down AS (
  SELECT up.id AS stands, up.id FROM up WHERE up.merged_into_id IS NULL
  UNION
  SELECT d.stands, p.id FROM down d JOIN patients_patient p ON p.merged_into_id = d.id
)
SELECT stands, id FROM down
"""


def marks(lane: int, people: dict[int, set[int]]) -> dict[int, Marks]:
    """Give the newest of each person on the lane; what the PAS has told since counts as received as well."""
    of = {record: stands for stands, records in people.items() for record in records}
    found = dict.fromkeys(people, Marks())
    with connection.cursor() as cursor:
        cursor.execute(_MARKS, {"lane": lane, "patients": sorted(of)})
        for patient, received, ahead in cursor.fetchall():
            before = found[of[patient]]
            found[of[patient]] = Marks(max(before.received, received), max(before.ahead, received, ahead))
    return found


_MARKS = f"""
SELECT c.patient_id,
       max(greatest(
         CASE WHEN c.source = 'feed' THEN {mark(1)} * c.id ELSE 0 END,
         CASE WHEN n.leg = 'accepted' OR n.attempts > t.refused THEN {mark(1)} * c.id + n.snapshot::int ELSE 0 END)),
       max(CASE WHEN n.leg IN ('queued', 'sending', 'held') THEN {mark(1)} * c.id + n.snapshot::int ELSE 0 END)
FROM patients_change c
LEFT JOIN messaging_outbound n ON n.change = c.id AND n.lane_id = %(lane)s
LEFT JOIN LATERAL (
  SELECT count(*) AS refused FROM messaging_attempt a
  WHERE a.outbound_id = n.id AND a.ending = 'refused' AND n.attempts > 0 AND n.leg <> 'accepted') t ON true
WHERE c.patient_id = ANY(%(patients)s) GROUP BY c.patient_id
"""  # noqa: S608 - of constants


def sorted_out(lane: int, rows: Iterable[Listed], people: dict[int, set[int]]) -> dict[int, Sorted]:
    """Say what becomes of messages, by person."""
    of = {record: stands for stands, records in people.items() for record in records}
    by_person: dict[int, list[Listed]] = {stands: [] for stands in people}
    for row in rows:
        by_person[of[row.patient]].append(row)
    newest, fenced = marks(lane, people), gate.now().fenced
    return {stands: sort_out(mine, newest[stands], fenced=fenced) for stands, mine in by_person.items()}


def foreseen(to: Destination, asked: Asked) -> Foreseen:
    """Count what an order would do as things stand now."""
    if asked.scope == Scope.RESYNC:
        patients = list(on_resync_list(to.pk).values_list("patient", flat=True)[: MOST + 1])
        current = len(persons(patients[:MOST]))
        return Foreseen(len(patients[:MOST]), 0, current, 0, more=len(patients) > MOST)
    head = Lane.objects.values_list("head", flat=True).get(pk=to.pk)
    rows = listed(rows_of(to.pk, asked, upto=head)[: MOST + 1])
    more, rows = len(rows) > MOST, rows[:MOST]
    each = sorted_out(to.pk, rows, persons({row.patient for row in rows})).values()
    return Foreseen(
        asked=len(rows),
        same=sum(len(one.own) + len(one.copies) for one in each),
        current=sum(bool(one.current) for one in each),
        left_out=sum(len(one.left) for one in each),
        more=more,
    )


def orders(lane: int, *, most: int = 10) -> list[ResendOrder]:
    """Give a destination's orders, the newest first."""
    return list(ResendOrder.objects.filter(destination=lane).order_by("-pk")[:most])


def order(pk: int) -> ResendOrder | None:
    """Give one order; None if there is none."""
    return ResendOrder.objects.select_related("destination").filter(pk=pk).first()


def epochs(lane: int) -> list[int]:
    """Give the epochs of which something stands on the lane, the newest first."""
    found = Outbound.objects.filter(lane=lane, order=None).order_by("-epoch").values_list("epoch", flat=True)
    return list(found.distinct()[:20])
