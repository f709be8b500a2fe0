"""How far the sender's clock runs ahead of ours, learned from MSH-7 against the time of receipt; pure.

Delay only ever makes a message look older than it is, so what looks newest is nearest to the truth. A message that
looks old is late, or its sender's clock is slow: only time tells, since a backlog does not stay equally late.
"""

from collections.abc import Sequence

LIVE = 120.0  # seconds; what looks older than that by our clock may be backlog, and teaches nothing by itself
WILDEST = 900.0  # seconds; what looks that much newer than it could is not believed at once
AGREE = 5.0  # seconds by which a steady clock may seem to move
SLOTS = 6  # stretches of time, each with a message, that make a clock steady
SLOT = 10.0  # seconds
WINDOW = 600.0  # seconds looked back over


def learned(ahead: float, heard: float) -> float:
    """Give how many seconds the sender's clock runs ahead, after one more message that was `heard` seconds ahead.

    A message that looks newer than it could is believed at once, one that is live by our own clock slowly.
    """
    broken = heard > max(ahead, 0.0) + WILDEST
    late = heard < ahead - LIVE and abs(heard) > LIVE
    if broken or late:
        return ahead
    return ahead + (0.5 if heard > ahead else 0.01) * (heard - ahead)


def steady(newest: Sequence[float]) -> float | None:
    """Give the difference that `newest` agree on: how far ahead the newest-looking message of each slot was, in order.

    None while they are too few, or do not agree: a backlog runs through, or the clock was set.
    """
    if len(newest) < SLOTS:
        return None
    half = len(newest) // 2
    earlier, later = max(newest[:half]), max(newest[half:])
    return later if abs(later - earlier) <= AGREE else None
