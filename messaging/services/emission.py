"""Throws the emission switch, in the caller's transaction; who may and on what evidence is decided above.

The valve moves only under the gate's lock taken exclusively, and every attempt is opened under it shared: once a hold
has committed, no attempt is opened any more.
"""

import structlog

from messaging.models import Emission
from messaging.states import Valve
from pasmirror.lib import audit, bell, clock, crash, locks
from pasmirror.lib.actor import Actor
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from patients.selectors import gate

log = structlog.get_logger()


def open(*, by: Actor, reason: str) -> bool:  # noqa: A001 - the switch's own word
    """Let the mirror speak for the PAS; False if it was open already."""
    return _move(Valve.OPEN, by=by, reason=reason)


def hold(*, by: Actor, reason: str) -> bool:
    """Let nothing leave; False if it was held already."""
    return _move(Valve.HELD, by=by, reason=reason)


def now() -> Emission:
    """Give the switch as last committed, or a held one if it was never thrown."""
    return Emission.objects.order_by("pk").first() or Emission(valve=Valve.HELD, since=clock.now())


def _move(valve: Valve, *, by: Actor, reason: str) -> bool:
    locks.take(Lock.GATE)
    emission = now()
    if emission.valve == valve and not emission._state.adding:
        return False
    moved = emission.valve != valve
    emission.valve, emission.since, emission.by, emission.reason = valve, clock.now(), by.as_json(), reason[:300]
    emission.save()
    crash.at(Point.EMISSION_MOVED)
    if moved:
        audit.record(action=f"emission_{valve}", by=by.because(reason), subject="emission", epoch=gate.now().epoch)
        log.warning("emission.moved", valve=str(valve))
        bell.ring_after_commit("tail")  # which rings every lane that may send now
    return moved
