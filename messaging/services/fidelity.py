"""Says again what the PAS said, from the record, and counts how well: a few samples at a time, far from the feed.

The ground is what was known *before* the message, so that nothing is compared with itself (docs/adr/0012). Also keeps
what an engineer accepts. Nothing is ever sent from here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

import structlog
from django.db import connection, transaction
from django.db.models import Count

from messaging import fidelity
from messaging.fidelity import ORDER, WHOLE, Compared, Verdict
from messaging.hl7 import dialects
from messaging.hl7.dialects import Dialect
from messaging.hl7.read import Message
from messaging.hl7.write import ChangeFacts, NoLayout, write
from messaging.models import (
    Destination,
    FidelityAcceptance,
    FidelityDay,
    FidelityExample,
    FidelityPoint,
    FidelitySample,
    Inbound,
)
from messaging.selectors import channels, filters, moved
from messaging.selectors import fidelity as reading
from pasmirror.lib import alarms, audit, clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.away import is_away
from patients.models import Change
from patients.refusals import Refused
from patients.selectors import gate
from patients.states import Mode

log = structlog.get_logger()
ALARM = "fidelity-low"
EXAMPLES = 3  # kept of each difference
WAITING = 2000  # samples that may wait; older ones are let go
CONTROL_ID = "FIDELITY"  # MSH-10 of what is written here; it is compared with nothing and never leaves


def run_once(limit: int = 10) -> int:
    """Compare up to `limit` samples, each in a transaction of its own; gives how many. 0 unless the PAS is master."""
    if gate.now().mode != Mode.NORMAL:
        return 0
    peers = reading.peers()
    waiting = list(FidelitySample.objects.order_by("pk").values_list("pk", flat=True)[:limit])
    for sample in waiting:
        try:
            with transaction.atomic():
                _compare(sample, peers)
        except Exception as fault:  # one message that cannot be compared must not stop the others
            if is_away(fault):
                raise
            log.warning("fidelity.failed", sample=sample, error=type(fault).__name__)
            FidelitySample.objects.filter(pk=sample).delete()
    return len(waiting)


def watch() -> None:
    """Let go what is too old, and say by an alarm which destinations we do not say well enough to."""
    with transaction.atomic():
        newest = FidelitySample.objects.order_by("-pk").values_list("pk", flat=True)
        if beyond := newest[WAITING : WAITING + 1].first():
            dropped, _ = FidelitySample.objects.filter(pk__lte=beyond).delete()
            log.info("fidelity.dropped", samples=dropped)
        since = reading.window_began()
        FidelityDay.objects.filter(day__lt=since).delete()
        FidelityExample.objects.filter(at__date__lt=since).delete()
        failing = reading.failing()
        for code, why in failing.items():
            alarms.sound(ALARM, why, subject=code)
        for alarm in alarms.standing():
            if alarm.code == ALARM and alarm.subject not in failing:
                alarms.clear(ALARM, subject=alarm.subject)


def accept(*, point: int, by: Actor, reason: str) -> None:
    """Count a difference as no harm at its destination from now on. Raises Refused."""
    with transaction.atomic():
        found = _point(point, reason)
        if found.verdict == Verdict.SAME:
            raise Refused("There is no difference to accept")
        if FidelityAcceptance.objects.filter(point=found, ended_at=None).exists():
            raise Refused("This difference is accepted already")
        FidelityAcceptance.objects.create(point=found, reason=reason, by=by.as_json(), at=clock.now())
        _audit("fidelity.accept", by, reason, found)


def withdraw(*, point: int, by: Actor, reason: str) -> None:
    """Count a difference again. Raises Refused."""
    with transaction.atomic():
        found = _point(point, reason)
        standing = FidelityAcceptance.objects.filter(point=found, ended_at=None)
        if not standing.update(ended_at=clock.now(), ended_by=by.because(reason).as_json()):
            raise Refused("This difference is not accepted")
        _audit("fidelity.withdraw", by, reason, found)


def count_anew(*, destination: int, by: Actor, reason: str) -> None:
    """Forget what was counted for a destination, after its dialect was mended; what is accepted stays. Raises Refused.

    Until enough has come again there is no proof, and a destination that asks for one keeps emission held.
    """
    _needs(reason)
    with transaction.atomic():
        to = Destination.objects.get(pk=destination)
        FidelityDay.objects.filter(point__destination=to).delete()
        FidelityExample.objects.filter(point__destination=to).delete()
        audit.record(action="fidelity.anew", by=by.because(reason), subject=f"destination:{to.code}")


def _point(point: int, reason: str) -> FidelityPoint:
    _needs(reason)
    found = FidelityPoint.objects.select_for_update().filter(pk=point).first()
    if found is None:
        raise Refused("There is no such difference")
    return found


def _needs(reason: str) -> None:
    if not reason.strip():
        raise Refused("Enter the reason for this decision", "reason")


def _audit(action: str, by: Actor, reason: str, point: FidelityPoint) -> None:
    said = {"event": point.event, "field": point.field, "verdict": point.verdict, "parts": point.parts}
    to = point.destination.code
    audit.record(action=action, by=by.because(reason), subject=f"fidelity:{point.pk}", detail={"to": to, **said})


def _compare(pk: int, peers: Sequence[Destination]) -> None:
    sample = FidelitySample.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
    if sample is None:
        return
    found = Inbound.objects.filter(pk=sample.message).values_list("raw", "patient").first()
    change = Change.objects.filter(pk=sample.change).first()
    sample.delete()
    if found is None or change is None:
        return
    theirs, policy = Message.of(bytes(found[0])), channels.spoken()
    said: dict[str, list[Compared]] = {}
    wanting = filters.wanting(change.pk)
    for to in peers:
        if to.pk not in wanting:
            continue
        if to.dialect not in said:
            said[to.dialect] = _said(change, dialects.get(to.dialect, policy), sample.ground, theirs)
        _count(to, change.event, said[to.dialect], sample.message, found[1])


def _said(change: Change, dialect: Dialect, ground: Sequence[str], theirs: Message) -> list[Compared]:
    """Say a change as if a clerk had made it, and compare."""
    movement = moved.of([change]).get(change.pk) if dialect.movements else None
    told = ChangeFacts.of(change)
    try:
        raw = write(told, dialect=dialect, control_id=CONTROL_ID, now=clock.now(), last_segments=ground, moved=movement)
    except NoLayout:
        return fidelity.unsaid(theirs, Verdict.UNSAID)
    except Exception as fault:  # noqa: BLE001 - that it cannot be written is a finding, whatever the cause
        log.info("fidelity.unwritten", change=change.pk, dialect=dialect.code, error=type(fault).__name__)
        return fidelity.unsaid(theirs, Verdict.FAILED)
    return fidelity.compare(theirs, Message.of(raw), zone=dialect.zone)


_COUNT = """
WITH came AS (
  SELECT * FROM unnest(%(fields)s::text[], %(verdicts)s::text[], %(parts)s::text[], %(counts)s::int[])
           AS c (field, verdict, parts, n)),
made AS (
  INSERT INTO messaging_fidelitypoint (destination_id, event, field, verdict, parts)
  SELECT %(to)s, %(event)s, field, verdict, parts FROM came ORDER BY field, verdict, parts
  ON CONFLICT (destination_id, event, field, verdict, parts) DO NOTHING
  RETURNING id, field, verdict, parts),
known AS (
  SELECT id, field, verdict, parts FROM made
  UNION SELECT p.id, p.field, p.verdict, p.parts FROM messaging_fidelitypoint p JOIN came USING (field, verdict, parts)
  WHERE p.destination_id = %(to)s AND p.event = %(event)s)
INSERT INTO messaging_fidelityday AS d (point_id, day, count)
SELECT id, %(day)s, n FROM known JOIN came USING (field, verdict, parts) ORDER BY id
ON CONFLICT (point_id, day) DO UPDATE SET count = d.count + excluded.count
RETURNING point_id
"""


def _count(to: Destination, event: str, compared: Sequence[Compared], message: int, patient: int | None) -> None:
    """Add what one message showed to the day's counts, and keep it as an example where there are too few."""
    counts = Counter((one.field[:12], one.verdict.value, one.parts[:40]) for one in compared)
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            {
                "fields": [field for field, _, _ in counts],
                "verdicts": [verdict for _, verdict, _ in counts],
                "parts": [parts for _, _, parts in counts],
                "counts": list(counts.values()),
                "to": to.pk,
                "event": event,
                "day": _today(),
            },
        )
        points = [row[0] for row in cursor.fetchall()]
    _exemplify(points, compared, message, patient)


def _exemplify(points: Iterable[int], compared: Sequence[Compared], message: int, patient: int | None) -> None:
    different = FidelityPoint.objects.filter(pk__in=points).exclude(verdict=Verdict.SAME)
    wanting = different.annotate(kept=Count("examples")).filter(kept__lt=EXAMPLES)
    shown: defaultdict[tuple[str, str, str], list[Compared]] = defaultdict(list)
    for one in compared:
        shown[one.field[:12], one.verdict.value, one.parts[:40]].append(one)
    rows = []
    for point in wanting:
        if point.verdict in WHOLE and point.field != ORDER:
            continue
        one = shown[point.field, point.verdict, point.parts][0]
        row = FidelityExample(point=point, message=message, patient=patient, at=clock.now())
        row.theirs, row.ours = one.theirs[:500], one.ours[:500]
        rows.append(row)
    FidelityExample.objects.bulk_create(rows)


def _today() -> date:
    return clock.now().astimezone(clock.SITE).date()
