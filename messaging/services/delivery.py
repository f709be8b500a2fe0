"""Delivers one lane for one slice of time: claim, then attempt, send, wait, settle, again; knows no HL7 beyond MSH-10.

No transaction is open while bytes travel. Whoever runs it (a wake or the sweep) is the same to it.
"""

import threading
import time
from dataclasses import dataclass

import structlog
from django.db import InterfaceError, OperationalError, connection

from messaging.mllp.sender import Accepted, Ending, Peer
from messaging.models import Destination
from messaging.services import attempts, incarnation, lanes, peers
from messaging.services.attempts import Nothing
from messaging.services.lanes import Lease, LostLease
from messaging.services.parcels import Parcel
from pasmirror.lib import crash
from pasmirror.lib.crash import Point
from pasmirror.lib.statements import forget_plans

log = structlog.get_logger()
SLACK = 5.0  # seconds a lease outlives its slice and the longest wait for an answer
TRIES = 3  # of a settlement that met a lock
_peers: dict[tuple[str, ...], Peer] = {}  # idle connections of this process, kept between slices
_peers_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Slice:
    """What a slice did: messages accepted, one sentence, and whether more is due at once."""

    sent: int
    sentence: str
    more: bool = False


def run(lane_code: str, *, seconds: float = 2.0) -> Slice:
    """Deliver the lane named `lane_code` for about `seconds`; returns at once when another is at it.

    Database faults are raised (another database is one): what was under way stays in doubt and is sent again, the
    same bytes, by whoever is next.
    """
    to = Destination.objects.filter(code=lane_code, declared=True).first()
    if to is None:
        return Slice(0, "there is no such destination")
    incarnation.current()
    lasts = seconds + 2 * to.longest_send + SLACK
    ends = time.monotonic() + lasts  # counted from before the claim, so never later than by the database's clock
    lease = lanes.claim(to, holder=lanes.me(), seconds=lasts)
    if lease is None:
        return Slice(0, "another is at it")
    crash.at(Point.DELIVER_CLAIMED)
    peer = _take_peer(to)
    lost = True
    try:
        forget_plans()
        done = _slice(lease, peer, until=time.monotonic() + seconds, ends=ends)
        lost = False
    except LostLease:
        log.warning("lane.lost", lane=lane_code)
        return Slice(0, "the lane was taken over")
    finally:
        if lost:
            peer.close()
        else:
            _keep_peer(to, peer)
        lanes.release(lease)
    return done


def _slice(lease: Lease, peer: Peer, *, until: float, ends: float) -> Slice:
    """Step by step until nothing is due or it is `until`; `ends`: when the lease does, by this process's own clock."""
    sent = 0
    ended: tuple[Parcel, Ending] | None = None
    while True:
        over = time.monotonic() >= until
        found = _step(lease, ended, open_next=not over)
        ended = None
        if isinstance(found, Nothing):
            if not over and 0 < found.wait <= until - time.monotonic():
                time.sleep(found.wait)
                continue
            return Slice(sent, found.sentence, more=over)
        crash.at(Point.DELIVER_ATTEMPT_COMMITTED)
        if _outlived(ends):
            raise LostLease(lease.destination.code)  # we slept: another may have sent it by now, and later ones
        ending = peer.send(found.body, found.control_id)
        crash.at(Point.DELIVER_ANSWER_HEARD)
        sent += isinstance(ending, Accepted)
        ended = (found, ending)


def _outlived(ends: float) -> bool:
    """Whether the lease has run out by our own clock, asked right before the first byte: the database's is far away."""
    return time.monotonic() >= ends


def _step(lease: Lease, ended: tuple[Parcel, Ending] | None, *, open_next: bool) -> Parcel | Nothing:
    """Settle and open; a lock that was in the way is tried again, so that an answer we hold is not lost."""
    for left in reversed(range(TRIES)):
        try:
            return attempts.step(lease, ended, open_next=open_next)
        except (OperationalError, InterfaceError):
            if not left or not connection.is_usable():
                raise
            log.info("delivery.tried_again", lane=lease.destination.code)
    raise AssertionError("unreachable")


def _take_peer(to: Destination) -> Peer:
    """Take the lane's connection for ourselves alone, or make one."""
    with _peers_lock:
        peer = _peers.pop(peers.identity(to), None)
    return peer or peers.of(to)


def _keep_peer(to: Destination, peer: Peer) -> None:
    """Keep it for the next slice; one to an address that the destination no longer has is closed."""
    with _peers_lock:
        older = [_peers.pop(known) for known in list(_peers) if known[0] == to.code]
        _peers[peers.identity(to)] = peer
    for each in older:
        each.close()


def hang_up() -> None:
    """Close every idle connection of this process."""
    with _peers_lock:
        idle = list(_peers.values())
        _peers.clear()
    for peer in idle:
        peer.close()
