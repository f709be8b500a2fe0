"""Finds writing and speaking by one who was not master: outside the epoch, after the fence, beside the PAS (I4); pure.

Order is that of commits, as the server notes them. A flip takes the gate's lock alone and a save takes it shared, both
until they have committed: so every save of an epoch commits before the flip that ends it, and after the one that began
it. Both are the order of commit alone, whatever the clocks of our processes say.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import WRITABLE, History, base
from tests.faults.checker.rows import Attempt, Change, Inbound, Move, Outbound

VALVE = frozenset({"held", "open"})
NOTHING_LEFT = ("connect", "tls")  # how the detail of an attempt begins that never got a byte out
LOOKED_BACK = 20  # messages from which the PAS's clock is read


@dataclass(frozen=True, slots=True)
class Fence:
    """The move that ended every epoch up to `epoch` for good."""

    committed: int
    at: float
    epoch: int


def check(history: History) -> Iterator[Finding]:
    """Give every finding of two masters and of emission for a fenced epoch."""
    yield from _saves(history)
    yield from _beside_the_pas(history)
    yield from _while_held(history)
    yield from _rehearsed(history)
    for fence in fences(history):
        yield from _attempts(history, fence)
        yield from _arrivals(history, fence)


def fences(history: History) -> list[Fence]:
    """Each hand-back that was finished."""
    return [
        Fence(move.committed, move.at, move.epoch - 1)
        for move in history.moves
        if (move.before, move.after) == ("handback", "normal")
    ]


def _saves(history: History) -> Iterator[Finding]:
    moves = sorted(history.moves, key=lambda move: move.id)
    for change in history.by_clerks():
        mode, epoch = _stood(moves, change)
        if mode not in WRITABLE:
            yield finding(
                Kind.TWO_MASTERS,
                f"A clerk's change was committed in mode {mode}",
                change=change.id,
                committed=change.committed,
            )
        elif epoch != change.epoch:
            yield finding(
                Kind.TWO_MASTERS,
                f"A clerk's change of epoch {change.epoch} was committed in epoch {epoch}",
                change=change.id,
                committed=change.committed,
            )


def _stood(moves: list[Move], change: Change) -> tuple[str, int]:
    """Mode and epoch in which a change was committed."""
    mode, epoch = "normal", 1
    for move in moves:
        if move.committed < change.committed:
            mode, epoch = (mode if move.after in VALVE else move.after), move.epoch
    return mode, epoch


def _beside_the_pas(history: History) -> Iterator[Finding]:
    """Opened towards a receiver after a message that the PAS made when emission was open already."""
    valve = history.valve()
    times = [*(at for at, _ in valve), float("inf")]
    for (opened, is_open), closed in zip(valve, times[1:], strict=True):
        if not is_open:
            continue
        spoke = next((each for each in _in_order(history) if _made_within(history, each, opened, closed)), None)
        if spoke is None:
            continue
        for attempt, row in _to_receivers(history):
            if spoke.received_at < attempt.opened_at < closed:
                yield finding(
                    Kind.TWO_MASTERS,
                    "The mirror went on speaking after the PAS had spoken",
                    inbound=spoke.id,
                    control_id=row.control_id,
                    attempt=attempt.id,
                )
                break


def _in_order(history: History) -> list[Inbound]:
    return sorted(history.inbound, key=lambda each: (each.received_at, each.id))


def _made_within(history: History, message: Inbound, opened: float, closed: float) -> bool:
    """Whether the PAS made it, by its own clock, when emission was open, and it came while it was."""
    if message.sent_at is None or message.outcome == "refused" or not opened < message.received_at < closed:
        return False
    before = [each for each in _in_order(history) if each.received_at < opened and each.sent_at is not None]
    ahead = max((each.sent_at - each.received_at for each in before[-LOOKED_BACK:] if each.sent_at), default=0.0)
    return message.sent_at - max(ahead, 0.0) > opened + history.clock_slack


def _to_receivers(history: History) -> list[tuple[Attempt, Outbound]]:
    lanes = {to.id for to in history.destinations if not to.is_pas}
    rows = {row.id: row for row in history.outbound if row.lane in lanes}
    tries = sorted(history.attempts, key=lambda each: (each.opened_at, each.id))
    return [(each, rows[each.outbound]) for each in tries if each.outbound in rows]


def _while_held(history: History) -> Iterator[Finding]:
    """A message that had never left was sent although emission was held."""
    valve, left = history.valve(), set[int]()
    for attempt, row in _to_receivers(history):
        is_open = next((is_open for at, is_open in reversed(valve) if at < attempt.opened_at), False)
        if not is_open and row.id not in left:
            yield finding(
                Kind.TWO_MASTERS,
                "The mirror spoke while emission was held",
                control_id=row.control_id,
                attempt=attempt.id,
            )
        if attempt.detail != "connect":
            left.add(row.id)


def _rehearsed(history: History) -> Iterator[Finding]:
    """A message that a shadow was only to rehearse, tried or received all the same: the PAS tells that destination."""
    tries = history.tries()
    for to, receiver in history.receiver_lanes():
        came = {base(each.control_id) for each in receiver.arrivals}
        for row in history.outbound:
            if row.lane != to.id or row.leg != "shadowed":
                continue
            left = any(not each.detail.startswith(NOTHING_LEFT) for each in tries.get(row.id, ()))
            if left or base(row.control_id) in came:
                yield finding(
                    Kind.TWO_MASTERS,
                    f"A message that was only rehearsed was sent to {to.code}",
                    control_id=row.control_id,
                    change=row.change,
                )


def _attempts(history: History, fence: Fence) -> Iterator[Finding]:
    rows = {row.id: row for row in history.outbound if row.epoch <= fence.epoch}
    for attempt in history.attempts:
        row = rows.get(attempt.outbound)
        if row is None or (attempt.committed < fence.committed and attempt.closed_at is not None):
            continue
        when = "opened after" if attempt.opened_at > fence.at else "still open at"
        yield finding(
            Kind.FENCED_EMISSION,
            f"An attempt was {when} the end of its epoch",
            epoch=row.epoch,
            attempt=attempt.id,
            control_id=row.control_id,
        )


def _arrivals(history: History, fence: Fence) -> Iterator[Finding]:
    """More first arrivals after the fence than the one message a frozen sender may have in hand."""
    for to, receiver in history.receiver_lanes():
        rows = history.rows_by_control_id(to.id)
        first: dict[str, float] = {}
        for each in receiver.arrivals:
            if base(each.control_id) in rows:
                first.setdefault(base(each.control_id), each.at)
        late = [name for name, at in first.items() if at > fence.at and rows[name].epoch <= fence.epoch]
        if len(late) > 1:
            yield finding(
                Kind.FENCED_EMISSION,
                f"{to.code} first got {len(late)} messages of an epoch after it had ended",
                epoch=fence.epoch,
                control_ids=late[:10],
            )
