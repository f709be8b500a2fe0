"""Opens attempts, each in the commit that settles the one before; knows no socket.

An attempt is committed before the first byte leaves. Each commit passes the gate's lock shared and checks the lease's
token, the valve, the mode and the fence.
"""

import json
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from messaging.mllp.sender import Accepted, Ending, NoAnswer
from messaging.models import Attempt, Outbound
from messaging.services import rehearsal, settling
from messaging.services.lanes import Lease, LostLease
from messaging.services.parcels import Parcel
from messaging.states import Holds, Leg, why_not_send
from pasmirror.lib import clock, crash
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from pasmirror.lib.statements import Statement, ask
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
    with transaction.atomic():
        ground, fate = _settled(lease, ended)
        if ended:
            crash.at(Point.DELIVER_SETTLED)
        if ended and isinstance(ended[1], NoAnswer) and fate != Fate.ACCEPTED:  # a commit may be enough
            return Nothing(f"no answer ({ended[1].phase}): the lane rests")
        return _open(lease, ground) if open_next else Nothing("the slice is over")


def _settled(lease: Lease, ended: tuple[Parcel, Ending] | None) -> tuple[_Ground, Fate | None]:
    """Pass the gate, see how things stand, settle what has ended; gives how it stood before, and what became of that.

    What was accepted is written down in the same breath: that is so for nearly every message.
    """
    to = lease.destination
    if ended and isinstance(ended[1], Accepted):
        _, found, done = ask(_GATE, _ground(lease), settling.accepting(to, ended[0], ended[1]))
        ground = _stands(lease, found)
        fate = settling.accepted(to, ended[0], done, failures=ground.failures, suspect=ground.suspect)
        return ground, fate
    _, found = ask(_GATE, _ground(lease))
    ground = _stands(lease, found)
    if not ended:
        return ground, None
    return ground, settling.settle(to, *ended, failures=ground.failures, suspect=ground.suspect)


_GATE: Statement = ("SELECT pg_advisory_xact_lock_shared(%s)", [int(Lock.GATE)])


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


def _ground(lease: Lease) -> Statement:
    to = lease.destination
    return _GROUND, [to.host, to.port, json.dumps(to.tls), to.ack_mode, lease.lane, lease.token]


def _stands(lease: Lease, found: list[Any]) -> _Ground:
    if not found:
        raise LostLease(lease.destination.code)
    return _Ground(*found[0])


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
    outbound, change, patient, seq, control_id, body, rejects, silences, tries, leg, due, attempt = row
    if leg == Leg.SENDING and not due:
        return Nothing("an answer is still awaited")
    if lease.destination.min_interval:
        _keep_interval(lease)
    return Parcel(
        outbound=outbound,
        attempt=attempt or _open_again(lease, outbound, change, told=tries > 0),
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
    if why := _why_not(lease, ground, attempted=False):
        return Nothing(why)
    played = rehearsal.play(lease.destination, fenced=ground.fenced)
    return Nothing(f"{played} rehearsed, nothing is sent", wait=AT_ONCE if played else 0.0)


def _keep_interval(lease: Lease) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_lane SET next_at = clock_timestamp() + %s * interval '1 second' "
            "WHERE destination_id = %s",
            [lease.destination.min_interval, lease.lane],
        )


# The lowest number that may leave. A patient's message waits behind that patient's earlier open ones, except those of
# a fenced epoch, which will never leave; where the whole lane waits, nothing passes the first open one. SKIP LOCKED: a
# row someone is deciding about is left alone.
_NEXT = """
SELECT o.id, o.change, o.patient, o.seq, o.control_id, o.body, o.rejects, o.silences, o.attempts, o.leg,
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


# It is opened at once, and told as sent where it never was before. One that was left open (`sending`) is only found.
_OPEN = f"""
, moved AS (
  UPDATE messaging_outbound o SET leg = %(sending)s, speaker = %(speaker)s, attempts = o.attempts + 1,
         due_at = clock_timestamp() + %(timeout)s * interval '1 second'
  FROM next WHERE o.id = next.id AND next.leg = 'queued'),
opened AS (
  INSERT INTO messaging_attempt (outbound_id, token, opened_at, ending, detail)
  SELECT id, %(token)s, %(now)s, '', '' FROM next WHERE leg = 'queued' RETURNING id),
told AS ({
    fates.telling("SELECT change, %(to)s, %(sent)s, %(now)s, '' FROM next WHERE leg = 'queued' AND attempts = 0")
})
SELECT next.*, opened.id FROM next LEFT JOIN opened ON true
"""  # noqa: S608 - of constants
_Row = tuple[int, int, int, int, str, bytes, int, int, int, str, bool, int | None]


def _next(lease: Lease, ground: _Ground) -> _Row | None:
    """Find the next message and open its attempt; that comes last in the row, None where it was `sending`."""
    may = {
        name: _why_not(lease, ground, attempted=attempted) is None
        for name, attempted in (("fresh", False), ("again", True))
    }
    if not any(may.values()):
        return None
    in_line = lease.destination.holds == Holds.LANE
    wanted = {"lane": lease.lane, "fenced": ground.fenced, "in_line": in_line, **may}
    (rows,) = ask((f"WITH next AS MATERIALIZED ({_NEXT}){_OPEN}", {**wanted, **_opening(lease)}))
    return rows[0] if rows else None


def _opening(lease: Lease) -> dict[str, Any]:
    to = lease.destination
    return {
        "token": lease.token,
        "now": clock.now(),
        "sending": Leg.SENDING.value,
        "speaker": Outbound.Speaker.MIRROR.value,
        "timeout": to.longest_send,
        "to": to.code,
        "sent": Fate.SENT.value,
    }


_OPEN_AGAIN = """
WITH moved AS (
  UPDATE messaging_outbound SET leg = %(sending)s, speaker = %(speaker)s, attempts = attempts + 1,
         due_at = clock_timestamp() + %(timeout)s * interval '1 second'
  WHERE id = %(outbound)s)
INSERT INTO messaging_attempt (outbound_id, token, opened_at, ending, detail)
VALUES (%(outbound)s, %(token)s, %(now)s, '', '') RETURNING id
"""


def _open_again(lease: Lease, outbound: int, change: int, *, told: bool) -> int:
    """End the attempt that was left open, if one was, and open another; gives its key."""
    Attempt.objects.filter(outbound_id=outbound, closed_at=None).update(
        closed_at=clock.now(), ending=Attempt.Ending.NO_ANSWER, detail="sender lost"
    )
    (rows,) = ask((_OPEN_AGAIN, {"outbound": outbound, **_opening(lease)}))
    if not told:
        fates.tell([(change, lease.destination.code, Fate.SENT, "")])
    return int(rows[0][0])


def _why_not(lease: Lease, ground: _Ground, *, attempted: bool) -> str | None:
    """Say why nothing of an epoch that was not ended may leave."""
    return why_not_send(
        to_pas=lease.destination.is_pas,
        mode=ground.mode,
        valve=ground.valve,
        attempted=attempted,
        epoch=ground.fenced + 1,
        fenced=ground.fenced,
    )
