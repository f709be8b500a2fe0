"""Finds a lane whose numbers are not 1 to its head once each, or a number left lying (I1); pure."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import History

SETTLED = frozenset({"accepted", "set_aside", "left_to_pas", "skipped", "shadowed"})
WAITING = frozenset({"queued", "held", "unreleased"})


def check(history: History) -> Iterator[Finding]:
    """Give every gap."""
    lying = {each.outbound for each in history.attempts if each.closed_at is None}
    for to in sorted(history.destinations, key=lambda each: each.id):
        rows = sorted((row for row in history.outbound if row.lane == to.id), key=lambda row: row.seq)
        numbers = Counter(row.seq for row in rows)
        if missing := [seq for seq in range(1, to.head + 1) if not numbers[seq]]:
            yield finding(Kind.LANE_GAP, f"Numbers are missing from the lane of {to.code}", missing=missing[:20])
        if strange := [seq for seq, times in numbers.items() if times > 1 or not 1 <= seq <= to.head]:
            yield finding(
                Kind.LANE_GAP,
                f"Numbers of the lane of {to.code} were given twice or are not of it",
                numbers=strange[:20],
                head=to.head,
            )
        for row in rows:
            if row.leg in SETTLED:
                continue
            sound = row.leg in WAITING or (to.is_pas and row.leg == "sending")
            if not sound or row.id in lying:
                yield finding(
                    Kind.LANE_GAP,
                    f"A message to {to.code} is neither settled nor waiting: {row.leg}",
                    seq=row.seq,
                    change=row.change,
                )
