"""Whether a feed is quieter than it usually is at this hour, and whether numbers are missing; pure, knows no table.

Of each hour of the week the longest silences of the last weeks are known. The longest of all is left out: one outage
must not teach that silence is usual.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from pasmirror.lib import clock

WEEKS = 8  # weeks kept
ENOUGH = 3  # weeks before anything is said
TIMES = 3.0  # so many times as long as usual is too long
LEAST = 300.0  # seconds of silence that are never too long
SEQUENCE = 50  # steps before a sender's numbers are called consecutive
STEADY = 0.95  # of those steps must be 1
FAR = 100  # numbers back that several connections may make of the order; further back the sender has begun anew
WIDEST = 10_000  # numbers of a hole that are told apart as they come after all
_HOUR = timedelta(hours=1)
_NUMBERED = re.compile(r"(.*?)(\d{1,18})")


class Quiet(NamedTuple):
    """A feed that is too quiet: for how long, and the longest silence usual at this hour; seconds."""

    age: float
    usual: float


class Hole(NamedTuple):
    """Numbers missing in a sender's own sequence: after which control id, what stands before them, first and last."""

    after: str
    prefix: str
    first: int
    last: int

    @property
    def missing(self) -> int:
        """How many."""
        return self.last - self.first + 1


def hour_of_week(at: datetime) -> int:
    """Give the hour of the week at the site, 0 to 167 from Monday midnight."""
    local = at.astimezone(clock.SITE)
    return local.weekday() * 24 + local.hour


def begun(at: datetime) -> datetime:
    """Give when the hour of `at` began."""
    return at.replace(minute=0, second=0, microsecond=0)


def silence(before: datetime, start: datetime, first: datetime | None, inner: float, last: datetime | None) -> float:
    """Give the longest silence that stood at any moment of the hour from `start`, in seconds.

    `before`: the newest message before it; `first`, `last`, `inner`: the hour's own messages and their longest gap.
    """
    end = start + _HOUR
    if first is None or last is None:
        return (end - before).total_seconds()
    return max((first - before).total_seconds(), inner, (end - last).total_seconds())


def learned(longest: Sequence[float], new: float) -> list[float]:
    """Give the silences of an hour with one more week, the oldest falling out."""
    return [*longest, round(new, 1)][-WEEKS:]


def usual(longest: Sequence[float]) -> float | None:
    """Give the longest silence usual in an hour, in seconds: the longest but one; None after too few weeks."""
    return sorted(longest)[-2] if len(longest) >= ENOUGH else None


def quiet(age: float, usual: float | None) -> Quiet | None:
    """Say whether a feed is too quiet against what is usual at this hour; None where nothing is known."""
    if usual is None or age <= max(LEAST, TIMES * usual):
        return None
    return Quiet(age, usual)


def holes(came: Iterable[tuple[str, datetime]], until: datetime) -> list[Hole]:
    """Give what is missing among control ids with the moments they came, in the order of coming.

    Only of consecutive numbers, and only before one that came by `until`: others may still be on their way. A sender
    that begins again at a lower number has lost nothing by that.
    """
    found = []
    for prefix, run in _runs(came):
        steps = list(pairwise(sorted(run)))
        if len(steps) >= SEQUENCE and sum(b - a == 1 for a, b in steps) >= STEADY * len(steps):
            found += [Hole(run[a][0], prefix, a + 1, b - 1) for a, b in steps if b - a > 1 and run[b][1] <= until]
    return found


def left(hole: Hole, came: Iterable[str]) -> list[Hole]:
    """Give what of a hole is still missing once these control ids have come."""
    if hole.missing > WIDEST:
        return [hole]
    numbered = filter(None, map(_NUMBERED.fullmatch, came))
    late = sorted(
        {int(found[2]) for found in numbered if found[1] == hole.prefix and hole.first <= int(found[2]) <= hole.last}
    )
    edges = pairwise([hole.first - 1, *late, hole.last + 1])
    return [hole._replace(first=a + 1, last=b - 1) for a, b in edges if b - a > 1]


def _runs(came: Iterable[tuple[str, datetime]]) -> list[tuple[str, dict[int, tuple[str, datetime]]]]:
    """Part control ids into runs of one prefix each, a new one where the numbers begin anew."""
    runs: list[tuple[str, dict[int, tuple[str, datetime]]]] = []
    newest: dict[str, dict[int, tuple[str, datetime]]] = {}
    highest: dict[str, int] = {}
    for control_id, at in came:
        if (found := _NUMBERED.fullmatch(control_id)) is None:
            continue
        prefix, number = found[1], int(found[2])
        if prefix not in newest or number < highest[prefix] - FAR:
            newest[prefix], highest[prefix] = {}, number
            runs.append((prefix, newest[prefix]))
        newest[prefix][number] = (control_id, at)
        highest[prefix] = max(highest[prefix], number)
    return runs


def minutes(seconds: float) -> str:
    """Give a silence in words a person reads: seconds under two minutes, then minutes, then hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
