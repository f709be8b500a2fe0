"""The gate: every save passes it shared, every flip takes it alone.

The row is read in a statement after the lock, so that a save sees the mode and epoch it commits in (design, section 6).
"""

from pasmirror.lib import clock, crash, locks
from pasmirror.lib.actor import Actor
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from patients.models import Gate
from patients.refusals import NotWritable
from patients.states import WRITABLE, Mode

_WHY = {
    Mode.NORMAL: "The PAS is up: use the PAS. PAS Mirror is for looking up only.",
    Mode.HANDBACK: "Control is being handed back to the PAS: saving is frozen for a moment. Nothing was saved.",
}


def passed(scope: str = "site") -> Gate:
    """Pass the gate for this transaction: mode and epoch stay as given until it has ended."""
    locks.share(Lock.GATE)
    return Gate.objects.get(scope=scope)


def refuse_unless_writable(gate: Gate) -> None:
    """Raise NotWritable unless clerks may write in this mode."""
    if gate.mode not in WRITABLE:
        raise NotWritable(_WHY[Mode(gate.mode)])


def flip(*, to: Mode, by: Actor, sentence: str, new_epoch: bool, fence: bool = False, scope: str = "site") -> Gate:
    """Change the mode, in the caller's transaction, after every save under way has ended.

    `new_epoch`: the master changes. `fence`: everything up to the present epoch is over; nothing is sent for it.
    The caller records the move (who, why) where it belongs.
    """
    locks.take(Lock.GATE)
    gate = Gate.objects.get(scope=scope)
    if fence:
        gate.fenced = gate.epoch
    if new_epoch or fence:
        gate.epoch += 1
    gate.mode, gate.since, gate.sentence = to, clock.now(), sentence
    gate.save()
    crash.at(Point.FLIP_GATE_MOVED)
    return gate
