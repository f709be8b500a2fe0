"""The lane's lease: who alone may send on it, until when by the database's clock, under which fencing token; its pause.

Every claim raises the token, and nothing is opened or settled under an older one. A takeover first ends the old
holder's database connection. The lease outlives any one slice; a holder whose connection is gone has none.
"""

import os
import socket
import threading
from dataclasses import dataclass

import structlog
from django.db import DatabaseError, connection, transaction

from messaging.models import Destination, Lane
from pasmirror.lib import audit, bell, clock
from pasmirror.lib.actor import Actor
from patients.refusals import Refused

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send on one lane under `token`."""

    destination: Destination
    token: int

    @property
    def lane(self) -> int:
        """The lane's key."""
        return int(self.destination.pk)


class LostLease(Exception):
    """Another holder has taken the lane over."""


def me() -> str:
    """Name this thread as a holder: machine, process, thread."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{threading.get_ident()}"


def claim(destination: Destination, *, holder: str, seconds: float) -> Lease | None:
    """Claim the lane for `seconds`, or give None while another holds it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOOK, [destination.pk])
        seen, held = cursor.fetchone() or (0, True)
        if held:
            return None
        cursor.execute(_END_OLD_HOLDER, [destination.pk, seen])
        if cursor.fetchone():
            log.warning("lane.taken_over", lane=destination.code)
        # FOR UPDATE waits for attempts being opened (FOR KEY SHARE), which an UPDATE alone would not.
        cursor.execute(
            "SELECT token FROM messaging_lane WHERE destination_id = %s AND token = %s FOR UPDATE",
            [destination.pk, seen],
        )
        if cursor.fetchone() is None:
            return None
        cursor.execute(
            "UPDATE messaging_lane SET token = token + 1, holder = %s, backend = pg_backend_pid(), "
            "until = clock_timestamp() + %s * interval '1 second' WHERE destination_id = %s RETURNING token",
            [holder, seconds, destination.pk],
        )
        token = int(cursor.fetchone()[0])
        cursor.execute("SELECT set_config('application_name', %s, false)", [_name(destination.pk, token)])
    return Lease(destination, token)


def renew(lease: Lease, *, seconds: float) -> bool:
    """Extend the lease to `seconds` from now; False if another holds the lane."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_lane SET until = clock_timestamp() + %s * interval '1 second' "
            "WHERE destination_id = %s AND token = %s",
            [seconds, lease.lane, lease.token],
        )
        return bool(cursor.rowcount)


def release(lease: Lease) -> None:
    """Give the lane back; nothing happens if it was taken over or the database is away."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE messaging_lane SET until = NULL, holder = '', backend = 0 "
                "WHERE destination_id = %s AND token = %s",
                [lease.lane, lease.token],
            )
            if cursor.rowcount:
                cursor.execute("RESET application_name")
    except DatabaseError as fault:
        log.info("lane.not_released", lane=lease.destination.code, error=type(fault).__name__)
        connection.close()


def pause(code: str, *, by: Actor, reason: str) -> None:
    """Send nothing more to a destination until it is resumed; its queue is kept. Refused without a reason.

    Once this has committed no attempt is opened; one that is open already is finished.
    """
    with transaction.atomic():
        lane = _for_decision(code)
        if not reason.strip():
            raise Refused("Enter why nothing may be sent", "reason")
        if lane.paused_since is not None:
            raise Refused("This destination is paused already")
        lane.paused_since, lane.paused_by, lane.paused_reason = clock.now(), by.as_json(), reason[:300]
        lane.save(update_fields=["paused_since", "paused_by", "paused_reason"])
        audit.record(action="lane_paused", by=by.because(reason), subject=f"destination:{code}")
        log.warning("lane.paused", lane=code)


def resume(code: str, *, by: Actor, reason: str) -> None:
    """Let a destination that a person has paused be sent to again. Refused without a reason."""
    with transaction.atomic():
        lane = _for_decision(code)
        if not reason.strip():
            raise Refused("Enter why it may be sent to again", "reason")
        if lane.paused_since is None:
            raise Refused("Nobody has paused this destination")
        lane.paused_since, lane.paused_by, lane.paused_reason = None, {}, ""
        lane.save(update_fields=["paused_since", "paused_by", "paused_reason"])
        audit.record(action="lane_resumed", by=by.because(reason), subject=f"destination:{code}")
        log.info("lane.resumed", lane=code)
        bell.ring_after_commit(code)


def _for_decision(code: str) -> Lane:
    """Lock a lane against attempts being opened (they hold it FOR KEY SHARE) and against another's decision."""
    lane = Lane.objects.select_for_update(of=("self",)).filter(destination__code=code).first()
    if lane is None:
        raise Refused("There is no such destination")
    return lane


def _name(lane: int, token: int) -> str:
    """Give the application name a holder's connection bears while it holds."""
    return f"pasmirror lane {lane} token {token}"


# Each statement sees the lane anew, so all but the first name the token they mean: by then another may hold it.
# Held: the lease has not run out, and the holder's connection still lives and bears the lease's name.
_LOOK = """
SELECT l.token, coalesce(l.until > clock_timestamp(), false) AND EXISTS (
  SELECT 1 FROM pg_stat_activity a WHERE a.pid = l.backend
   AND a.application_name = 'pasmirror lane ' || l.destination_id || ' token ' || l.token) AS held
FROM messaging_lane l WHERE l.destination_id = %s
"""
_END_OLD_HOLDER = """
SELECT pg_terminate_backend(a.pid, 1000)
FROM messaging_lane l JOIN pg_stat_activity a ON a.pid = l.backend AND a.pid <> pg_backend_pid()
 AND a.application_name = 'pasmirror lane ' || l.destination_id || ' token ' || l.token
WHERE l.destination_id = %s AND l.token = %s AND l.until <= clock_timestamp()
"""
