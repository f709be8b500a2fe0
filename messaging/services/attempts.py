"""Opens attempts, each in the commit that settles the one before; knows no socket.

An attempt is committed before the first byte leaves. Each commit passes the gate's lock shared and checks the lease's
token, the valve, the mode and the fence.
"""

import json
from dataclasses import dataclass

from django.db import connection, transaction

from messaging.mllp.sender import Ending, NoAnswer
from messaging.models import Attempt, Outbound
from messaging.services import rehearsal
from messaging.services.lanes import Lease, LostLease
from messaging.services.parcels import Parcel, Told
from messaging.services.settling import settle
from messaging.states import Holds, Leg, why_not_send
from pasmirror.lib import clock, crash, locks
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from patients.models import Fate
from patients.services import fates

AT_ONCE = 0.001  # seconds: there may be more


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to send on the lane now, and why; `wait`: seconds until there may be, where that is known."""

    sentence: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class _Ground:
    """What decides whether anything may leave, as it stands in this transaction."""

    failures: int
    suspect: int | None
    resting: bool
    early: float  # seconds until the least interval is over
    paused: bool
    declared: bool
    shadow: bool
    as_declared: bool  # the peer is still the one the lease was taken for
    mode: str
    fenced: int
    valve: str


def step(lease: Lease, ended: tuple[Parcel, Ending] | None, *, open_next: bool = True) -> Parcel | Nothing:
    """Settle what has ended and open the next attempt, in one transaction; raises LostLease."""
    told: list[Told] = []
    with transaction.atomic():
        locks.share(Lock.GATE)
        ground = _ground(lease)
        found: Parcel | Nothing = Nothing("the slice is over")
        if ended:
            told += settle(lease.destination, *ended, failures=ground.failures, suspect=ground.suspect)
            crash.at(Point.DELIVER_SETTLED)
        if ended and isinstance(ended[1], NoAnswer) and told[-1][2] != Fate.ACCEPTED:  # a commit may be enough
            found = Nothing(f"no answer ({ended[1].phase}): the lane rests")
        elif open_next:
            found = _open(lease, ground)
        if isinstance(found, Parcel) and not found.sent_before:
            told.append((found.change, lease.destination.code, Fate.SENT, ""))
        fates.tell(told)
    return found


# What decides, read after the gate's lock, so that none of it changes before we commit. The lane's row is held as
# well: no takeover falls between this and the attempt.
_GROUND = """
SELECT l.failures, l.suspect, coalesce(l.rest_until > clock_timestamp(), false),
       coalesce(greatest(extract(epoch FROM l.next_at - clock_timestamp()), 0), 0)::float,
       d.paused OR l.paused_since IS NOT NULL, d.declared, d.shadow,
       (d.host, d.port, d.tls, d.ack_mode) = (%s, %s, %s::jsonb, %s), g.mode, g.fenced,
       coalesce((SELECT e.valve FROM messaging_emission e ORDER BY e.id LIMIT 1), 'held')
FROM messaging_lane l JOIN messaging_destination d ON d.id = l.destination_id
JOIN patients_gate g ON g.scope = 'site'
WHERE l.destination_id = %s AND l.token = %s FOR KEY SHARE OF l
"""


def _ground(lease: Lease) -> _Ground:
    with connection.cursor() as cursor:
        to = lease.destination
        cursor.execute(_GROUND, [to.host, to.port, json.dumps(to.tls), to.ack_mode, lease.lane, lease.token])
        row = cursor.fetchone()
    if row is None:
        raise LostLease(lease.destination.code)
    return _Ground(*row)


def _open(lease: Lease, ground: _Ground) -> Parcel | Nothing:
    if ground.paused or not ground.declared:
        return Nothing("the destination is paused")
    if not ground.as_declared:
        return Nothing("the destination was declared anew")
    if ground.shadow:
        return _rehearse(lease, ground)
    if ground.resting:
        return Nothing("the lane rests after a failure")
    if ground.early:
        return Nothing("the lane keeps its least interval", wait=ground.early)
    row = _next(lease, ground)
    if row is None:
        return Nothing("nothing is due")
    outbound, change, patient, seq, control_id, body, rejects, silences, tries, leg, epoch, due = row
    if leg == Leg.SENDING and not due:
        return Nothing("an answer is still awaited")
    if why := _why_not(lease, ground, attempted=tries > 0, epoch=epoch):
        return Nothing(why)
    if leg == Leg.SENDING:
        Attempt.objects.filter(outbound_id=outbound, closed_at=None).update(
            closed_at=clock.now(), ending=Attempt.Ending.NO_ANSWER, detail="sender lost"
        )
    return Parcel(
        outbound=outbound,
        attempt=_begin(lease, outbound),
        change=change,
        patient=patient,
        seq=seq,
        control_id=control_id,
        body=bytes(body),
        rejects=rejects,
        silences=silences,
        sent_before=tries > 0,
        in_doubt=leg == Leg.SENDING,
    )


def _rehearse(lease: Lease, ground: _Ground) -> Nothing:
    if why := _why_not(lease, ground, attempted=False, epoch=ground.fenced + 1):
        return Nothing(why)
    played = rehearsal.play(lease.destination, fenced=ground.fenced)
    return Nothing(f"{played} rehearsed, nothing is sent", wait=AT_ONCE if played else 0.0)


def _begin(lease: Lease, outbound: int) -> int:
    """Open the attempt; gives its key."""
    to = lease.destination
    with connection.cursor() as cursor:
        cursor.execute(
            _BEGIN,
            {
                "outbound": outbound,
                "token": lease.token,
                "now": clock.now(),
                "leg": Leg.SENDING,
                "speaker": Outbound.Speaker.MIRROR,
                "timeout": to.longest_send,
            },
        )
        attempt = int(cursor.fetchone()[0])
        if to.min_interval:
            cursor.execute(
                "UPDATE messaging_lane SET next_at = clock_timestamp() + %s * interval '1 second' "
                "WHERE destination_id = %s",
                [to.min_interval, to.pk],
            )
    return attempt


_BEGIN = """
WITH moved AS (
  UPDATE messaging_outbound SET leg = %(leg)s, speaker = %(speaker)s, attempts = attempts + 1,
         due_at = clock_timestamp() + %(timeout)s * interval '1 second'
  WHERE id = %(outbound)s)
INSERT INTO messaging_attempt (outbound_id, token, opened_at, ending, detail)
VALUES (%(outbound)s, %(token)s, %(now)s, '', '') RETURNING id
"""


# The lowest number that may leave. A patient's message waits behind that patient's earlier open ones, except those of
# a fenced epoch, which will never leave; where the whole lane waits, nothing passes the first open one. SKIP LOCKED: a
# row someone is deciding about is left alone.
_NEXT = """
SELECT o.id, o.change, o.patient, o.seq, o.control_id, o.body, o.rejects, o.silences, o.attempts, o.leg, o.epoch,
       o.due_at <= clock_timestamp() AS due
FROM messaging_outbound o
WHERE o.lane_id = %(lane)s AND o.leg IN ('queued', 'sending') AND o.body IS NOT NULL AND o.epoch > %(fenced)s
  AND (o.leg = 'sending' OR o.due_at <= clock_timestamp())
  AND CASE WHEN o.attempts > 0 THEN %(again)s ELSE %(fresh)s END
  AND NOT EXISTS (
    SELECT 1 FROM messaging_outbound e
    WHERE e.lane_id = o.lane_id AND e.patient = o.patient AND e.seq < o.seq AND e.epoch > %(fenced)s
      AND e.leg IN ('unreleased', 'queued', 'sending', 'held'))
  AND (NOT %(in_line)s OR o.seq = (
    SELECT min(f.seq) FROM messaging_outbound f
    WHERE f.lane_id = %(lane)s AND f.epoch > %(fenced)s AND f.leg IN ('unreleased', 'queued', 'sending', 'held')))
ORDER BY o.seq LIMIT 1 FOR UPDATE OF o SKIP LOCKED
"""


_Row = tuple[int, int, int, int, str, bytes, int, int, int, str, int, bool]


def _next(lease: Lease, ground: _Ground) -> _Row | None:
    may = {
        name: _why_not(lease, ground, attempted=attempted, epoch=ground.fenced + 1) is None
        for name, attempted in (("fresh", False), ("again", True))
    }
    if not any(may.values()):
        return None
    with connection.cursor() as cursor:
        in_line = lease.destination.holds == Holds.LANE
        cursor.execute(_NEXT, {"lane": lease.lane, "fenced": ground.fenced, "in_line": in_line, **may})
        row: _Row | None = cursor.fetchone()
    return row


def _why_not(lease: Lease, ground: _Ground, *, attempted: bool, epoch: int) -> str | None:
    return why_not_send(
        to_pas=lease.destination.is_pas,
        mode=ground.mode,
        valve=ground.valve,
        attempted=attempted,
        epoch=epoch,
        fenced=ground.fenced,
    )
