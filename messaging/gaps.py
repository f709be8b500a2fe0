"""Whether a feed is quieter than it usually is at this hour, and whether numbers are missing; pure, knows no table.

Of each hour of the week the longest silences of the last weeks are known. The longest of all is left out: one outage
must not teach that silence is usual.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from pasmirror.lib import clock

HOURS = 168
WEEKS = 8  # weeks kept
ENOUGH = 3  # weeks before anything is said
TIMES = 3.0  # so many times as long as usual is too long
LEAST = 300.0  # seconds of silence that are never too long
SEQUENCE = 50  # steps before a sender's numbers are called consecutive
STEADY = 0.95  # of those steps must be 1
_HOUR = timedelta(hours=1)
_NUMBERED = re.compile(r"(.*?)(\d{1,18})")


class Quiet(NamedTuple):
    """A feed that is too quiet: for how long, and the longest silence usual at this hour; seconds."""

    age: float
    usual: float


class Jump(NamedTuple):
    """Numbers missing in a sender's own sequence: after which control id, how many."""

    after: str
    missing: int


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


def hours_of(since: datetime, until: datetime) -> Iterator[int]:
    """Give the hours of the week a silence spans, at most one week's."""
    at = begun(max(since, until - timedelta(hours=HOURS - 1)))
    while at <= until:
        yield hour_of_week(at)
        at += _HOUR


def quiet(age: float, usuals: Iterable[float | None]) -> Quiet | None:
    """Say whether a feed is too quiet; `usuals`: of the hours its silence spans. None where nothing is known."""
    known = [value for value in usuals if value is not None]
    if not known or age <= max(LEAST, TIMES * max(known)):
        return None
    return Quiet(age, max(known))


def jump(control_ids: Sequence[str]) -> Jump | None:
    """Give the newest jump in control ids, oldest first; None where they are not consecutive, or nothing is missing.

    A sender that begins again at a lower number has lost nothing by that.
    """
    numbered = [found for found in map(_NUMBERED.fullmatch, control_ids) if found]
    steps = [(a[0], int(b[2]) - int(a[2])) for a, b in pairwise(numbered) if a[1] == b[1]]  # of one series of numbers
    if len(steps) < SEQUENCE or sum(step == 1 for _, step in steps) < STEADY * len(steps):
        return None
    return next((Jump(after, step - 1) for after, step in reversed(steps) if step > 1), None)


def minutes(seconds: float) -> str:
    """Give a silence in words a person reads: seconds under two minutes, then minutes, then hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
