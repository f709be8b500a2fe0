"""Compares the monitor's clocks with each other and with the database's: when time is not to be trusted; pure."""

from dataclasses import dataclass

JUMP = 2.0  # seconds two clocks may move apart before the monitor distrusts them
APART = 30.0  # seconds our wall clock may differ from the database's


@dataclass(frozen=True, slots=True)
class Ticks:
    """One reading of three clocks, in seconds: ours on the wall, ours that only runs, the database's."""

    wall: float
    running: float
    database: float
    unsure: float = 0.0  # seconds the reading took


def why_distrust(first: Ticks, last: Ticks, now: Ticks, late_after: float) -> str:
    """Say why time is not to be trusted now, "" if it is.

    `first` is the reading that slow drift is measured from, `last` the one of the beat before.
    """
    gap = now.running - last.running
    if gap > late_after:
        return f"no beat for {gap:.0f} s"
    for since, word in ((last, "jumped"), (first, "drifts")):
        limit = JUMP + now.unsure + since.unsure
        passed = {
            "the wall clock": now.wall - since.wall,
            "the database's clock": now.database - since.database,
        }
        for name, seconds in passed.items():
            apart = seconds - (now.running - since.running)
            if abs(apart) > limit:
                return f"{name} {word} by {apart:+.0f} s"
    if abs(now.wall - now.database) > APART + now.unsure:
        return f"the wall clock and the database's are {now.wall - now.database:+.0f} s apart"
    return ""
