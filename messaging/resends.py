"""Which messages may be sent again as they were, and for whom the current state goes instead; pure, knows no table.

A message goes as the identical bytes only where nothing later of that patient was, or may have been, received: it
would turn the clock back. One that was never received keeps its own number. One that was is put at the lane's end, so
there nothing later may be on its way either.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import TextChoices

from messaging.states import OPEN_LEGS, Leg


class Scope(TextChoices):
    """What is to be sent again."""

    RANGE = "range", "Messages by their numbers"
    EPOCH = "epoch", "All of an epoch"
    UNWRITTEN = "unwritten", "All that could not be written"
    RESYNC = "resync", "The resync list"


LEFT_OUT = frozenset(  # on their way, and never ours to tell
    {Leg.QUEUED, Leg.SENDING, Leg.UNRELEASED, Leg.LEFT_TO_PAS, Leg.SKIPPED, Leg.SHADOWED}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be sent again: a `Scope` with its numbers (both included), epoch, or reason."""

    scope: str
    first: int = 0
    last: int = 0
    epoch: int = 0
    alike: str = ""


class Listed(NamedTuple):
    """One message that is asked for. `busy`: it is being sent again already."""

    pk: int
    seq: int
    change: int
    patient: int
    leg: str
    epoch: int
    busy: bool


class Marks(NamedTuple):
    """The newest there is of a person on a lane, as `mark` counts: received or maybe so; and that or on its way."""

    received: int = 0
    ahead: int = 0


@dataclass(slots=True)
class Sorted:
    """What becomes of the messages of one person that are asked for."""

    own: list[Listed] = field(default_factory=list)  # under their own numbers, since they were never received
    copies: list[Listed] = field(default_factory=list)  # the same bytes at the lane's end
    current: list[Listed] = field(default_factory=list)  # told by the current state
    left: list[Listed] = field(default_factory=list)  # on their way, or never ours to tell


def mark(change: int, *, snapshot: bool = False) -> int:
    """Give the place of a message among those of its patient: by its change, a snapshot behind that."""
    return 2 * change + snapshot


def sort_out(rows: Iterable[Listed], marks: Marks, *, fenced: int) -> Sorted:
    """Say what becomes of the messages of one person; epochs up to `fenced` were ended by hand-back."""
    found = Sorted()
    for row in rows:
        if row.busy or row.leg in LEFT_OUT:
            found.left.append(row)
        elif row.epoch <= fenced:
            found.current.append(row)
        elif row.leg == Leg.ACCEPTED:
            (found.copies if mark(row.change) >= marks.ahead else found.current).append(row)
        else:
            (found.own if mark(row.change) >= marks.received else found.current).append(row)
    if found.own and (found.copies or found.current):  # an own number goes out before all that is put at the end
        found.current = sorted([*found.current, *found.own, *found.copies], key=lambda row: row.seq)
        found.own, found.copies = [], []
    return found


def held(rows: Collection[Listed]) -> list[int]:
    """Name those whose patient waits behind them."""
    return [row.pk for row in rows if row.leg in OPEN_LEGS]
